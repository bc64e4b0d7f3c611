//! Tables and settings for the unit tests of this crate.

use rowtide_api::config::{ConfigReport, Properties};

use crate::config::{Settings, TableSettings};
use crate::shape::{Column, TableShape};
use crate::test_records::TOPIC;
use crate::types::{Cql, Scalar};

/// The settings of [`TOPIC`] into table `ks.t`.
pub(crate) fn settings(pairs: &[(&str, &str)]) -> TableSettings {
    let mut properties = Properties::from_iter([
        ("topics", TOPIC),
        ("topic.pg.public.t.ks.t.ttlTimeUnit", "SECONDS"),
    ]);
    for (setting, value) in pairs {
        // `^` before a key of the connector.
        let key = match setting.strip_prefix('^') {
            Some(connector) => connector.to_owned(),
            None => format!("topic.{TOPIC}.ks.t.{setting}"),
        };
        properties.set(key, *value);
    }
    let (settings, report) = ConfigReport::read::<Settings>(&properties);
    settings.unwrap_or_else(|| panic!("{report:?}")).tables.remove(0)
}

/// A table of scalar columns.
pub(crate) fn shape(partition: usize, key: usize, columns: &[(&str, Scalar)]) -> TableShape {
    TableShape {
        columns: columns
            .iter()
            .map(|(name, scalar)| Column {
                name: (*name).into(),
                cql: Ok(Cql::Scalar(*scalar)),
            })
            .collect(),
        partition,
        key,
    }
}
