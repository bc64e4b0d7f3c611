//! The worker's settings, from Connect's properties file and the environment.

#[cfg(test)]
mod image;
mod keys;
mod listener;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rowtide_api::config::{ConfigReport, Finding, Properties, Reader};
use rowtide_api::{Error, ResultExt};
use rowtide_engine::connector::chain::WorkerConverters;
use rowtide_engine::connector::validation::{OverrideCheck, Validator};
use rowtide_kafka::settings::{Policy, check_overrides};

use crate::environment::{self, FromVariable};
use crate::plugins::plugins;

pub(crate) use listener::{Advertised, Listener};

/// The worker's settings.
pub(crate) struct Settings {
    /// `bootstrap.servers`.
    pub(crate) kafka: Properties,
    /// `producer.*` without prefix.
    pub(crate) producer: Properties,
    /// `consumer.*` without prefix.
    pub(crate) consumer: Properties,
    /// The worker's converters.
    pub(crate) converters: WorkerConverters,
    /// `offset.storage.file.filename`.
    pub(crate) state_file: PathBuf,
    /// `offset.flush.interval.ms`.
    pub(crate) flush_interval: Duration,
    /// `offset.flush.timeout.ms`.
    pub(crate) flush_timeout: Duration,
    /// `task.shutdown.graceful.timeout.ms`.
    pub(crate) shutdown_timeout: Duration,
    /// The REST listener.
    pub(crate) rest: Listener,
    /// What others should call the REST listener.
    pub(crate) advertised: Advertised,
    /// The embedded registry's listener; absent: off.
    pub(crate) registry: Option<Listener>,
    /// The override policy.
    pub(crate) policy: Policy,
}

impl Settings {
    /// Reads a properties file; the environment wins over it. All errors are reported together.
    pub(crate) fn load(path: &Path) -> Result<Self, Error> {
        let shown = path.display();
        let bytes = read_file(path, "the worker's properties")?;
        let pairs = rowtide_java::properties::parse(&bytes)
            .fatal(format!("reading the worker's properties {shown}"))?;
        let mut properties: Properties = pairs.into_iter().collect();
        let variables = environment::worker_keys();
        for (key, from) in &variables {
            properties.set(key.as_str(), from.value.as_str());
        }
        let (settings, report) = Self::read(&properties);
        for finding in report.warnings() {
            tracing::warn!(key = finding.key, "{}", told(finding, &variables));
        }
        settings.ok_or_else(|| {
            let reasons: Vec<_> = report
                .errors()
                .iter()
                .map(|finding| told(finding, &variables))
                .collect();
            Error::fatal(format!(
                "the worker's properties {shown} are invalid:\n  {}",
                reasons.join("\n  ")
            ))
        })
    }

    /// The defaults, for validating a connector without a worker: only converters matter there.
    pub(crate) fn for_validation() -> Self {
        let properties = Properties::from_iter([
            ("key.converter", "org.apache.kafka.connect.json.JsonConverter"),
            ("value.converter", "org.apache.kafka.connect.json.JsonConverter"),
        ]);
        Self {
            kafka: Properties::new(),
            producer: Properties::new(),
            consumer: Properties::new(),
            converters: WorkerConverters {
                properties,
                defaults: registry_default("http://127.0.0.1:8081"),
            },
            state_file: PathBuf::new(),
            flush_interval: Duration::from_secs(1),
            flush_timeout: Duration::from_secs(5),
            shutdown_timeout: Duration::from_secs(5),
            rest: Listener::default(),
            advertised: Advertised::default(),
            registry: None,
            policy: Policy::All,
        }
    }

    /// Validates connectors as this worker would.
    pub(crate) fn validator(&self) -> Validator {
        Validator {
            plugins: plugins(),
            converters: self.converters.clone(),
            overrides: override_check(self.policy),
        }
    }

    fn read(properties: &Properties) -> (Option<Self>, ConfigReport) {
        let mut reader = Reader::new(properties);
        let settings = keys::read(&mut reader);
        keys::check_others(&mut reader);
        let report = reader.finish(&keys::definitions());
        (settings.filter(|_| report.is_ok()), report)
    }
}

/// The default a converter gets for `schema.registry.url`.
pub(crate) fn registry_default(url: &str) -> Properties {
    Properties::from_iter([("schema.registry.url", url)])
}

fn override_check(policy: Policy) -> OverrideCheck {
    fn check(policy: Policy, kind: &str, overrides: &Properties) -> Vec<Finding> {
        if kind == "admin" {
            let refused = |(key, _): (&str, &str)| Finding {
                key: key.to_owned(),
                message: format!(
                    "admin.override.{key} has no effect: connectors have no admin client; remove it"
                ),
            };
            return overrides.iter().map(refused).collect();
        }
        check_overrides(policy, overrides)
    }
    match policy {
        Policy::AllowList => |kind, overrides| check(Policy::AllowList, kind, overrides),
        Policy::None => |kind, overrides| check(Policy::None, kind, overrides),
        Policy::Principal => |kind, overrides| check(Policy::Principal, kind, overrides),
        Policy::All => |kind, overrides| check(Policy::All, kind, overrides),
    }
}

/// Reads a file the command line names; `what` says which in the error.
pub(crate) fn read_file(path: &Path, what: &str) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|cause| {
        Error::fatal(format!("reading {what} {}", path.display()))
            .hint("check the path, and that this user may read it")
            .because(cause)
    })
}

/// What is wrong with a key; where its value comes from a variable, from which.
fn told(finding: &Finding, variables: &BTreeMap<String, FromVariable>) -> String {
    match variables.get(&finding.key) {
        Some(from) => format!("{} (set by the variable {})", finding.message, from.variable),
        None => finding.message.clone(),
    }
}
