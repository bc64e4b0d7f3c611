//! Sans-I/O: flat records, as the DataStax connector writes them (CS-080 to CS-083), and those that
//! ExtractNewRecordState leaves (CS-064).

use rowtide_api::Value;
use rowtide_api::unavailable::GONE;

use super::{Context, Effect, Refusal};
use crate::clock::{self, Origin};
use crate::mapping::NullRule;
use crate::mutation::{Deed, Mutation};

static NULL: Value = Value::Null;

impl Context<'_, '_> {
    pub(super) fn flat(&self) -> Result<Effect, Refusal> {
        let value = &self.record.record.value.value;
        let settings = &self.target.settings;
        let mut writer = self.writer(value, &NULL);
        writer.images.value_whole = &self.raw.record.value.value;
        let nulls = if settings.null_to_unset {
            NullRule::Unset
        } else {
            NullRule::Null
        };
        // Only real columns complete the count, and only they can be non-null (CS-080).
        let deletable = settings.deletes_enabled
            && self.target.covers_table
            && self.target.columns.len() > self.target.key;
        if value.is_null() && !deletable {
            // Never a row of a bare key (CS-082).
            return Ok(Effect::Skip("null_value"));
        }
        let timestamp = clock::stamp(
            self.clock,
            &Origin::default(),
            self.record.record.timestamp_ms,
            writer.timestamp()?,
        )?;
        // Where the mapping names `__deleted`, it alone says of a row that it is gone; else a row without any value is.
        let told = self.plan.deleted.is_some() && !value.is_null();
        if told && writer.is_deleted() {
            return Ok(Effect::Write(vec![self.delete(&writer, timestamp)?]));
        }
        let mut cells = Vec::with_capacity(128);
        let key = writer.key(&mut cells)?;
        let rest = writer.rest(nulls, &mut cells)?;
        let deed = if deletable && !told && !rest.any {
            Deed::Delete
        } else {
            Deed::Insert
        };
        if deed == Deed::Delete {
            cells.truncate(key.key_bytes);
        }
        Ok(Effect::Write(vec![Mutation {
            table: self.table,
            deed,
            cells,
            partition_bytes: key.partition_bytes,
            key_bytes: key.key_bytes,
            timestamp,
            ttl: if deed == Deed::Insert { writer.ttl()? } else { 0 },
            // What kind of change it was the flat form does not say.
            lacks: rest.lacks(false, self.header(GONE).is_some()),
        }]))
    }
}
