//! The plugins this worker knows, found by any of their names.

use rowtide_api::convert::Serves;
use rowtide_api::erased::{ConverterRow, PluginRow, PredicateRow, SinkPlugin, SourcePlugin, TransformRow};

/// The lists; the worker fills them.
#[derive(Clone, Default)]
pub struct Plugins {
    /// Sources.
    pub sources: Vec<SourcePlugin>,
    /// Sinks.
    pub sinks: Vec<SinkPlugin>,
    /// Converters; header converters are among them.
    pub converters: Vec<ConverterRow>,
    /// Transforms.
    pub transforms: Vec<TransformRow>,
    /// Predicates.
    pub predicates: Vec<PredicateRow>,
}

/// A connector of either kind.
#[derive(Clone, Copy)]
pub enum ConnectorPlugin {
    /// A source.
    Source(SourcePlugin),
    /// A sink.
    Sink(SinkPlugin),
}

impl ConnectorPlugin {
    /// Names, keys, validation.
    pub fn row(&self) -> &PluginRow {
        match self {
            Self::Source(plugin) => &plugin.row,
            Self::Sink(plugin) => &plugin.row,
        }
    }

    /// The class under which Connect knows its tasks.
    pub fn task_class(&self) -> &'static str {
        match self {
            Self::Source(plugin) => plugin.task_class,
            Self::Sink(plugin) => plugin.task_class,
        }
    }

    /// `source` or `sink`.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Source(_) => "source",
            Self::Sink(_) => "sink",
        }
    }
}

impl Plugins {
    /// The connector of that name.
    ///
    /// # Errors
    /// Connect's text, which clients match, with the list of what there is.
    pub fn connector(&self, name: &str) -> Result<ConnectorPlugin, String> {
        let sources = self.sources.iter().copied().map(ConnectorPlugin::Source);
        let mut all = sources.chain(self.sinks.iter().copied().map(ConnectorPlugin::Sink));
        all.find(|plugin| plugin.row().answers_to(name)).ok_or_else(|| {
            let sources = self.sources.iter().map(|plugin| plugin.row.class);
            let available: Vec<_> = sources.chain(self.sinks.iter().map(|plugin| plugin.row.class)).collect();
            format!(
                "Failed to find any class that implements Connector and which name matches {name}, available connectors are: {}",
                available.join(", ")
            )
        })
    }

    /// The converter of that name.
    ///
    /// # Errors
    /// Connect's text and what there is.
    pub fn converter(&self, name: &str) -> Result<ConverterRow, String> {
        let found = self
            .converters
            .iter()
            .find(|converter| converter.row.answers_to(name));
        found
            .copied()
            .ok_or_else(|| not_found(name, self.converters.iter().map(|converter| converter.row.class)))
    }

    /// The classes listed for headers, or for keys and values.
    pub fn converters_of(&self, headers: bool) -> impl Iterator<Item = &'static str> {
        let other = if headers { Serves::Data } else { Serves::Headers };
        let listed = self
            .converters
            .iter()
            .filter(move |converter| converter.serves != other);
        listed.map(|converter| converter.row.class)
    }

    /// The transform of that name.
    ///
    /// # Errors
    /// Connect's text and what there is.
    pub fn transform(&self, name: &str) -> Result<TransformRow, String> {
        let found = self
            .transforms
            .iter()
            .find(|transform| transform.row.answers_to(name));
        found
            .copied()
            .ok_or_else(|| not_found(name, self.transforms.iter().map(|transform| transform.row.class)))
    }
}

fn not_found(name: &str, available: impl Iterator<Item = &'static str>) -> String {
    let available: Vec<_> = available.collect();
    format!(
        "Class {name} could not be found. Available: {}",
        available.join(", ")
    )
}
