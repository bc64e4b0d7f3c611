//! A stack of containers, made by testcontainers from the images of `compose/compose.yaml`.
//!
//! testcontainers makes and starts them. What must outlive its handles (the guard), needs standard input (`psql`, `cqlsh`) or
//! is a signal (`kill`) goes through the engine's own command line, `docker`; both follow `DOCKER_HOST`.

mod guard;
mod servers;
mod tables;

use std::collections::{BTreeMap, HashMap};
use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use testcontainers::core::IntoContainerPort as _;
use testcontainers::runners::AsyncRunner as _;
use testcontainers::{ContainerAsync, GenericImage, ImageExt as _};
use tokio::runtime::Runtime;

use super::description::{Service, service};
use super::{PSQL, output, root, try_output};
use guard::Guard;

/// The label of every container, with the stack's name.
const LABEL: &str = "dev.rowtide.stack";

/// How long a server may take until it is ready: that of `compose/stack`.
const READY: Duration = Duration::from_secs(180);

/// Seconds a server has for an orderly stop, as in `compose/stack`.
const STOP_SECONDS: &str = "30";

/// testcontainers is asynchronous, this handle is not; a runtime that is never dropped serves tests with and without one.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(1).enable_all().build();
    runtime.expect("a runtime for the container engine's client")
});

/// The containers of a stack.
#[derive(Debug)]
pub(super) struct Containers {
    servers: BTreeMap<String, Server>,
    /// Removes what is left when this process ends, however it ends.
    guard: Guard,
}

#[derive(Debug)]
struct Server {
    container: Option<ContainerAsync<GenericImage>>,
    id: String,
    ready: Vec<String>,
}

/// Whether an engine answers.
///
/// # Errors
/// What its command line says.
pub(super) fn engine() -> Result<(), String> {
    let mut version = Command::new("docker");
    version.args(["version", "--format", "{{.Server.APIVersion}}"]);
    match version.output() {
        Ok(done) if done.status.success() => Ok(()),
        Ok(done) => Err(String::from_utf8_lossy(&done.stderr).trim().to_owned()),
        Err(error) => Err(format!("the command docker: {error}")),
    }
}

impl Containers {
    /// Starts the services and waits until each is ready; answers their addresses.
    pub(super) fn start(
        name: &str,
        services: &[&str],
        postgres: Option<&str>,
    ) -> (Self, HashMap<String, String>) {
        let file = root().join("compose/compose.yaml");
        let text = std::fs::read_to_string(file).expect("compose/compose.yaml can be read");
        // One name more than `test-PID-N`: process ids repeat, on machines that share an engine above all.
        let label = format!("{name}-{:x}", rand_suffix());
        let mut stack = Self {
            servers: BTreeMap::new(),
            guard: Guard::new(&label),
        };
        let mut addresses = HashMap::from([("STACK_NAME".to_owned(), name.to_owned())]);
        for wanted in services {
            let mut described = service(&text, wanted)
                .unwrap_or_else(|error| panic!("{error}; ROWTIDE_TEST_STACK=processes has it"));
            let port = servers::free_port();
            let place = servers::place(wanted, port, postgres, &mut described);
            addresses.extend(place.addresses);
            let server = run(&described, place.files, place.port, port, &label);
            stack.servers.insert((*wanted).to_owned(), server);
        }
        for wanted in services {
            stack.await_ready(wanted);
        }
        (stack, addresses)
    }

    /// Loads the tables of `sql`, which lie in the database `rowtide` and a keyspace of their own.
    pub(super) fn init(&self) {
        if self.servers.contains_key("postgres") {
            for file in tables::files("sql/postgres") {
                let loaded = self.sql("postgres", "rowtide", &file);
                loaded.unwrap_or_else(|error| panic!("{error}"));
            }
        }
        if self.servers.contains_key("cassandra") {
            for file in tables::files("sql/cassandra") {
                self.cql(&file);
            }
        }
    }

    /// SIGKILL for the server, which is process 1 of its container; the rest of the container ends with it.
    pub(super) fn kill(&self, service: &str) {
        docker(&["kill", "--signal", "KILL", &self.server(service).id]);
    }

    /// Starts a service again, unless it runs, and waits for it.
    pub(super) fn up(&self, service: &str) {
        docker(&["start", &self.server(service).id]);
        self.await_ready(service);
    }

    /// Stops a service in order, starts it again and waits for it.
    pub(super) fn restart(&self, service: &str) {
        docker(&["restart", "--time", STOP_SECONDS, &self.server(service).id]);
        self.await_ready(service);
    }

