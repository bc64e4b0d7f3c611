//! The contract without type parameters, for the engine: each trait once more as an object, and a row per plugin.
//!
//! Authors implement the typed traits; the blanket implementations here erase them once.

mod connector;
mod processor;

pub use connector::{
    AnySinkConnector, AnySinkTask, AnySourceConnector, AnySourceTask, SinkPlugin, SourcePlugin,
};
pub use processor::{AnyConverter, ConverterRow, PredicateRow, TransformRow};

use std::future::Future;
use std::pin::Pin;

use crate::config::{Config, ConfigReport, Definition, Properties};
use crate::error::Error;
use crate::plugin::{Plugin, answers_to};

/// A boxed future, as object-safe traits need it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What listing, validation and look-up need of a plugin of any kind.
#[derive(Clone, Copy)]
pub struct PluginRow {
    /// The class name.
    pub class: &'static str,
    /// Further names.
    pub aliases: &'static [&'static str],
    /// What the pruned name drops: `Connector`, `Converter`, …
    pub suffix: &'static str,
    /// The keys.
    pub definitions: fn() -> Vec<&'static Definition>,
    /// Everything wrong with a configuration, without I/O.
    pub validate: fn(&Properties) -> ConfigReport,
    /// The keys of a configuration that the plugin did not read.
    pub unread: fn(&Properties) -> Vec<String>,
    /// Live checks; nothing is added when the configuration does not parse.
    pub check: fn(Properties) -> BoxFuture<'static, ConfigReport>,
}

impl PluginRow {
    /// The row of `P`, whose pruned name drops `suffix`.
    pub const fn of<P: Plugin>(suffix: &'static str) -> Self {
        Self {
            class: P::CLASS,
            aliases: P::ALIASES,
            suffix,
            definitions: P::Config::definitions,
            validate: |properties| ConfigReport::read::<P::Config>(properties).1,
            unread: |properties| {
                let mut reader = crate::config::Reader::new(properties);
                let _ = P::Config::read(&mut reader);
                reader.unread().into_iter().map(str::to_owned).collect()
            },
            check: |properties| {
                Box::pin(async move {
                    let (config, _) = ConfigReport::read::<P::Config>(&properties);
                    let mut report = ConfigReport::new();
                    if let Some(config) = config {
                        P::check(&config, &mut report).await;
                    }
                    report
                })
            },
        }
    }

    /// Whether `name` selects this plugin.
    pub fn answers_to(&self, name: &str) -> bool {
        answers_to(self.class, self.aliases, self.suffix, name)
    }
}

/// Reads a configuration for opening; all that is wrong with it becomes one fatal error.
fn configured<P: Plugin>(properties: &Properties) -> Result<P::Config, Error> {
    let (config, report) = ConfigReport::read::<P::Config>(properties);
    config.ok_or_else(|| {
        let reasons: Vec<_> = report
            .errors()
            .iter()
            .map(|finding| finding.message.as_str())
            .collect();
        Error::fatal(format!(
            "configuration of {} is invalid: {}",
            P::CLASS,
            reasons.join("; ")
        ))
        .java_class("org.apache.kafka.common.config.ConfigException")
    })
}
