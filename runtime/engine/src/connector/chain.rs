//! Builds a connector's chain: its transforms, and its converters or the worker's.

use std::sync::Arc;

use rowtide_api::Error;
use rowtide_api::config::{ConfigReport, Properties};
use rowtide_api::erased::{AnyConverter, ConverterRow, TransformRow};

use crate::chain::{Chain, Converters, NamedTransform};
use crate::failure::ErrorLog;
use crate::plugins::Plugins;

/// What a converter converts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Keys.
    Key,
    /// Values.
    Value,
    /// Headers.
    Header,
}

impl Role {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Key, Self::Value, Self::Header];

    /// `key`, `value` or `header`: what `converter.type` says.
    pub fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Value => "value",
            Self::Header => "header",
        }
    }

    /// The key that selects the class.
    pub fn key(self) -> &'static str {
        match self {
            Self::Key => "key.converter",
            Self::Value => "value.converter",
            Self::Header => "header.converter",
        }
    }
}

/// Converter settings of the worker, for connectors that have none of their own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkerConverters {
    /// The worker's `key.converter`, `key.converter.*` and so on.
    pub properties: Properties,
    /// Keys a converter gets unless it sets them itself, if it knows them: the address of the embedded registry.
    pub defaults: Properties,
}

/// The converter a role resolves to: its row, its settings, and whether they are the connector's own.
pub struct Resolved {
    /// The converter.
    pub row: ConverterRow,
    /// Its settings, without prefix.
    pub settings: Properties,
    /// Whether the connector names it.
    pub own: bool,
}

/// Resolves a role. A converter named by the connector gets the connector's keys only; otherwise class and keys are the
/// worker's.
///
/// # Errors
/// Why the class is unknown.
pub fn resolve(
    plugins: &Plugins,
    worker: &WorkerConverters,
    config: &Properties,
    role: Role,
) -> Result<Resolved, String> {
    let own = config
        .get(role.key())
        .is_some_and(|class| !class.trim().is_empty());
    let from = if own { config } else { &worker.properties };
    let default = if role == Role::Header {
        "org.apache.kafka.connect.storage.SimpleHeaderConverter"
    } else {
        ""
    };
    let row = plugins.converter(from.get(role.key()).unwrap_or(default).trim())?;
    let mut settings = from.stripped(&format!("{}.", role.key()));
    settings.set("converter.type", role.name());
    let known = (row.row.definitions)();
    for (key, value) in worker.defaults.iter() {
        if settings.get(key).is_none() && known.iter().any(|definition| definition.name == key) {
            settings.set(key, value);
        }
    }
    Ok(Resolved { row, settings, own })
}

/// A transform of a connector: alias, row, settings without prefix.
pub struct ResolvedTransform {
    /// The alias.
    pub alias: String,
    /// The class as it was submitted; empty when it is missing.
    pub class: String,
    /// The transform, or why its class is unknown.
    pub row: Result<TransformRow, String>,
    /// Its settings.
    pub settings: Properties,
}

/// The transforms in order.
pub fn transforms(plugins: &Plugins, config: &Properties) -> Vec<ResolvedTransform> {
    let aliases = config
        .get("transforms")
        .unwrap_or_default()
        .split(',')
        .map(str::trim);
    aliases
        .filter(|alias| !alias.is_empty())
        .map(|alias| {
            let mut settings = config.stripped(&format!("transforms.{alias}."));
            let class = settings.remove("type").unwrap_or_default().trim().to_owned();
            ResolvedTransform {
                alias: alias.to_owned(),
                row: plugins.transform(&class),
                class,
                settings,
            }
        })
        .collect()
}

/// Keys of a transform that the engine itself reads, and refuses for now.
pub fn check_transform_keys(settings: &mut Properties, report: &mut ConfigReport) {
    for key in ["predicate", "negate"] {
        if settings.remove(key).is_some() {
            report.error(
                key,
                format!("{key} is not supported: predicates are not built yet; remove the key"),
            );
        }
    }
    settings.remove("plugin.version");
}

/// Builds the chain of one task.
///
/// # Errors
/// Fatal, naming what cannot be built.
pub fn build(
    plugins: &Plugins,
    worker: &WorkerConverters,
    config: &Properties,
    error_log: ErrorLog,
) -> Result<Chain, Error> {
    let open = |role: Role| -> Result<Arc<dyn AnyConverter>, Error> {
        let resolved = resolve(plugins, worker, config, role).map_err(|why| invalid(role.key(), &why))?;
        (resolved.row.open)(&resolved.settings)
    };
    let converters = Converters {
        key: open(Role::Key)?,
        value: open(Role::Value)?,
        header: open(Role::Header)?,
    };
    let transforms = transforms(plugins, config)
        .into_iter()
        .map(|resolved| {
            let row = resolved
                .row
                .map_err(|why| invalid(&format!("transforms.{}.type", resolved.alias), &why))?;
            Ok(NamedTransform {
                alias: resolved.alias.into(),
                transform: (row.open)(&resolved.settings)?,
            })
        })
        .collect::<Result<_, Error>>()?;
    Ok(Chain::new(transforms, converters).with_error_log(error_log))
}

fn invalid(key: &str, why: &str) -> Error {
    Error::fatal(format!("configuration {key}: {why}"))
        .java_class("org.apache.kafka.common.config.ConfigException")
}
