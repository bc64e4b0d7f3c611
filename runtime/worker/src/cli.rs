//! The command line.

mod list;
mod validate;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use rowtide_api::Error;

use crate::telemetry::{self, LogFormat};
use crate::{environment, standalone};

/// A normal end.
const OK: u8 = 0;
/// The command line is wrong.
const USAGE: u8 = 1;
/// The worker did not start.
const NOT_STARTED: u8 = 2;
/// A connector file is wrong.
const BAD_CONNECTOR: u8 = 3;

/// Change-data-capture connectors over Kafka, in one binary.
#[derive(Parser)]
#[command(name = "rowtide", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// How to log; auto is text on a terminal and JSON elsewhere.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Auto)]
    log_format: LogFormat,
    /// What to log: a level, or targets with levels as in rowtide_postgres=debug,info.
    #[arg(long, global = true, default_value = "info")]
    log: String,
}

#[derive(Subcommand)]
enum Command {
    /// Run connectors in this process alone, with their state in a local file.
    Standalone {
        /// The worker's properties, as Connect's connect-standalone.properties.
        worker: PathBuf,
        /// Connectors to run: JSON or properties.
        connectors: Vec<PathBuf>,
        /// Listen beyond this machine without TLS and authentication.
        #[arg(long)]
        i_accept_insecure_remote: bool,
    },
    /// Check a connector's configuration, also against the systems it names.
    Validate {
        /// The connector: JSON or properties.
        connector: PathBuf,
        /// The worker's properties, for the converters a connector does not name itself.
        #[arg(long)]
        worker: Option<PathBuf>,
    },
    /// List the connectors, converters and transforms in this binary.
    Plugins,
}

/// Runs the command line.
pub(crate) fn run() -> ExitCode {
    ExitCode::from(dispatch(std::env::args_os().collect()))
}

fn dispatch(arguments: Vec<OsString>) -> u8 {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(help) => {
            let is_error = help.use_stderr();
            // A closed terminal changes nothing about the outcome.
            let _ = help.print();
            return if is_error { USAGE } else { OK };
        }
    };
    match arguments.command {
        Command::Standalone {
            worker,
            connectors,
            i_accept_insecure_remote,
        } => {
            if let Err(error) = telemetry::start(arguments.log_format, &arguments.log) {
                return failed(USAGE, &error);
            }
            environment::arm_failpoint();
            let remote = i_accept_insecure_remote || environment::accepts_insecure_remote();
            match standalone::run(&worker, &connectors, remote) {
                Ok(()) => OK,
                Err(standalone::Failure::Worker(error)) => failed(NOT_STARTED, &error),
                Err(standalone::Failure::Connector(error)) => failed(BAD_CONNECTOR, &error),
            }
        }
        Command::Validate { connector, worker } => validate::run(&connector, worker.as_deref()),
        Command::Plugins => {
            say(&list::text());
            OK
        }
    }
}

/// Prints an error with its causes, and answers the exit code.
fn failed(code: u8, error: &Error) -> u8 {
    let mut text = format!("rowtide: {error}\n");
    for cause in error.chain() {
        text.push_str(&format!("  because: {cause}\n"));
    }
    // Nowhere else to say it.
    let _ = std::io::stderr().write_all(text.as_bytes());
    code
}

/// Prints a command's result.
fn say(text: &str) {
    // A closed pipe is the reader's choice.
    let _ = std::io::stdout().write_all(text.as_bytes());
}
