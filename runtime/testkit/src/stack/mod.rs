//! Real servers: the stack named by `ROWTIDE_STACK` (the path of its env file), or one of this process's own, as plain
//! processes (`compose/stack`) or, with the feature `containers`, on a container engine; [`choice`] says which.

pub mod choice;
#[cfg(feature = "containers")]
mod containers;
pub mod description;
mod processes;

use std::collections::HashMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use choice::Form;

/// A running stack.
#[derive(Debug)]
pub struct Stack {
    name: String,
    addresses: HashMap<String, String>,
    servers: Servers,
}

/// What its servers are.
#[derive(Debug)]
enum Servers {
    /// Processes of `compose/stack`.
    Processes {
        /// Whether they end with this handle.
        own: bool,
    },
    #[cfg(feature = "containers")]
    Containers(containers::Containers),
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
    /// When it does not start: the message is that of `compose/stack`, or of the container engine.
    pub fn with(services: &[&str]) -> Self {
        if let Some(env) = std::env::var_os("ROWTIDE_STACK") {
            return Self::named(Path::new(&env));
        }
        Self::bare(services)
    }

    /// A stack of one's own, to be killed and restarted; it ends with this process at the latest.
    ///
    /// # Panics
    /// As [`Stack::with`].
    pub fn own(services: &[&str]) -> Self {
        let stack = Self::bare(services);
        stack.init();
        stack
    }

    /// Loads the tables of `sql` into the databases that run.
    ///
    /// # Panics
    /// When a database refuses them.
    pub fn init(&self) {
        match &self.servers {
            Servers::Processes { .. } => processes::init(&self.name),
            #[cfg(feature = "containers")]
            Servers::Containers(containers) => containers.init(),
        }
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
            Some(env) => Self::named(Path::new(&env)),
            None => Self::start(services, Some(postgres)),
        }
    }

    fn start(services: &[&str], postgres: Option<&str>) -> Self {
        Self::of(choice::form(services), services, postgres)
    }

    /// As [`Stack::bare`], in a form that is chosen by the caller, with these settings of Postgres.
    ///
    /// # Panics
    /// As [`Stack::with`], and for a form that this build does not have.
    pub fn of(form: Form, services: &[&str], postgres: Option<&str>) -> Self {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "test-{}-{}",
            std::process::id(),
            STARTED.fetch_add(1, Ordering::Relaxed)
        );
        match form {
            Form::Processes => {
                let addresses = processes::start(&name, services, postgres);
                let servers = Servers::Processes { own: true };
                Self {
                    name,
                    addresses,
                    servers,
                }
            }
            #[cfg(feature = "containers")]
            Form::Containers => {
                let (containers, addresses) = containers::Containers::start(&name, services, postgres);
                let servers = Servers::Containers(containers);
                Self {
                    name,
                    addresses,
                    servers,
                }
            }
            #[cfg(not(feature = "containers"))]
            Form::Containers => panic!("this test is built without rowtide-testkit's feature `containers`"),
        }
    }

    /// Servers that somebody else has started, and ends.
    fn named(env: &Path) -> Self {
        let addresses = processes::read(env);
        let name = addresses
            .get("STACK_NAME")
            .expect("the env file names its stack")
            .clone();
        let servers = Servers::Processes { own: false };
        Self {
            name,
            addresses,
            servers,
        }
    }

    /// A value of the env file, such as `PG_PORT` or `KAFKA_BOOTSTRAP`.
    ///
    /// # Panics
    /// When the stack does not run that service, or has no such thing in this form: the files of a container are not
    /// this machine's, so there is no `PG_DATA`.
    pub fn get(&self, key: &str) -> &str {
        self.addresses.get(key).unwrap_or_else(|| {
            let form = match &self.servers {
                Servers::Processes { .. } => "",
                #[cfg(feature = "containers")]
                Servers::Containers(_) => {
                    " (it runs in containers; what needs the servers' files or processes wants ROWTIDE_TEST_STACK=processes)"
                }
            };
            panic!("the stack {} has no {key}{form}", self.name)
        })
    }

    /// SIGKILL for a service.
    pub fn kill(&self, service: &str) {
        match &self.servers {
            Servers::Processes { .. } => processes::kill(&self.name, service),
            #[cfg(feature = "containers")]
            Servers::Containers(containers) => containers.kill(service),
        }
    }

    /// Starts a service again on its data and port.
    pub fn up(&self, service: &str) {
        match &self.servers {
            Servers::Processes { own } => processes::up(&self.name, service, *own),
            #[cfg(feature = "containers")]
            Servers::Containers(containers) => containers.up(service),
        }
    }

    /// Stops a service in order and starts it again on its data and port.
    pub fn restart(&self, service: &str) {
        match &self.servers {
            Servers::Processes { .. } => processes::restart(&self.name, service),
            #[cfg(feature = "containers")]
            Servers::Containers(containers) => containers.restart(service),
        }
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
        self.try_sql_on(server, database, statements)
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// As [`Stack::sql`], for a server that may be gone.
    ///
    /// # Errors
    /// What `psql` says when a statement fails, or nobody is there.
    pub fn try_sql(&self, database: &str, statements: &str) -> Result<String, String> {
        self.try_sql_on("PG", database, statements)
    }

    /// As [`Stack::try_sql`], on the server whose addresses begin with `server`.
    ///
    /// # Errors
    /// As there.
    pub fn try_sql_on(&self, server: &str, database: &str, statements: &str) -> Result<String, String> {
        let of = |what: &str| self.get(&format!("{server}_{what}"));
        match &self.servers {
            Servers::Processes { .. } => {
                let mut psql = Command::new("psql");
                psql.args(["-h", of("HOST"), "-p", of("PORT")]);
                psql.args(["-U", of("USER"), "-d", database]).args(PSQL);
                try_output(&mut psql, Some(statements))
            }
            #[cfg(feature = "containers")]
            Servers::Containers(containers) => containers.sql(of("USER"), database, statements),
        }
    }

    /// Runs CQL statements, each ended by a semicolon; answers the rows, fields separated by tabs.
    ///
    /// # Panics
    /// When a statement fails.
    pub fn cql(&self, statements: &str) -> String {
        match &self.servers {
            Servers::Processes { .. } => processes::cql(&self.name, statements),
            #[cfg(feature = "containers")]
            Servers::Containers(containers) => containers.cql(statements),
        }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // A test that failed leaves its servers to their guard: a second panic would hide the first.
        if std::thread::panicking() {
            return;
        }
        match &mut self.servers {
            Servers::Processes { own: true } => processes::down(&self.name),
            Servers::Processes { own: false } => {}
            #[cfg(feature = "containers")]
            Servers::Containers(containers) => containers.remove(),
        }
    }
}

/// How psql answers: rows alone, their fields separated by tabs; it ends at the first statement that fails.
const PSQL: [&str; 9] = [
    "-qAtX",
    "-F",
    "\t",
    "-P",
    "null=null",
    "-v",
    "ON_ERROR_STOP=1",
    "-f",
    "-",
];

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
