//! Structured logs, as text or JSON, with connector and task in the span.

use std::io::IsTerminal as _;

use clap::ValueEnum;
use rowtide_api::{Error, ResultExt};
use tracing_subscriber::EnvFilter;

/// How to log.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// One JSON object per line.
    Json,
    /// Lines for people.
    Text,
}

/// The Cassandra driver warns at every statement where a keyspace has SimpleStrategy and the sink a data centre, which is
/// the usual pair on one node: thousands of equal lines would hide all others. Whoever wants them names the target.
const QUIET: &str = "scylla::policies::load_balancing::default=error";

/// Starts logging to standard error; standard output belongs to a command's result.
pub(crate) fn start(format: LogFormat, filter: &str) -> Result<(), Error> {
    let filter = parse(filter).fatal(format!("reading --log {filter}"))?;
    let json = match format {
        LogFormat::Auto => !std::io::stderr().is_terminal(),
        LogFormat::Json => true,
        LogFormat::Text => false,
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    if json {
        builder
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .init();
    } else {
        builder.with_ansi(std::io::stderr().is_terminal()).init();
    }
    Ok(())
}

/// What is asked for, after what is quiet by itself: of two directives for one target the later one counts.
fn parse(filter: &str) -> Result<EnvFilter, tracing_subscriber::filter::ParseError> {
    EnvFilter::try_new(format!("{QUIET},{filter}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quiet_target_is_heard_when_it_is_asked_for() {
        let shown = |filter: &str| parse(filter).unwrap().to_string();
        assert!(shown("info").contains(QUIET));
        let asked = QUIET.replace("error", "warn");
        assert!(shown(&asked).contains(&asked) && !shown(&asked).contains(QUIET));
        assert!(parse("info,=x=y").is_err());
    }
}
