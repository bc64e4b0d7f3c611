//! Records as Rowtide's Postgres source sends them.

use std::sync::Arc;

use rowtide_api::{Datum, Headers, Kind, Record, Schema, Struct, Value};

/// The topic of all tests.
pub const TOPIC: &str = "pg.public.t";

/// Change events of a table `(id bigint primary key, a text, b text)`, or of other columns.
pub struct Source {
    image: Arc<Schema>,
    key: Arc<Schema>,
    envelope: Arc<Schema>,
    block: Arc<Schema>,
}

fn optional(kind: Kind) -> Arc<Schema> {
    Schema::of(kind).optional().build()
}

impl Source {
    pub fn new(key: &[(&str, Kind)], others: Vec<(&str, Arc<Schema>)>) -> Self {
        let required = |kind: &Kind| match kind {
            Kind::Int64 => Schema::of(Kind::Int64).build(),
            _ => Schema::text(),
        };
        let keys: Vec<(&str, Arc<Schema>)> = key.iter().map(|(name, kind)| (*name, required(kind))).collect();
        let image = Schema::structure(keys.iter().cloned().chain(others))
            .optional()
            .name("pg.public.t.Value")
            .build();
        let block = Schema::structure([
            ("name", Schema::text()),
            ("ts_ms", Schema::of(Kind::Int64).build()),
            ("sequence", Schema::optional_text()),
            ("ts_us", optional(Kind::Int64)),
            ("lsn", optional(Kind::Int64)),
        ])
        .build();
        let envelope = Schema::structure([
            ("before", image.clone()),
            ("after", image.clone()),
            ("source", block.clone()),
            ("op", Schema::text()),
            ("ts_ms", optional(Kind::Int64)),
        ])
        .name("pg.public.t.Envelope")
        .build();
        Self {
            image,
            key: Schema::structure(keys).name("pg.public.t.Key").build(),
            envelope,
            block,
        }
    }

    /// `(id bigint primary key, a text, b text)`.
    pub fn plain() -> Self {
        Self::new(
            &[("id", Kind::Int64)],
            vec![("a", Schema::optional_text()), ("b", Schema::optional_text())],
        )
    }

    pub fn image(&self, fields: Vec<Value>) -> Value {
        Value::Struct(Struct::new(self.image.clone(), fields))
    }

    pub fn key(&self, id: i64) -> Datum {
        Datum::of(Struct::new(self.key.clone(), vec![Value::Int64(id)]))
    }

    /// A change at a position; commits lie one below, a microsecond apart.
    pub fn change(&self, op: &str, key: Datum, before: Value, after: Value, lsn: i64) -> Record {
        let block = Struct::new(
            self.block.clone(),
            vec![
                "pg".into(),
                Value::Int64(1_700_000_000_000),
                format!("[\"{}\",\"{lsn}\"]", lsn - 1).into(),
                Value::Int64(1_700_000_000_000_000 + lsn),
                Value::Int64(lsn),
            ],
        );
        let envelope = Struct::new(
            self.envelope.clone(),
            vec![before, after, Value::Struct(block), op.into(), Value::Null],
        );
        record(key, Datum::of(envelope))
    }

    /// A create, update or snapshot row of the plain table.
    pub fn row(&self, op: &str, id: i64, a: Option<&str>, b: Option<&str>, lsn: i64) -> Record {
        let text = |text: Option<&str>| text.map_or(Value::Null, Value::from);
        let after = self.image(vec![Value::Int64(id), text(a), text(b)]);
        self.change(op, self.key(id), Value::Null, after, lsn)
    }

    pub fn delete(&self, id: i64, lsn: i64) -> Record {
        let before = self.image(vec![Value::Int64(id), Value::Null, Value::Null]);
        self.change("d", self.key(id), before, Value::Null, lsn)
    }

    pub fn tombstone(&self, id: i64) -> Record {
        record(self.key(id), Datum::NULL)
    }
}

pub fn record(key: Datum, value: Datum) -> Record {
    Record {
        topic: TOPIC.into(),
        partition: Some(0),
        timestamp_ms: Some(1_700_000_000_000),
        key,
        value,
        headers: Headers::default(),
    }
}

pub fn with_header(mut record: Record, name: &str, text: &str) -> Record {
    record.headers.push(name, Datum::text(text));
    record
}
