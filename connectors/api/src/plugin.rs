//! What every plugin is: a class name, aliases and a configuration.

use std::future::Future;

use crate::config::{Config, ConfigReport};

/// A plugin of any kind: listing, validation and documentation read it.
pub trait Plugin: Send + Sync + 'static {
    /// The class name that selects it: the Java name where one exists.
    const CLASS: &'static str;
    /// Further names, besides the simple and pruned forms of [`Plugin::CLASS`].
    const ALIASES: &'static [&'static str];
    /// The parsed configuration.
    type Config: Config;

    /// Live checks for validate: reach, rights, tables. Only adds to the report; bounded in time by the caller.
    fn check(_config: &Self::Config, _report: &mut ConfigReport) -> impl Future<Output = ()> + Send {
        async {}
    }
}

/// Whether `name` selects a plugin: its class, an alias, its simple name, or that name without `suffix` (`Connector`,
/// `Converter`, …).
pub fn answers_to(class: &str, aliases: &[&str], suffix: &str, name: &str) -> bool {
    let simple = class.rsplit(['.', '$']).next().unwrap_or(class);
    let pruned = simple.strip_suffix(suffix).filter(|pruned| !pruned.is_empty());
    name == class || name == simple || Some(name) == pruned || aliases.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CN-067.
    #[test]
    fn a_plugin_answers_to_full_simple_and_pruned_names() {
        let class = "io.debezium.connector.postgresql.PostgresConnector";
        for name in [
            class,
            "PostgresConnector",
            "Postgres",
            "dev.rowtide.PostgresSourceConnector",
        ] {
            assert!(
                answers_to(class, &["dev.rowtide.PostgresSourceConnector"], "Connector", name),
                "{name}"
            );
        }
        assert!(!answers_to(class, &[], "Connector", "postgres"));
    }
}
