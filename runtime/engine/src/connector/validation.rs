//! Validates a whole connector configuration: every error at once, each under the key that caused it.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use rowtide_api::config::{ConfigReport, Definition, Finding, Properties, Reader, missing, nearest};
use rowtide_api::erased::PluginRow;
use tokio::time::timeout;

use super::chain::{Role, WorkerConverters, check_transform_keys, resolve, transforms};
use super::keys::{self, Common};
use crate::plugins::{ConnectorPlugin, Plugins};

/// Live checks answer within this time or are given up, well before a client does.
const CHECK_WAIT: Duration = Duration::from_secs(60);

/// Checks client overrides: the kind (`producer`, `consumer`, `admin`) and the keys without prefix. The messages name keys.
pub type OverrideCheck = fn(kind: &str, overrides: &Properties) -> Vec<Finding>;

/// What validation needs of the worker.
#[derive(Clone)]
pub struct Validator {
    /// The plugins.
    pub plugins: Plugins,
    /// The worker's converters.
    pub converters: WorkerConverters,
    /// The override policy.
    pub overrides: OverrideCheck,
}

/// A definition under its full key: that of a transform carries its alias.
#[derive(Debug, Clone)]
pub struct NamedDefinition {
    /// The full key.
    pub name: String,
    /// The group, which may carry an alias.
    pub group: String,
    /// Position within its group, from 1.
    pub order: usize,
    /// Values to offer.
    pub recommended: Vec<&'static str>,
    /// The definition.
    pub definition: &'static Definition,
}

/// The outcome of a validation.
#[derive(Debug, Clone)]
pub struct Validation {
    /// The plugin's class.
    pub class: String,
    /// Every key that has a definition, in order.
    pub definitions: Vec<NamedDefinition>,
    /// The submitted configuration.
    pub config: Properties,
    /// Errors and warnings.
    pub report: ConfigReport,
}

impl Validator {
    /// Validates without I/O. `None` when the class is unknown; the reason is then the error.
    ///
    /// # Errors
    /// Connect's text for a missing or unknown class.
    pub fn validate(&self, config: &Properties) -> Result<Validation, String> {
        let class = config.get("connector.class").map(str::trim).unwrap_or_default();
        if class.is_empty() {
            let keys: Vec<_> = config.iter().map(|(key, _)| key).collect();
            return Err(format!(
                "Connector config {{{}}} contains no connector type",
                keys.join(", ")
            ));
        }
        let plugin = self.plugins.connector(class)?;
        let mut checked = Checked::default();
        self.check_connector(&plugin, config, &mut checked);
        for role in Role::ALL {
            self.check_converter(role, config, &mut checked);
        }
        self.check_transforms(config, &mut checked);
        for kind in ["producer", "consumer", "admin"] {
            let prefix = format!("{kind}.override.");
            for finding in (self.overrides)(kind, &config.stripped(&prefix)) {
                checked
                    .report
                    .error(format!("{prefix}{}", finding.key), finding.message);
            }
        }
        check_references(config, &mut checked.report);
        Ok(Validation {
            class: plugin.row().class.to_owned(),
            definitions: checked.definitions,
            config: config.clone(),
            report: checked.report,
        })
    }

    /// [`Validator::validate`], then the live checks of the connector and of its converters, unless it already failed.
    ///
    /// # Errors
    /// As there.
    pub async fn validate_live(&self, config: &Properties) -> Result<Validation, String> {
        let mut validation = self.validate(config)?;
        if !validation.report.is_ok() {
            return Ok(validation);
        }
        let plugin = self.plugins.connector(&validation.class)?;
        let (connector, converters) = tokio::join!(
            timeout(CHECK_WAIT, (plugin.row().check)(config.clone())),
            timeout(CHECK_WAIT, self.check_converters(config)),
        );
        let late = |class: &str| {
            let mut report = ConfigReport::new();
            report.error(
                keys::CLASS.name(),
                format!(
                    "the live checks of {class} took longer than {} s and were given up: a server it names takes connections without answering",
                    CHECK_WAIT.as_secs()
                ),
            );
            report
        };
        let report = &mut validation.report;
        report.absorb(connector.unwrap_or_else(|_| late(&validation.class)));
        report.absorb(converters.unwrap_or_else(|_| late("its converters")));
        Ok(validation)
    }

