//! The file under SIGKILL, a full disk and a second process.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use rowtide_engine::ports::LogRecord;

use super::tests::reopened;
use super::{FileLog, Kind};

/// Names the file to the child process. Without it [`child_that_appends`] does nothing.
const FILE: &str = "ROWTIDE_TEST_LOG_FILE";

fn record(number: u64) -> LogRecord {
    let filling = "x".repeat(usize::try_from(number % 300).unwrap());
    LogRecord::set(
        format!(r#"{{"keytype":"SCHEMA","subject":"s","version":{number},"magic":1}}"#),
        format!(r#"{{"id":{number},"schema":"{filling}"}}"#),
    )
}

/// Not a test but the other process of the tests below: appends and says so, until it is killed.
#[tokio::test]
#[allow(clippy::print_stdout, reason = "a child process reports by printing")]
async fn child_that_appends() {
    let Some(path) = std::env::var_os(FILE) else {
        return;
    };
    let log = FileLog::open(Kind::Schemas, Path::new(&path)).unwrap();
    let first = log.read_all().await.unwrap().len() as u64 + 1;
    println!("\nopened");
    for number in first.. {
        match log.append(vec![record(number)]).await {
            Ok(()) => println!("\nappended {number}"),
            Err(error) => {
                println!("\nrefused {number} {error}");
                break;
            }
        }
    }
}

fn child(path: &Path, limit_kib: Option<u32>) -> Command {
    let me = std::env::current_exe().unwrap();
    let limit = limit_kib.map_or_else(String::new, |limit| format!("trap '' XFSZ; ulimit -f {limit}; "));
    let mut command = Command::new("bash");
    command.arg("-c").arg(format!(
        r#"{limit}exec "$0" --exact file_log::kill::child_that_appends --nocapture"#
    ));
    command
        .arg(me)
        .env(FILE, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

#[tokio::test]
async fn av_108_what_was_confirmed_survives_sigkill_at_any_moment() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("schemas");
    let mut confirmed = 0;
    for round in 0..8_u64 {
        let mut child = child(&path, None).spawn().unwrap();
        let target = confirmed + 5 + round * 7;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            if let Some(number) = line.strip_prefix("appended ") {
                confirmed = number.parse().unwrap();
                if confirmed >= target {
                    // The child is inside its next append by now, or about to be.
                    child.kill().unwrap();
                }
            }
        }
        child.wait().unwrap();
        assert!(confirmed >= target, "the child died by itself after {confirmed}");
        let records = reopened(Kind::Schemas, &path).read_all().await.unwrap();
        let expected: Vec<_> = (1..=records.len() as u64).map(record).collect();
        assert!(
            records.len() as u64 >= confirmed,
            "{} of {confirmed} records",
            records.len()
        );
        assert_eq!(records, expected, "round {round}");
    }
}

#[tokio::test]
async fn a_second_process_is_refused_while_the_first_lives() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("schemas");
    let mut child = child(&path, None).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "opened"));
    let refused = FileLog::open(Kind::Schemas, &path).err().unwrap().to_string();
    assert!(
        refused.contains("in use") && refused.contains(&path.display().to_string()),
        "{refused}"
    );
    child.kill().unwrap();
    child.wait().unwrap();
    reopened(Kind::Schemas, &path);
}

#[tokio::test]
async fn a_full_disk_is_told_and_leaves_the_file_unharmed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("schemas");
    let output = child(&path, Some(64)).output().unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let refused = output
        .lines()
        .find(|line| line.starts_with("refused "))
        .expect("the child met no full disk");
    assert!(
        refused.contains("no space left") && refused.contains(&path.display().to_string()),
        "{refused}"
    );
    let appended = output
        .lines()
        .filter(|line| line.starts_with("appended "))
        .count();
    let log = reopened(Kind::Schemas, &path);
    let records = log.read_all().await.unwrap();
    assert_eq!(records, (1..=appended as u64).map(record).collect::<Vec<_>>());
    log.append(vec![record(appended as u64 + 1)]).await.unwrap();
}
