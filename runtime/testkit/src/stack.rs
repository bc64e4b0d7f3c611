//! Real servers: the stack named by `ROWTIDE_STACK` (the path of its env file), or one of this process's own.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A running stack.
#[derive(Debug)]
pub struct Stack {
    name: String,
    addresses: HashMap<String, String>,
    own: bool,
}

/// The folder of the project.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

impl Stack {
    /// The stack to test on, with these services.
    ///
    /// # Panics
    /// When it does not start: the message is that of `compose/stack`.
    pub fn with(services: &[&str]) -> Self {
        if let Some(env) = std::env::var_os("ROWTIDE_STACK") {
            return Self::read(Path::new(&env), false);
        }
        Self::bare(services)
    }

    /// A stack of one's own, to be killed and restarted; it ends with this process at the latest.
    ///
    /// # Panics
    /// As [`Stack::with`].
    pub fn own(services: &[&str]) -> Self {
        let stack = Self::bare(services);
        run(&["init", "--name", &stack.name], None);
        stack
    }

    /// As [`Stack::own`], without the tables of `sql`: for tests that bring theirs.
    ///
    /// # Panics
    /// As [`Stack::with`].
    pub fn bare(services: &[&str]) -> Self {
        Self::start(services, None)
    }

    /// As [`Stack::with`]; one of one's own runs Postgres with these settings (`name=value;…`, over those of
    /// `compose/stack`).
    ///
    /// # Panics
    /// As [`Stack::with`].
    pub fn tuned(services: &[&str], postgres: &str) -> Self {
        match std::env::var_os("ROWTIDE_STACK") {
            Some(env) => Self::read(Path::new(&env), false),
            None => Self::start(services, Some(postgres)),
        }
    }

    fn start(services: &[&str], postgres: Option<&str>) -> Self {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "test-{}-{}",
            std::process::id(),
            STARTED.fetch_add(1, Ordering::Relaxed)
        );
        let mut arguments = vec!["up", "--name", name.as_str()];
        arguments.extend(services);
        let mut up = command(&arguments);
        up.envs(postgres.map(|settings| ("STACK_PG_SETTINGS", settings)));
        output(&mut up, None);
        Self::read(&root().join(format!("target/stack/{name}/env")), true)
    }

    fn read(env: &Path, own: bool) -> Self {
        let text = std::fs::read_to_string(env).expect("the stack's env file can be read");
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        let addresses: HashMap<_, _> = pairs
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        let name = addresses
            .get("STACK_NAME")
            .expect("the env file names its stack")
            .clone();
        Self { name, addresses, own }
    }

    /// A value of the env file, such as `PG_PORT` or `KAFKA_BOOTSTRAP`.
    ///
    /// # Panics
    /// When the stack does not run that service.
    pub fn get(&self, key: &str) -> &str {
        self.addresses
            .get(key)
            .unwrap_or_else(|| panic!("the stack {} has no {key}", self.name))
    }

    /// SIGKILL for a service.
    pub fn kill(&self, service: &str) {
        run(&["kill", "--name", &self.name, service], None);
    }

    /// Starts a service again on its data and port.
    pub fn up(&self, service: &str) {
        let mut up = command(&["up", "--name", &self.name, service]);
        if !self.own {
            // Whoever started the stack ends it, not this process's end.
            up.env_remove("STACK_OWNER_PID");
        }
        output(&mut up, None);
    }

    /// Stops a service in order and starts it again on its data and port.
    pub fn restart(&self, service: &str) {
        run(&["restart", "--name", &self.name, service], None);
    }

    /// Runs SQL in a database as its superuser, in one session; answers the rows, fields separated by tabs.
    ///
    /// # Panics
    /// When a statement fails.
    pub fn sql(&self, database: &str, statements: &str) -> String {
        self.sql_on("PG", database, statements)
    }

    /// As [`Stack::sql`], on the server whose addresses begin with `server`: `PG`, or `PG18`.
    ///
    /// # Panics
    /// As there.
    pub fn sql_on(&self, server: &str, database: &str, statements: &str) -> String {
        self.run_sql(server, database, statements)
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// As [`Stack::sql`], for a server that may be gone.
    ///
    /// # Errors
    /// What `psql` says when a statement fails, or nobody is there.
    pub fn try_sql(&self, database: &str, statements: &str) -> Result<String, String> {
        self.run_sql("PG", database, statements)
    }

    fn run_sql(&self, server: &str, database: &str, statements: &str) -> Result<String, String> {
        let of = |what: &str| self.get(&format!("{server}_{what}"));
        let mut psql = Command::new("psql");
        psql.args(["-h", of("HOST"), "-p", of("PORT"), "-U", of("USER")]);
        psql.args([
            "-d",
            database,
            "-qAtX",
            "-F",
            "\t",
            "-P",
            "null=null",
            "-v",
            "ON_ERROR_STOP=1",
            "-f",
            "-",
        ]);
        try_output(&mut psql, Some(statements))
    }

    /// Runs CQL statements, each ended by a semicolon; answers the rows, fields separated by tabs.
    ///
    /// # Panics
    /// When a statement fails.
    pub fn cql(&self, statements: &str) -> String {
        run(&["cql", "--name", &self.name, "-"], Some(statements))
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if self.own && !std::thread::panicking() {
            run(&["down", "--name", &self.name], None);
        }
    }
}

fn run(arguments: &[&str], input: Option<&str>) -> String {
    output(&mut command(arguments), input)
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(root().join("compose/stack"));
    command
        .args(arguments)
        .env("STACK_OWNER_PID", std::process::id().to_string());
    command
}

fn output(command: &mut Command, input: Option<&str>) -> String {
    try_output(command, input).unwrap_or_else(|error| panic!("{error}"))
}

fn try_output(command: &mut Command, input: Option<&str>) -> Result<String, String> {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut stdin = child.stdin.take().expect("standard input is piped");
    let text = input.unwrap_or_default().to_owned();
    // A writer of its own: a long input and a long output must not wait for each other.
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let done = child.wait_with_output().expect("the command can be awaited");
    // A command that read less than it was given says why itself.
    let _ = writer.join();
    let errors = String::from_utf8_lossy(&done.stderr);
    if !done.status.success() {
        return Err(format!("{command:?}: {}\n{errors}", done.status));
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}
