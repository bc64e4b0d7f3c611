//! `/connector-plugins`.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use rowtide_api::config::{ConfigType, Importance, Presence, Width};
use rowtide_engine::connector::validation::{NamedDefinition, Validation};

use crate::body::{object, values};
use crate::entities::{ConfigInfo, ConfigInfos, ConfigKeyInfo, ConfigValueInfo, PluginInfo};
use crate::errors::ApiError;
use crate::routes::Shared;
use crate::submitted::flat;

pub(crate) async fn list(State(server): State<Shared>, RawQuery(query): RawQuery) -> Json<Vec<PluginInfo>> {
    let plugins = &server.herder.parts().validator.plugins;
    let version = server.version;
    let info = |kind| move |class| PluginInfo { class, kind, version };
    let sinks = plugins.sinks.iter().map(|plugin| plugin.row.class);
    let sources = plugins.sources.iter().map(|plugin| plugin.row.class);
    let mut all: Vec<_> = sinks.map(info("sink")).collect();
    all.extend(sources.map(info("source")));
    let connectors_only = values(query.as_deref(), "connectorsOnly")
        .last()
        .is_none_or(|value| value.eq_ignore_ascii_case("true"));
    if !connectors_only {
        let transforms = plugins.transforms.iter().map(|row| row.row.class);
        let predicates = plugins.predicates.iter().map(|row| row.row.class);
        all.extend(transforms.map(info("transformation")));
        all.extend(predicates.map(info("predicate")));
        all.extend(plugins.converters_of(false).map(info("converter")));
        all.extend(plugins.converters_of(true).map(info("header_converter")));
    }
    Json(all)
}

pub(crate) async fn validate(
    State(server): State<Shared>,
    Path(plugin): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<ConfigInfos>, ApiError> {
    let config = flat(object(&headers, &body)?).map_err(ApiError::bad_request)?;
    let class = config.get("connector.class").unwrap_or_default().trim();
    if !class.is_empty() && !same_plugin(&server, &plugin, class) {
        return Err(ApiError::new(
            400,
            format!("Included connector type {class} does not match request type {plugin}"),
        ));
    }
    Ok(Json(infos(&server.herder.validate(&config).await?)))
}

/// The path and the body name one plugin, each by any of its names; or, as in Connect, the path is how the body's class
/// ends, both without `Connector`. An unknown class is the validation's to refuse.
fn same_plugin(server: &Shared, path: &str, class: &str) -> bool {
    let plugins = &server.herder.parts().validator.plugins;
    let pruned = |name: &str| name.strip_suffix("Connector").unwrap_or(name).to_owned();
    if pruned(class).ends_with(&pruned(path)) {
        return true;
    }
    match (plugins.connector(path), plugins.connector(class)) {
        (Ok(path), Ok(class)) => path.row().class == class.row().class,
        _ => false,
    }
}

/// The body that validate answers with, for comparison with what clients were promised.
pub fn validate_answer(validation: &Validation) -> serde_json::Value {
    serde_json::to_value(infos(validation)).expect("a list of texts and numbers is JSON")
}

/// Keys without a definition come first, then the defined ones in their order; the count is that of the messages.
fn infos(validation: &Validation) -> ConfigInfos {
    let mut configs: Vec<ConfigInfo> = Vec::new();
    for finding in validation.report.errors() {
        let defined = validation
            .definitions
            .iter()
            .any(|named| named.name == finding.key);
        if !defined && !configs.iter().any(|info| info.value.name == finding.key) {
            configs.push(ConfigInfo {
                definition: None,
                value: value_info(validation, &finding.key, None),
            });
        }
    }
    configs.extend(validation.definitions.iter().map(|named| ConfigInfo {
        definition: Some(key_info(named)),
        value: value_info(validation, &named.name, Some(named)),
    }));
    let mut groups: Vec<String> = Vec::new();
    for named in &validation.definitions {
        if !groups.contains(&named.group) {
            groups.push(named.group.clone());
        }
    }
    ConfigInfos {
        name: validation.class.clone(),
        error_count: configs.iter().map(|info| info.value.errors.len()).sum(),
        groups,
        configs,
    }
}

fn key_info(named: &NamedDefinition) -> ConfigKeyInfo {
    let definition = named.definition;
    ConfigKeyInfo {
        name: named.name.clone(),
        kind: definition.config_type.name(),
        required: definition.presence == Presence::Required,
        default_value: match definition.presence {
            Presence::Default(text) => Some(text),
            Presence::Required | Presence::Optional => None,
        },
        importance: match definition.importance {
            Importance::High => "HIGH",
            Importance::Medium => "MEDIUM",
            Importance::Low => "LOW",
        },
        documentation: definition.doc,
        group: named.group.clone(),
        order: named.order,
        width: match definition.width {
            Width::None => "NONE",
            Width::Short => "SHORT",
            Width::Medium => "MEDIUM",
            Width::Long => "LONG",
        },
        display_name: definition
            .display
            .map_or_else(|| named.name.clone(), str::to_owned),
        dependents: [],
    }
}

fn value_info(validation: &Validation, name: &str, named: Option<&NamedDefinition>) -> ConfigValueInfo {
    let submitted = validation.config.get(name).map(str::to_owned);
    let default = named.and_then(|named| match named.definition.presence {
        Presence::Default(text) => Some(text.to_owned()),
        Presence::Required | Presence::Optional => None,
    });
    // A key without a definition may hold anything, a secret too: it is not echoed.
    let secret = named.is_none_or(|named| named.definition.config_type == ConfigType::Password);
    let value = submitted
        .or(default)
        .map(|value| if secret { "[hidden]".to_owned() } else { value });
    ConfigValueInfo {
        name: name.to_owned(),
        value,
        recommended_values: named.map(|named| named.recommended.clone()).unwrap_or_default(),
        errors: validation.report.errors_on(name).map(str::to_owned).collect(),
        visible: true,
    }
}
