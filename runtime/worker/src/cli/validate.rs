//! `rowtide validate`.

use std::fmt::Write;
use std::path::Path;

use rowtide_api::config::Properties;
use rowtide_api::{Error, ResultExt};
use rowtide_engine::connector::validation::Validation;

use super::{BAD_CONNECTOR, NOT_STARTED, OK, failed, say};
use crate::connector_file;
use crate::settings::Settings;

/// Validates a connector file and prints everything found.
pub(super) fn run(connector: &Path, worker: Option<&Path>) -> u8 {
    let settings = match worker.map_or_else(|| Ok(Settings::for_validation()), Settings::load) {
        Ok(settings) => settings,
        Err(error) => return failed(NOT_STARTED, &error),
    };
    let loaded = match connector_file::load(connector) {
        Ok(loaded) => loaded,
        Err(error) => return failed(BAD_CONNECTOR, &error),
    };
    match check(&settings, &loaded.config) {
        Ok(validation) => {
            say(&report(&loaded.name, &validation));
            if validation.report.is_ok() {
                OK
            } else {
                BAD_CONNECTOR
            }
        }
        Err(error) => failed(BAD_CONNECTOR, &error),
    }
}

fn check(settings: &Settings, config: &Properties) -> Result<Validation, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .fatal("starting the runtime")?;
    let validator = settings.validator();
    runtime
        .block_on(validator.validate_live(config))
        .map_err(Error::fatal)
}

fn report(name: &str, validation: &Validation) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    for finding in validation.report.errors() {
        let _ = writeln!(text, "error    {}: {}", finding.key, finding.message);
    }
    for finding in validation.report.warnings() {
        let _ = writeln!(text, "warning  {}: {}", finding.key, finding.message);
    }
    let errors = validation.report.errors().len();
    let verdict = if errors == 0 {
        "valid".to_owned()
    } else {
        format!("{errors} error(s)")
    };
    let _ = writeln!(text, "{name} ({}): {verdict}", validation.class);
    text
}
