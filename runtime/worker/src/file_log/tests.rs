//! The log as its users see it.

use super::*;
use rowtide_engine::ports::Log as _;

fn set(key: &str, value: &str) -> LogRecord {
    LogRecord::set(key, value)
}

/// Opens what is about to be let go: the thread of a log that was dropped holds its lock a moment longer, and so does a
/// child process that another test is starting, until it runs its own program.
pub(super) fn patiently<T>(open: impl Fn() -> Result<T, Error>) -> T {
    for _ in 0..500 {
        match open() {
            Ok(log) => return log,
            Err(error) if error.to_string().contains("in use") => {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the lock was not let go");
}

pub(super) fn reopened(kind: Kind, path: &Path) -> FileLog {
    patiently(|| FileLog::open(kind, path))
}

/// Why a file does not open that a log before may hold a moment longer.
fn refusal_of(kind: Kind, path: &Path) -> String {
    patiently(|| match FileLog::open(kind, path) {
        Ok(_) => panic!("it opens"),
        Err(error) if error.to_string().contains("in use") => Err(error),
        Err(error) => Ok(error.to_string()),
    })
}

async fn read(path: &Path, section: Section) -> Vec<LogRecord> {
    let log = reopened(Kind::State, path);
    log.section(section).read_all().await.unwrap()
}

/// CN-136.
#[tokio::test]
async fn records_survive_and_sections_are_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    {
        let log = FileLog::open(Kind::State, &path).unwrap();
        let config = log.section(Section::Config);
        config
            .append(vec![set("k", "a\\n\"ü"), LogRecord::tombstone("x")])
            .await
            .unwrap();
        log.section(Section::Offset)
            .append(vec![set("k", "2")])
            .await
            .unwrap();
    }
    let newest = read(&path, Section::Config).await;
    assert_eq!(newest, [set("k", "a\\n\"ü"), LogRecord::tombstone("x")]);
    assert_eq!(read(&path, Section::Offset).await, [set("k", "2")]);
    assert_eq!(read(&path, Section::Run).await, []);
}

/// A file of the first version opens, torn or not, is rewritten, and opens again.
#[tokio::test]
async fn a_state_file_of_the_first_version_still_opens() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let offset = r#"["c",{"server":"p"}]"#;
    let lines = [
        "{\"rowtide\":\"state\",\"version\":1}\n",
        "[\"config\",\"connector-c\",\"{\\\"properties\\\":{\\\"name\\\":\\\"ü\\\"}}\"]\n",
        "[\"offset\",\"[\\\"c\\\",{\\\"server\\\":\\\"p\\\"}]\",\"{\\\"lsn\\\":1}\"]\n",
        "[\"status\",\"gone\",\"1\"]\n",
        "[\"status\",\"gone\",null]\n",
        "[\"offset\",\"[\\\"c\\\",{\\\"server\\\":\\\"p\\\"}]\",\"{\\\"lsn\\\":2}\"]\n",
    ];
    for torn in ["", "[\"offset\",\"x\",\"unconfi"] {
        std::fs::write(&path, lines.concat() + torn).unwrap();
        for _ in 0..2 {
            assert_eq!(
                read(&path, Section::Config).await,
                [set("connector-c", "{\"properties\":{\"name\":\"ü\"}}")]
            );
            assert_eq!(read(&path, Section::Offset).await, [set(offset, "{\"lsn\":2}")]);
            assert_eq!(read(&path, Section::Status).await, []);
        }
        assert!(std::fs::read(&path).unwrap().starts_with(b"rowtide-state 2\n"));
    }
    std::fs::write(&path, lines.concat() + "[\"offset\"]\n").unwrap();
    let refusal = refusal_of(Kind::State, &path);
    assert!(refusal.contains("damaged in line 7"), "{refusal}");
}

/// CN-135: a file of the JVM, or of anybody else, is never overwritten.
#[test]
fn a_foreign_file_is_refused_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("connect.offsets");
    let registrys = &b"rowtide-registry 1\n"[..];
    for bytes in [
        &b"\xac\xed\x00\x05sr\x00\x11java.util.HashMap"[..],
        b"hello\n",
        registrys,
    ] {
        std::fs::write(&path, bytes).unwrap();
        let refusal = FileLog::open(Kind::State, &path).err().unwrap().to_string();
        assert!(
            refusal.contains(&path.display().to_string())
                && refusal.contains("set offset.storage.file.filename"),
            "{refusal}"
        );
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }
}