    /// Runs SQL by the server's own psql.
    pub(super) fn sql(&self, user: &str, database: &str, statements: &str) -> Result<String, String> {
        // By TCP: while the image's entry point initialises, the server listens on its socket only.
        let psql = ["psql", "-h", "127.0.0.1", "-U", user, "-d", database];
        let mut command = self.exec("postgres", &psql);
        try_output(command.args(PSQL), Some(statements))
    }

    /// Runs CQL by the server's own cqlsh.
    pub(super) fn cql(&self, statements: &str) -> String {
        let cqlsh = ["cqlsh", "--no-color", "--request-timeout=60"];
        let mut command = self.exec("cassandra", &cqlsh);
        // Pages would each repeat the heading.
        let input = format!("PAGING OFF;\n{statements}\n");
        tables::rows(&output(&mut command, Some(&input)))
    }

    /// Removes the containers with their data.
    pub(super) fn remove(&mut self) {
        let containers: Vec<_> = self
            .servers
            .values_mut()
            .filter_map(|s| s.container.take())
            .collect();
        for container in containers {
            block_on(container.rm()).unwrap_or_else(|error| panic!("removing a container: {error}"));
        }
        self.guard.dismiss();
    }

    fn server(&self, service: &str) -> &Server {
        let found = self.servers.get(service);
        found.unwrap_or_else(|| panic!("no container runs {service} in this stack"))
    }

    fn exec(&self, service: &str, command: &[&str]) -> Command {
        let mut exec = Command::new("docker");
        exec.args(["exec", "-i", &self.server(service).id]).args(command);
        exec
    }

    /// Waits until the health check of `compose.yaml` succeeds, and the service has what a fresh start of it lacks.
    fn await_ready(&self, service: &str) {
        let server = self.server(service);
        let deadline = Instant::now() + READY;
        let check: Vec<&str> = server.ready.iter().map(String::as_str).collect();
        while let Err(error) = try_output(&mut self.exec(service, &check), None) {
            let state = docker(&["inspect", "--format", "{{.State.Running}}", &server.id]);
            let ended = state.trim() != "true";
            if ended || Instant::now() > deadline {
                let what = if ended {
                    "ended before it was ready"
                } else {
                    "is not ready"
                };
                let mut logs = Command::new("sh");
                logs.args(["-c", "docker logs --tail 40 \"$1\" 2>&1", "sh", &server.id]);
                let logs = try_output(&mut logs, None).unwrap_or_else(|error| error);
                panic!("the container of {service} {what}: {error}\nthe end of its log:\n{logs}");
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        if service == "registry" {
            // Confluent's default level; Apicurio begins with NONE, and forgets at a stop.
            output(&mut self.exec(service, &servers::REGISTRY_LEVEL), None);
        }
    }
}

impl Drop for Containers {
    fn drop(&mut self) {
        // Left over by a test that failed: the guard removes them. Their own drop would want an asynchronous context.
        for server in self.servers.values_mut() {
            std::mem::forget(server.container.take());
        }
    }
}

/// Makes and starts a container whose port is `host_port` on this machine's loopback address alone.
fn run(described: &Service, files: Vec<(String, String)>, port: u16, host_port: u16, label: &str) -> Server {
    let image = GenericImage::new(described.image.clone(), described.tag.clone());
    let mut request = image
        .with_exposed_port(port.tcp())
        .with_mapped_port(host_port, port.tcp())
        .with_cmd(described.command.clone())
        .with_label(LABEL, label)
        .with_startup_timeout(READY)
        .with_host_config_modifier(|host| {
            let bindings = host.port_bindings.iter_mut().flat_map(HashMap::values_mut);
            for binding in bindings.flatten().flatten() {
                binding.host_ip = Some("127.0.0.1".to_owned());
            }
        });
    for (key, value) in &described.environment {
        request = request.with_env_var(key, value);
    }
    for (path, text) in files {
        request = request.with_copy_to(path, text.into_bytes());
    }
    let image = format!("{}:{}", described.image, described.tag);
    let container =
        block_on(request.start()).unwrap_or_else(|error| panic!("starting a container of {image}: {error}"));
    Server {
        id: container.id().to_owned(),
        container: Some(container),
        ready: described.ready.clone(),
    }
}

/// On a thread of its own, for the caller may be in a runtime, which must not be blocked by another one.
fn block_on<F: Future<Output: Send> + Send>(future: F) -> F::Output {
    std::thread::scope(|scope| {
        let done = scope.spawn(|| RUNTIME.block_on(future)).join();
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn docker(arguments: &[&str]) -> String {
    output(Command::new("docker").args(arguments), None)
}

/// A number that another process with the same id does not have.
fn rand_suffix() -> u128 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.expect("the clock is past 1970").as_nanos()
}
