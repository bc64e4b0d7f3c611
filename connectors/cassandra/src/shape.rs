//! Sans-I/O: a table as the cluster describes it, held against its settings (CS-053).

use std::sync::Arc;

use crate::config::{InputFormat, TableSettings};
use crate::identifier::quoted;
use crate::mapping;
use crate::types::Cql;

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: Arc<str>,
    /// `Err` holds the CQL type this connector cannot write.
    pub(crate) cql: Result<Cql, String>,
}

/// A table as the cluster describes it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct TableShape {
    /// Partition key, clustering columns, then the others by name.
    pub(crate) columns: Vec<Column>,
    /// How many columns form the partition key.
    pub(crate) partition: usize,
    /// How many columns form the primary key.
    pub(crate) key: usize,
}

/// A table, its settings, and the two statements that write it.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) settings: TableSettings,
    /// The columns of the INSERT in the order they are bound: primary key first.
    pub(crate) columns: Vec<BoundColumn>,
    pub(crate) partition: usize,
    pub(crate) key: usize,
    /// Whether the mapping covers every column of the table, which deletes of flat records need (CS-080).
    pub(crate) covers_table: bool,
    /// Whether the INSERT binds a TTL.
    pub(crate) binds_ttl: bool,
    /// Whether statements bind a timestamp.
    pub(crate) binds_timestamp: bool,
}

/// A column that statements bind.
#[derive(Debug, Clone)]
pub(crate) struct BoundColumn {
    pub(crate) name: Arc<str>,
    pub(crate) cql: Cql,
}

/// A finding about a table: the setting it concerns and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableFinding {
    pub(crate) setting: &'static str,
    pub(crate) message: String,
}

impl Target {
    /// Holds the settings against the table.
    ///
    /// # Errors
    /// Everything that does not fit.
    pub(crate) fn new(settings: TableSettings, shape: &TableShape) -> Result<Self, Vec<TableFinding>> {
        let mut findings = Vec::new();
        let mut finding = |message: String| {
            findings.push(TableFinding {
                setting: "mapping",
                message,
            });
        };
        let name = settings.name();
        for entry in &settings.mapping.entries {
            if mapping::is_pseudo(&entry.column) || shape.index(&entry.column).is_some() {
                continue;
            }
            let hint = match shape.index(&entry.column.to_lowercase()) {
                Some(_) => format!("; column {} exists: write it so", entry.column.to_lowercase()),
                None => match rowtide_api::config::nearest(&entry.column, shape.names()) {
                    Some(near) => format!("; did you mean {near}?"),
                    None => format!(
                        "; add it: ALTER TABLE {name} ADD {} <type>",
                        quoted(&entry.column)
                    ),
                },
            };
            finding(format!("table {name} has no column {}{hint}", entry.column));
        }
        for column in &shape.columns[..shape.key] {
            if !settings.maps(&column.name) {
                finding(format!(
                    "column {} of the primary key of {name} is not mapped; add {}=key.<field> to the mapping",
                    column.name, column.name
                ));
            }
        }
        let mut columns = Vec::new();
        for column in shape.columns.iter().filter(|column| settings.maps(&column.name)) {
            match &column.cql {
                Ok(cql) => columns.push(BoundColumn {
                    name: column.name.clone(),
                    cql: cql.clone(),
                }),
                Err(cql) => finding(format!(
                    "column {} of {name} has type {cql}, which is not supported; leave it out of the mapping, or name \
                     it in ignoredFields where the mapping is *",
                    column.name
                )),
            }
        }
        if !findings.is_empty() {
            return Err(findings);
        }
        Ok(Self {
            covers_table: columns.len() == shape.columns.len(),
            columns,
            partition: shape.partition,
            key: shape.key,
            binds_ttl: settings.mapping.entry(mapping::TTL).is_some(),
            binds_timestamp: settings.mode != crate::config::TimestampMode::Server,
            settings,
        })
    }

    /// CS-081: what the settings allow but can never happen.
    pub(crate) fn warnings(&self) -> Vec<TableFinding> {
        let flat = self.settings.format == InputFormat::Record && self.settings.deletes_enabled;
        let reason = match (self.covers_table, self.columns.len() == self.key) {
            (false, _) => "the mapping does not cover every column",
            (true, true) => "the table has no column outside its key",
            (true, false) => return Vec::new(),
        };
        if !flat {
            return Vec::new();
        }
        vec![TableFinding {
            setting: "deletesEnabled",
            message: format!(
                "no record can delete a row of {}: {reason}; set deletesEnabled=false to say so",
                self.settings.name()
            ),
        }]
    }

    /// The INSERT (CS-050): columns in order, then the timestamp, then the TTL.
    pub(crate) fn insert_cql(&self) -> String {
        let names: Vec<_> = self.columns.iter().map(|column| quoted(&column.name)).collect();
        let values: Vec<_> = names.iter().map(|name| format!(":{name}")).collect();
        let mut using = Vec::new();
        if self.binds_timestamp {
            using.push("TIMESTAMP :message_internal_timestamp".to_owned());
        }
        if self.binds_ttl {
            using.push("TTL :message_internal_ttl".to_owned());
        } else if let Some(seconds) = self.settings.ttl_seconds {
            using.push(format!("TTL {seconds}"));
        }
        let using = match using.is_empty() {
            true => String::new(),
            false => format!(" USING {}", using.join(" AND ")),
        };
        format!(
            "INSERT INTO {} ({}) VALUES ({}){using}",
            self.cql_name(),
            names.join(", "),
            values.join(", ")
        )
    }

