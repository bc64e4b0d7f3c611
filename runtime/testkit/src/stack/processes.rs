//! A stack of plain processes: `compose/stack`.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

use super::{output, root};

/// Starts the services, with these settings of Postgres; answers their addresses. They end with this process at the latest.
pub(super) fn start(name: &str, services: &[&str], postgres: Option<&str>) -> HashMap<String, String> {
    let mut arguments = vec!["up", "--name", name];
    arguments.extend(services);
    let mut up = command(&arguments);
    up.envs(postgres.map(|settings| ("STACK_PG_SETTINGS", settings)));
    output(&mut up, None);
    read(&root().join(format!("target/stack/{name}/env")))
}

/// The addresses in a stack's env file.
pub(super) fn read(env: &Path) -> HashMap<String, String> {
    let text = std::fs::read_to_string(env).expect("the stack's env file can be read");
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

/// Loads the tables of `sql`.
pub(super) fn init(name: &str) {
    run(&["init", "--name", name], None);
}

/// SIGKILL.
pub(super) fn kill(name: &str, service: &str) {
    run(&["kill", "--name", name, service], None);
}

/// Starts a service again; `own` says whether the stack ends with this process.
pub(super) fn up(name: &str, service: &str, own: bool) {
    let mut up = command(&["up", "--name", name, service]);
    if !own {
        // Whoever started the stack ends it, not this process's end.
        up.env_remove("STACK_OWNER_PID");
    }
    output(&mut up, None);
}

/// An orderly stop, and a start.
pub(super) fn restart(name: &str, service: &str) {
    run(&["restart", "--name", name, service], None);
}

/// Runs CQL.
pub(super) fn cql(name: &str, statements: &str) -> String {
    run(&["cql", "--name", name, "-"], Some(statements))
}

/// Ends the stack and removes its data.
pub(super) fn down(name: &str) {
    run(&["down", "--name", name], None);
}

/// What the machine lacks for these services, in the words of `compose/stack`.
///
/// # Errors
/// When something is missing.
pub(super) fn needs(services: &[&str]) -> Result<(), String> {
    let mut arguments = vec!["needs"];
    arguments.extend(services);
    super::try_output(&mut command(&arguments), None).map(drop)
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
