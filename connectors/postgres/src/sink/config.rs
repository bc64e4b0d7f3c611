//! Sans-I/O: the keys of the sink.

use rowtide_api::config::{Config, Definition, Importance, Reader, Width};
use rowtide_api::{Error, Key, Secret, setting_enum};

use super::url;
use crate::connection::{KeyNames, Settings};
use crate::identifier::quoted;

setting_enum! {
    /// What the sink may change about tables.
    pub enum SchemaEvolution {
        /// Nothing: a table must exist.
        None = "none",
        /// A missing table is created from the first record's schemas. Columns are never added.
        Basic = "basic",
    }
}

const URL: Key<String> = Key::required(
    "connection.url",
    "jdbc:postgresql://host:port/database or postgresql://host:port/database; several hosts are tried in order. \
     Parameters: sslmode, ssl, sslrootcert, sslcert, sslkey, connectTimeout.",
)
.group("Connection")
.width(Width::Long);
const USERNAME: Key<String> =
    Key::required("connection.username", "The role that writes.").group("Connection");
const PASSWORD: Key<Secret> = Key::new(
    "connection.password",
    "Its password, where the server asks for one.",
)
.group("Connection");
const INSERT_MODE: Key<String> = Key::new("insert.mode", "How rows are written. Only upsert.")
    .default("upsert")
    .default_only("only upsert is built so far; it makes repeated deliveries harmless");
const DELETE_ENABLED: Key<bool> = Key::new(
    "delete.enabled",
    "Whether a record without value deletes the row of its key; otherwise it is skipped.",
)
.default("false");
const KEY_MODE: Key<String> = Key::new(
    "primary.key.mode",
    "Where the primary key comes from. Only record_key.",
)
.default("record_key")
.default_only("only record_key is built so far: the columns of the key are the fields of the record's key");
const KEY_FIELDS: Key<Vec<String>> = Key::new(
    "primary.key.fields",
    "The fields of the record's key that are the key columns; empty for all. For a key that is no struct: the one column \
     it goes to.",
)
.default("");
const EVOLUTION: Key<SchemaEvolution> = Key::new(
    "schema.evolution",
    "none: tables must exist. basic: a missing table is created. Neither adds columns: a field without a column fails the \
     task.",
)
.default("none");
const COLLECTION: Key<String> = Key::new(
    "collection.name.format",
    "The table, optionally behind a schema and a dot. ${topic} is the topic with its dots as underscores.",
)
.default("${topic}")
.importance(Importance::High)
.validator(|text| collection(text).map(|_| ()));
const BATCH_SIZE: Key<u32> = Key::new("batch.size", "Rows in one statement, 1 to 10000.")
    .default("500")
    .width(Width::Short)
    .validator(|text| match text.parse::<u32>() {
        Ok(1..=10_000) => Ok(()),
        _ => Err("Value must be between 1 and 10000".into()),
    });
const TRUNCATE: Key<bool> = Key::new("truncate.enabled", "Not supported.")
    .default("false")
    .default_only("truncate events are not carried out");

/// A parsed configuration.
#[derive(Debug, Clone)]
pub struct SinkConfig {
    /// How to reach the server.
    pub connection: Settings,
    /// Whether a null value deletes.
    pub delete_enabled: bool,
    /// Fields of the key; empty for all.
    pub key_fields: Vec<String>,
    /// What may be changed about tables.
    pub evolution: SchemaEvolution,
    /// Where records of a topic go.
    pub collection: Collection,
    /// Rows in one statement.
    pub batch_size: usize,
    /// The topics the connector reads, where it lists them: for live checks.
    pub topics: Vec<String>,
}

impl Config for SinkConfig {
    fn definitions() -> Vec<&'static Definition> {
        vec![
            URL.definition(),
            USERNAME.definition(),
            PASSWORD.definition(),
            INSERT_MODE.definition(),
            DELETE_ENABLED.definition(),
            KEY_MODE.definition(),
            KEY_FIELDS.definition(),
            EVOLUTION.definition(),
            COLLECTION.definition(),
            BATCH_SIZE.definition(),
            TRUNCATE.definition(),
        ]
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let _ = (
            reader.get(&INSERT_MODE),
            reader.get(&KEY_MODE),
            reader.get(&TRUNCATE),
        );
        let (place, user) = (place(reader), reader.get(&USERNAME));
        let (password, delete_enabled) = (reader.find(&PASSWORD), reader.get(&DELETE_ENABLED));
        let (key_fields, evolution) = (reader.get(&KEY_FIELDS), reader.get(&EVOLUTION));
        let (collection_text, batch_size) = (reader.get(&COLLECTION), reader.get(&BATCH_SIZE));
        let place = place?;
        Some(Self {
            connection: Settings {
                hosts: place.hosts,
                user: user?,
                password: password?,
                database: place.database,
                tls: place.tls,
                tcp_keepalive: true,
                connect_timeout: place.connect_timeout,
                keys: KeyNames {
                    user: USERNAME.name(),
                    password: PASSWORD.name(),
                    database: URL.name(),
                },
            },
            delete_enabled: delete_enabled?,
            key_fields: key_fields?,
            evolution: evolution?,
            collection: collection(&collection_text?).ok()?,
            batch_size: batch_size? as usize,
            topics: reader
                .properties()
                .get("topics")
                .unwrap_or_default()
                .split(',')
                .map(str::trim)
                .filter(|topic| !topic.is_empty())
                .map(str::to_owned)
                .collect(),
        })
    }
}