    /// What the converters find by asking; one of the worker's is reported under the key that would replace it.
    async fn check_converters(&self, config: &Properties) -> ConfigReport {
        let resolved = Role::ALL.map(|role| (role, resolve(&self.plugins, &self.converters, config, role)));
        let checks = resolved.into_iter().filter_map(|(role, resolved)| {
            let resolved = resolved.ok()?;
            Some(async move {
                let report = (resolved.row.row.check)(resolved.settings).await;
                if resolved.own {
                    return report.prefixed(&format!("{}.", role.key()));
                }
                let mut named = ConfigReport::new();
                for finding in report.errors() {
                    named.error(
                        role.key(),
                        format!("the worker's {}: {}", role.key(), finding.message),
                    );
                }
                named
            })
        });
        let mut all = ConfigReport::new();
        join_all(checks)
            .await
            .into_iter()
            .for_each(|report| all.absorb(report));
        all
    }

    fn check_connector(&self, plugin: &ConnectorPlugin, config: &Properties, checked: &mut Checked) {
        let common_keys = keys::definitions(plugin);
        let mut reader = Reader::new(config);
        // Only the findings matter here.
        let _ = Common::read(&mut reader, plugin);
        checked.report.absorb(reader.finish(&common_keys));
        checked.add(&common_keys, "", None);
        for role in Role::ALL {
            let classes: Vec<_> = self.plugins.converters_of(role == Role::Header).collect();
            checked.offer(role.key(), &classes);
        }
        let row = plugin.row();
        let own = (row.definitions)();
        checked.add(&own, "", None);
        checked.report.absorb((row.validate)(config));
        warn_unread(row, config, &common_keys, &own, &mut checked.report);
    }

    fn check_converter(&self, role: Role, config: &Properties, checked: &mut Checked) {
        match resolve(&self.plugins, &self.converters, config, role) {
            Ok(resolved) => {
                let report = (resolved.row.row.validate)(&resolved.settings);
                let prefix = format!("{}.", role.key());
                if resolved.own {
                    checked.add(&(resolved.row.row.definitions)(), &prefix, None);
                    checked.report.absorb(report.prefixed(&prefix));
                } else if let Some(finding) = report.errors().first() {
                    let why = format!("the worker's {} is invalid: {}", role.key(), finding.message);
                    checked.report.error(role.key(), why);
                }
            }
            Err(why) => checked.report.error(
                role.key(),
                format!(
                    "Invalid value {} for configuration {}: {why}",
                    config.get(role.key()).unwrap_or("(the worker's)"),
                    role.key()
                ),
            ),
        }
    }

    fn check_transforms(&self, config: &Properties, checked: &mut Checked) {
        let classes: Vec<_> = self.plugins.transforms.iter().map(|row| row.row.class).collect();
        for mut resolved in transforms(&self.plugins, config) {
            let prefix = format!("transforms.{}.", resolved.alias);
            let group = Some(format!("Transforms: {}", resolved.alias));
            let mut report = ConfigReport::new();
            check_transform_keys(&mut resolved.settings, &mut report);
            let class_key = format!("{prefix}{}", keys::TRANSFORM_TYPE.name());
            checked.add(&[keys::TRANSFORM_TYPE.definition()], &prefix, group.clone());
            checked.offer(&class_key, &classes);
            match resolved.row {
                Ok(row) => {
                    checked.add(&(row.row.definitions)(), &prefix, group);
                    report.absorb((row.row.validate)(&resolved.settings));
                    for key in (row.row.unread)(&resolved.settings) {
                        report.warn(
                            key.clone(),
                            format!("{key} is unknown to {} and has no effect", row.row.class),
                        );
                    }
                }
                Err(_) if resolved.class.is_empty() => report.error("type", missing(&class_key)),
                Err(why) => {
                    let class = resolved.class;
                    report.error(
                        "type",
                        format!("Invalid value {class} for configuration type: {why}"),
                    );
                }
            }
            checked.report.absorb(report.prefixed(&prefix));
        }
    }
}

