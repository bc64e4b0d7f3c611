//! The `rowtide` binary: reads its arguments and files, wires the parts, forwards signals.

mod cli;
mod connector_file;
mod environment;
mod file_log;
mod plugins;
mod registry;
mod settings;
mod shutdown;
mod standalone;
mod telemetry;

use std::process::ExitCode;

use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    cli::run()
}