    /// The DELETE (CS-052): the timestamp, then the primary key.
    pub(crate) fn delete_cql(&self) -> String {
        let using = match self.binds_timestamp {
            true => " USING TIMESTAMP :message_internal_timestamp",
            false => "",
        };
        format!("DELETE FROM {}{using} WHERE {}", self.cql_name(), self.by_key())
    }

    /// Which columns behind the key have a value, in order: null where they have none. Of a scalar its write time says it
    /// without the value, which may be large.
    pub(crate) fn presence_cql(&self) -> String {
        let columns: Vec<_> = self.columns[self.key..]
            .iter()
            .map(|column| match column.cql {
                Cql::Scalar(_) => format!("WRITETIME({})", quoted(&column.name)),
                _ => quoted(&column.name),
            })
            .collect();
        format!(
            "SELECT {} FROM {} WHERE {}",
            columns.join(", "),
            self.cql_name(),
            self.by_key()
        )
    }

    fn by_key(&self) -> String {
        let conditions: Vec<_> = self.columns[..self.key]
            .iter()
            .map(|column| format!("{0} = :{0}", quoted(&column.name)))
            .collect();
        conditions.join(" AND ")
    }

    /// `"keyspace"."table"`.
    pub(crate) fn cql_name(&self) -> String {
        format!(
            "{}.{}",
            quoted(&self.settings.keyspace),
            quoted(&self.settings.table)
        )
    }
}

impl TableShape {
    fn index(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| &*column.name == name)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| &*column.name)
    }
}

impl TableSettings {
    /// Whether the mapping feeds this column.
    fn maps(&self, column: &str) -> bool {
        self.mapping.entry(column).is_some()
            || (self.mapping.star && !self.ignored.iter().any(|ignored| ignored == column))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_tables::{settings, shape};
    use crate::types::Scalar;

    fn messages(settings: TableSettings, shape: &TableShape) -> Vec<String> {
        Target::new(settings, shape)
            .unwrap_err()
            .into_iter()
            .map(|finding| finding.message)
            .collect()
    }

    /// CS-050, CS-052: names quoted, the clock on both statements.
    #[test]
    fn statements_bind_every_mapped_column_and_the_clock() {
        let shape = shape(
            1,
            2,
            &[("id", Scalar::Uuid), ("Seq", Scalar::Int), ("v", Scalar::Text)],
        );
        let target = Target::new(settings(&[("inputFormat", "debezium"), ("ttl", "60")]), &shape).unwrap();
        assert_eq!(
            target.insert_cql(),
            "INSERT INTO \"ks\".\"t\" (\"id\", \"Seq\", \"v\") VALUES (:\"id\", :\"Seq\", :\"v\") \
             USING TIMESTAMP :message_internal_timestamp AND TTL 60"
        );
        assert_eq!(
            target.delete_cql(),
            "DELETE FROM \"ks\".\"t\" USING TIMESTAMP :message_internal_timestamp WHERE \"id\" = :\"id\" AND \"Seq\" = :\"Seq\""
        );
        assert_eq!(
            target.presence_cql(),
            "SELECT WRITETIME(\"v\") FROM \"ks\".\"t\" WHERE \"id\" = :\"id\" AND \"Seq\" = :\"Seq\""
        );
        let target = Target::new(
            settings(&[("inputFormat", "debezium"), ("timestampMode", "server")]),
            &shape,
        )
        .unwrap();
        assert!(!target.insert_cql().contains("USING"));
        assert!(!target.delete_cql().contains("USING"));
    }

    /// CS-003, CS-053: all problems at once, with what to do.
    #[test]
    fn every_problem_of_a_table_is_found_at_once() {
        let mut shape = shape(1, 1, &[("id", Scalar::Uuid), ("name", Scalar::Text)]);
        shape.columns.push(Column {
            name: "extra".into(),
            cql: Err("map<text, text>".into()),
        });
        let found = messages(
            settings(&[(
                "mapping",
                "Name=value.a, nmae=value.b, extra=value.c, zzzzz=value.d",
            )]),
            &shape,
        );
        assert_eq!(found.len(), 5, "{found:?}");
        assert!(found[0].contains("column name exists"));
        assert!(found[1].contains("did you mean name?"));
        assert!(found[2].contains("ALTER TABLE ks.t ADD \"zzzzz\""));
        assert!(found[3].contains("column id of the primary key of ks.t is not mapped"));
        assert!(found[4].contains("map<text, text>"));
        let ignored = settings(&[("inputFormat", "debezium"), ("ignoredFields", "extra")]);
        assert!(Target::new(ignored, &shape).is_ok());
    }

    /// CS-081.
    #[test]
    fn deletes_that_can_never_happen_are_warned_about() {
        let shape = shape(1, 1, &[("id", Scalar::Uuid), ("name", Scalar::Text)]);
        let warned = |mapping: &str| {
            Target::new(settings(&[("mapping", mapping)]), &shape)
                .unwrap()
                .warnings()
        };
        assert_eq!(warned("id=key").len(), 1);
        assert!(warned("id=key, name=value.n").is_empty());
    }
}