/// The URL is parsed here and not by a validator: messages of those show the value, which may hold a password.
fn place(reader: &mut Reader<'_>) -> Option<url::Place> {
    let text = reader.get(&URL)?;
    match url::parse(&text) {
        Ok(place) => {
            for name in &place.without_effect {
                reader.warn(
                    URL.name(),
                    format!("the parameter {name} of connection.url is accepted without effect"),
                );
            }
            Some(place)
        }
        Err(reason) => {
            reader.error(
                URL.name(),
                format!("Invalid value for configuration connection.url: {reason}"),
            );
            None
        }
    }
}

/// `collection.name.format`, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collection {
    schema: Option<String>,
    table: String,
}

const TOPIC: &str = "${topic}";

fn collection(format: &str) -> Result<Collection, String> {
    let (schema, table) = match format.split_once('.') {
        Some((schema, table)) => (Some(schema), table),
        None => (None, format),
    };
    let illegal = |part: &str| {
        let rest = part.replace(TOPIC, "");
        part.is_empty() || rest.contains(['.', '$', '\0'])
    };
    if illegal(table) || schema.is_some_and(illegal) {
        return Err("It reads table or schema.table; the only placeholder is ${topic}".into());
    }
    Ok(Collection {
        schema: schema.map(str::to_owned),
        table: table.to_owned(),
    })
}

impl Collection {
    /// The table for a topic.
    ///
    /// # Errors
    /// Fatal for a name Postgres would cut: two topics could meet in one table.
    pub fn of(&self, topic: &str) -> Result<Target, Error> {
        let topic = topic.replace('.', "_");
        let fill = |part: &str| part.replace(TOPIC, &topic);
        let target = Target {
            schema: self.schema.as_deref().map(fill),
            table: fill(&self.table),
        };
        let longest = target
            .table
            .len()
            .max(target.schema.as_ref().map_or(0, String::len));
        if longest > Target::NAME_BYTES_MAX {
            return Err(Error::fatal(format!(
                "the name {target} is longer than the 63 bytes Postgres keeps"
            ))
            .hint("set collection.name.format to a shorter name"));
        }
        Ok(target)
    }
}

/// A table as the configuration names it; without a schema the server's `search_path` decides.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    schema: Option<String>,
    table: String,
}

impl Target {
    /// `NAMEDATALEN` less its end.
    const NAME_BYTES_MAX: usize = 63;

    /// The schema, where the configuration names one.
    pub fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }

    /// As it stands in statements.
    pub fn quoted(&self) -> String {
        match &self.schema {
            Some(schema) => format!("{}.{}", quoted(schema), quoted(&self.table)),
            None => quoted(&self.table),
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "{schema}.{}", self.table),
            None => f.write_str(&self.table),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rowtide_api::{ConfigReport, Properties};

    fn read(pairs: &[(&str, &str)]) -> (Option<SinkConfig>, ConfigReport) {
        let mut properties = Properties::from_iter([
            ("connection.url", "jdbc:postgresql://db:5432/shop"),
            ("connection.username", "writer"),
            ("topics", "users_created, orders"),
        ]);
        for (key, value) in pairs {
            properties.set(*key, *value);
        }
        ConfigReport::read(&properties)
    }

    #[test]
    fn url_and_user_are_a_whole_configuration() {
        let (config, report) = read(&[]);
        assert!(report.is_ok(), "{report:?}");
        let config = config.unwrap();
        assert_eq!(config.batch_size, 500);
        assert_eq!(config.topics, ["users_created", "orders"]);
        assert!(!config.delete_enabled && config.key_fields.is_empty());
        assert_eq!(config.evolution, SchemaEvolution::None);
    }

    #[test]
    fn what_is_not_built_is_refused_by_name() {
        for (key, value) in [
            ("insert.mode", "insert"),
            ("insert.mode", "update"),
            ("primary.key.mode", "record_value"),
            ("primary.key.mode", "none"),
            ("schema.evolution", "advanced"),
            ("truncate.enabled", "true"),
            ("batch.size", "0"),
            ("collection.name.format", "${source.table}"),
            ("collection.name.format", "a.b.c"),
            ("connection.url", "jdbc:mysql://db/shop"),
            ("connection.url", "postgresql://u:hunter2@db/shop"),
        ] {
            let (config, report) = read(&[(key, value)]);
            assert!(config.is_none(), "{key}={value}");
            assert_eq!(report.errors_on(key).count(), 1, "{key}={value}");
            assert!(!format!("{report:?}").contains("hunter2"));
        }
        assert!(
            read(&[("insert.mode", "UPSERT"), ("primary.key.mode", "record_key")])
                .1
                .is_ok()
        );
    }

    #[test]
    fn a_topic_names_its_table() {
        let quoted_for = |format: &str, topic: &str| collection(format).unwrap().of(topic).unwrap().quoted();
        assert_eq!(
            quoted_for("${topic}", "shop.public.users"),
            "\"shop_public_users\""
        );
        assert_eq!(quoted_for("app.t_${topic}", "users"), "\"app\".\"t_users\"");
        assert_eq!(quoted_for("users", "any"), "\"users\"");
        assert!(collection("${topic}").unwrap().of(&"x".repeat(64)).is_err());
    }
}
