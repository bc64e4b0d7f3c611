//! The `rowtide` binary as a process: started, asked over REST, stopped, killed.

use std::fs::File;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::rest::{Answer, call};
use crate::stack::root;

/// A worker: its folder, its ports, and its process while it runs.
#[derive(Debug)]
pub struct Worker {
    folder: tempfile::TempDir,
    properties: String,
    connectors: Vec<PathBuf>,
    /// `host:port` of the REST API.
    pub address: String,
    /// `host:port` of the embedded registry.
    pub registry: String,
    process: Option<Child>,
}

impl Worker {
    /// Prepares a worker on this Kafka; `more` is appended to its properties.
    ///
    /// # Panics
    /// When there is no temporary folder or no free port.
    pub fn new(bootstrap: &str, more: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (address, registry) = (free_address(), free_address());
        let state = folder.path().join("state");
        let properties = format!(
            "bootstrap.servers={bootstrap}\n\
             key.converter=io.confluent.connect.avro.AvroConverter\n\
             value.converter=io.confluent.connect.avro.AvroConverter\n\
             offset.storage.file.filename={}\n\
             offset.flush.interval.ms=200\n\
             listeners=http://{address}\n\
             rowtide.registry.listeners=http://{registry}\n{more}\n",
            state.display()
        );
        Self {
            folder,
            properties,
            connectors: Vec::new(),
            address,
            registry,
            process: None,
        }
    }