#[test]
fn a_damaged_file_is_refused_by_its_line_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let line = String::from_utf8(format::line([&set("offset a", "1")])).unwrap();
    let text = format!("rowtide-state 2\n{}{line}", line.replace('a', "b"));
    std::fs::write(&path, &text).unwrap();
    let refusal = FileLog::open(Kind::State, &path).err().unwrap().to_string();
    assert!(
        refusal.contains("damaged in line 2") && refusal.contains("restore it from a copy"),
        "{refusal}"
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

/// What stands in the way is named with the file, the setting and the fix.
#[tokio::test]
async fn a_file_that_cannot_be_used_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("no-folder/state");
    let directory = folder.path().join("state");
    std::fs::create_dir(&directory).unwrap();
    for path in [missing, directory] {
        let refusal = FileLog::open(Kind::State, &path).err().unwrap();
        let text = refusal.to_string();
        assert!(
            text.contains(&path.display().to_string()) && text.contains("offset.storage.file.filename"),
            "{text}"
        );
        assert!(!refusal.is_retriable() && !refusal.chain().is_empty(), "{text}");
    }
    let path = folder.path().join("schemas");
    let log = FileLog::open(Kind::Schemas, &path).unwrap();
    let refusal = log.append(vec![set("a\n", "1")]).await.unwrap_err().to_string();
    assert!(
        refusal.contains(&path.display().to_string()) && refusal.contains("line feed"),
        "{refusal}"
    );
    assert_eq!(log.read_all().await.unwrap(), []);
}

#[tokio::test]
async fn two_workers_cannot_share_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let _first = FileLog::open(Kind::State, &path).unwrap();
    let refusal = FileLog::open(Kind::State, &path).err().unwrap().to_string();
    assert!(
        refusal.contains("in use by another worker") && refusal.contains("stop that one"),
        "{refusal}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_that_nobody_awaits_any_more_is_seen_by_the_next_reader() {
    let folder = tempfile::tempdir().unwrap();
    let log = FileLog::open(Kind::Schemas, &folder.path().join("schemas")).unwrap();
    for round in 1..=50 {
        let mut append = Box::pin(log.append(vec![set("a", "1")]));
        // Polled once, as when a client hangs up.
        std::future::poll_fn(|context| {
            let _ = append.as_mut().poll(context);
            std::task::Poll::Ready(())
        })
        .await;
        drop(append);
        assert_eq!(log.read_all().await.unwrap().len(), round);
    }
}

/// A disk that waits for its gate before each sync, and counts them.
struct GatedDisk(Arc<(std::sync::Mutex<()>, std::sync::atomic::AtomicUsize)>);

impl disk::Disk for GatedDisk {
    fn write(&mut self, file: &std::fs::File, bytes: &[u8], at: u64) -> std::io::Result<()> {
        LocalDisk.write(file, bytes, at)
    }

    fn sync(&mut self, file: &std::fs::File) -> std::io::Result<()> {
        let (gate, syncs) = &*self.0;
        let _passed = gate.lock().unwrap();
        syncs.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        LocalDisk.sync(file)
    }

    fn cut(&mut self, file: &std::fs::File, length: u64) -> std::io::Result<()> {
        LocalDisk.cut(file, length)
    }

    fn rename(&mut self, from: &Path, to: &Path) -> std::io::Result<()> {
        LocalDisk.rename(from, to)
    }

    fn sync_folder(&mut self, of: &Path) -> std::io::Result<()> {
        LocalDisk.sync_folder(of)
    }
}

#[test]
fn appends_that_arrive_during_a_sync_share_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let shared = Arc::new((std::sync::Mutex::new(()), std::sync::atomic::AtomicUsize::new(0)));
    let file = LogFile::open(Kind::State, &path, GatedDisk(shared.clone())).unwrap();
    shared.1.store(0, std::sync::atomic::Ordering::SeqCst);
    let closed = shared.0.lock().unwrap();
    let requests = Writer::start(Kind::State, file).unwrap();
    let answers: Vec<_> = (0..200)
        .map(|number| {
            let (reply, answer) = oneshot::channel();
            let record = set(&format!("offset {number}"), "1");
            requests.send(Request::Append(vec![record], reply)).unwrap();
            answer
        })
        .collect();
    drop(closed);
    for answer in answers {
        answer.blocking_recv().unwrap().unwrap();
    }
    let syncs = shared.1.load(std::sync::atomic::Ordering::SeqCst);
    assert!(syncs <= 2, "{syncs} syncs");
    let (reply, answer) = oneshot::channel();
    requests.send(Request::Read(reply)).unwrap();
    assert_eq!(answer.blocking_recv().unwrap().unwrap().len(), 200);
}