/// What a validation says of one plugin alone, outside any connector's configuration.
pub fn of_plugin(row: &PluginRow, config: &Properties) -> Validation {
    let mut checked = Checked::default();
    checked.add(&(row.definitions)(), "", None);
    Validation {
        class: row.class.to_owned(),
        definitions: checked.definitions,
        config: config.clone(),
        report: (row.validate)(config),
    }
}

#[derive(Default)]
struct Checked {
    definitions: Vec<NamedDefinition>,
    report: ConfigReport,
    orders: BTreeMap<String, usize>,
}

impl Checked {
    fn add(&mut self, definitions: &[&'static Definition], prefix: &str, group: Option<String>) {
        for definition in definitions {
            let group = group.clone().unwrap_or_else(|| definition.group.to_owned());
            let last = self.orders.entry(group.clone()).or_default();
            let order = definition.order.unwrap_or(*last + 1);
            *last = order.max(*last);
            let name = format!("{prefix}{}", definition.name);
            self.definitions.push(NamedDefinition {
                name,
                group,
                order,
                recommended: definition.recommended.to_vec(),
                definition,
            });
        }
    }

    /// Offers values that only the worker knows.
    fn offer(&mut self, key: &str, values: &[&'static str]) {
        let own = self.definitions.iter_mut().filter(|named| named.name == key);
        own.for_each(|named| named.recommended = values.to_vec());
    }
}

/// Prefixes whose keys belong to converters, transforms and clients.
const OTHERS: [&str; 10] = [
    "key.converter.",
    "value.converter.",
    "header.converter.",
    "transforms.",
    "predicates.",
    "producer.override.",
    "consumer.override.",
    "admin.override.",
    "topic.creation.",
    "connector.plugin.",
];

fn warn_unread(
    row: &PluginRow,
    config: &Properties,
    common_keys: &[&'static Definition],
    own: &[&'static Definition],
    report: &mut ConfigReport,
) {
    let known = |key: &str| {
        common_keys
            .iter()
            .chain(own)
            .any(|definition| definition.name == key)
    };
    for key in (row.unread)(config) {
        let others = OTHERS.iter().any(|prefix| key.starts_with(prefix)) || key.ends_with(".plugin.version");
        if known(&key) || others {
            continue;
        }
        let names = common_keys.iter().chain(own).map(|definition| definition.name);
        let near = nearest(&key, names);
        let suggestion = near.map_or_else(String::new, |name| format!("; did you mean {name}?"));
        report.warn(
            key.clone(),
            format!("{key} is unknown to {} and has no effect{suggestion}", row.class),
        );
    }
}

/// `${provider:path:key}` and `${provider:key}` are refused until providers are built: taken literally they would send
/// the text itself as a password.
fn check_references(config: &Properties, report: &mut ConfigReport) {
    for (key, value) in config.iter() {
        let mut rest = value;
        while let Some((_, after)) = rest.split_once("${") {
            let Some((reference, tail)) = after.split_once('}') else {
                break;
            };
            if reference.contains(':') {
                report.error(
                    key,
                    format!(
                        "{key} refers to a config provider, which is not supported yet: give the value itself"
                    ),
                );
                break;
            }
            rest = tail;
        }
    }
}

/// Connect's text for an invalid configuration: one line per error, then where to find the list.
pub fn invalid_text(report: &ConfigReport) -> String {
    let mut text = format!(
        "Connector configuration is invalid and contains the following {} error(s):",
        report.errors().len()
    );
    for finding in report.errors() {
        text.push('\n');
        text.push_str(&finding.message);
    }
    text.push_str("\nYou can also find the above list of errors at the endpoint `/connector-plugins/{connectorType}/config/validate`");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CN-120: refused by name for now; `${topic}` is no reference.
    #[test]
    fn references_are_refused_and_templates_are_not() {
        let mut report = ConfigReport::new();
        let config = Properties::from_iter([
            ("a", "x${file:/p:k}"),
            ("b", "${topic}"),
            ("c", "${topic}${env:X}"),
            ("d", "${"),
        ]);
        check_references(&config, &mut report);
        let keys: Vec<_> = report
            .errors()
            .iter()
            .map(|finding| finding.key.as_str())
            .collect();
        assert_eq!(keys, ["a", "c"]);
    }
}