    /// Writes a file into the worker's folder and names it on the command line from the next start on.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn connector_file(&mut self, name: &str, content: &str) {
        let file = self.folder.path().join(name);
        std::fs::write(&file, content).expect("the connector file can be written");
        self.connectors.push(file);
    }

    /// The file the worker keeps its state in.
    pub fn state_file(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Starts the process and waits until REST answers.
    ///
    /// # Panics
    /// When it does not start; the message ends with its log.
    pub fn start(&mut self) {
        self.spawn(None);
        self.await_answer();
    }

    /// Starts the process with a failpoint armed; it may die before REST answers.
    pub fn start_to_die_at(&mut self, failpoint: &str) {
        self.spawn(Some(failpoint));
    }

    fn spawn(&mut self, failpoint: Option<&str>) {
        let file = self.folder.path().join("worker.properties");
        std::fs::write(&file, &self.properties).expect("the properties file can be written");
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_path())
            .expect("the log can be opened");
        // The worker does not outlive the thread that started it: a test that is killed leaves nothing running.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(binary());
        command
            .arg("standalone")
            .arg(&file)
            .args(&self.connectors)
            .arg("--log-format")
            .arg("text");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        if let Some(failpoint) = failpoint {
            command.env("ROWTIDE_FAILPOINT", failpoint);
        }
        self.process = Some(
            command
                .spawn()
                .expect("setpriv (of util-linux) starts the rowtide binary"),
        );
    }

    fn await_answer(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while call(&self.address, "GET", "/connectors", None).is_err() {
            assert!(
                Instant::now() < deadline && self.is_running(),
                "the worker does not answer\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether the process still runs.
    pub fn is_running(&mut self) -> bool {
        self.process
            .as_mut()
            .is_some_and(|process| matches!(process.try_wait(), Ok(None)))
    }

    /// Starts the process and waits until it ends by itself; answers its exit code.
    ///
    /// # Panics
    /// When it still runs after half a minute; the message ends with its log.
    pub fn start_in_vain(&mut self) -> Option<i32> {
        self.spawn(None);
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.is_running() {
            assert!(Instant::now() < deadline, "the worker runs\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        self.process
            .take()
            .and_then(|mut process| process.wait().ok()?.code())
    }

    /// SIGKILL, and waits for the end.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // One that died by itself is as dead.
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// SIGTERM; answers the exit code, and how long it took.
    ///
    /// # Panics
    /// When it does not end within half a minute.
    pub fn stop(&mut self) -> (Option<i32>, Duration) {
        let Some(mut process) = self.process.take() else {
            return (None, Duration::ZERO);
        };
        let begun = Instant::now();
        let sent = Command::new("kill").arg(process.id().to_string()).status();
        assert!(
            sent.is_ok_and(|status| status.success()),
            "SIGTERM could not be sent"
        );
        loop {
            if let Ok(Some(status)) = process.try_wait() {
                return (status.code(), begun.elapsed());
            }
            if begun.elapsed() > Duration::from_secs(30) {
                let _ = process.kill();
                panic!("the worker did not stop\n{}", self.log());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Asks over REST.
    ///
    /// # Panics
    /// When nobody answers; the message ends with the log.
    pub fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let body = body.map(Value::to_string);
        call(&self.address, method, path, body.as_deref())
            .unwrap_or_else(|error| panic!("{method} {path}: {error}\n{}", self.log()))
    }

    /// Creates a connector.
    ///
    /// # Panics
    /// When the answer is not 201.
    pub fn create(&self, name: &str, config: &[(&str, &str)]) {
        let config: Map<_, _> = config
            .iter()
            .map(|(key, value)| ((*key).to_owned(), json!(value)))
            .collect();
        let answer = self.ask(
            "POST",
            "/connectors",
            Some(&json!({ "name": name, "config": config })),
        );
        assert_eq!(answer.status, 201, "{}", answer.body);
    }

    /// Waits until a connector and all its tasks run.
    ///
    /// # Panics
    /// When one fails, or after a minute.
    pub fn await_running(&self, name: &str) {
        self.await_state(name, "RUNNING");
    }

    /// Waits until a connector and its tasks, at least one, are in this state; answers the status.
    ///
    /// # Panics
    /// After a minute, or when something FAILED that should not.
    pub fn await_state(&self, name: &str, state: &str) -> Value {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let status = self
                .ask("GET", &format!("/connectors/{name}/status"), None)
                .json();
            let tasks = status["tasks"].as_array().cloned().unwrap_or_default();
            let all = |wanted: &str| tasks.iter().all(|task| task["state"] == wanted);
            if !tasks.is_empty() && all(state) {
                return status;
            }
            let failed = tasks.iter().any(|task| task["state"] == "FAILED")
                || status["connector"]["state"] == "FAILED";
            let bad = state != "FAILED" && failed;
            assert!(
                !bad && Instant::now() < deadline,
                "{name} is not {state}: {status:#}\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// A metric's value summed over its samples whose labels contain `labels`.
    pub fn metric(&self, name: &str, labels: &str) -> i64 {
        let text = self.ask("GET", "/metrics", None).body;
        let samples = text
            .lines()
            .filter(|line| line.starts_with(name) && line.contains(labels));
        samples
            .filter_map(|line| line.rsplit(' ').next()?.parse::<i64>().ok())
            .sum()
    }

    /// The lines of the log, of all starts, that contain `words`.
    pub fn log_lines(&self, words: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.log_path()).unwrap_or_default();
        let lines = text.lines().filter(|line| line.contains(words));
        lines.map(str::to_owned).collect()
    }

    /// The end of the log.
    pub fn log(&self) -> String {
        let text = std::fs::read_to_string(self.log_path()).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The binary: `ROWTIDE_BIN`, or the debug build.
pub fn binary() -> PathBuf {
    std::env::var_os("ROWTIDE_BIN").map_or_else(|| root().join("target/debug/rowtide"), PathBuf::from)
}

/// A loopback address nobody listens on right now.
fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound address").to_string()
}

/// Asks again and again until the answer is right, for at most `wait`.
///
/// # Panics
/// With `what` and the last answer when the time is over.
pub fn eventually<T: PartialEq + std::fmt::Debug>(
    what: &str,
    wait: Duration,
    mut ask: impl FnMut() -> (T, T),
) {
    let deadline = Instant::now() + wait;
    loop {
        let (left, right) = ask();
        if left == right {
            return;
        }
        if Instant::now() > deadline {
            assert_eq!(left, right, "{what}");
        }
        std::thread::sleep(Duration::from_millis(300));
    }
}
