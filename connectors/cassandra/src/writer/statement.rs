//! Mutations as the driver wants to see them: values that are bytes already.

use scylla::errors::SerializationError;
use scylla::serialize::row::{RowSerializationContext, SerializeRow};
use scylla::serialize::writers::RowWriter;

use crate::mutation::{CellValue, Deed, Mutation};
use crate::shape::Target;

/// A mutation with what its statement binds besides the columns.
pub(super) struct Bound<'a> {
    mutation: &'a Mutation,
    timestamp: Option<i64>,
    ttl: Option<i32>,
}

impl<'a> Bound<'a> {
    pub(super) fn new(mutation: &'a Mutation, target: &Target) -> Self {
        Self {
            timestamp: mutation.timestamp.filter(|_| target.binds_timestamp),
            ttl: (target.binds_ttl && mutation.deed == Deed::Insert).then_some(mutation.ttl),
            mutation,
        }
    }

    fn columns(&self, writer: &mut RowWriter<'_>) -> Result<(), SerializationError> {
        for value in self.mutation.values() {
            let cell = writer.make_cell_writer();
            match value {
                CellValue::Bytes(bytes) => {
                    cell.set_value(bytes).map_err(SerializationError::new)?;
                }
                CellValue::Null => {
                    cell.set_null();
                }
                CellValue::Unset => {
                    cell.set_unset();
                }
            }
        }
        Ok(())
    }

    fn timestamp(&self, writer: &mut RowWriter<'_>) -> Result<(), SerializationError> {
        if let Some(timestamp) = self.timestamp {
            let cell = writer.make_cell_writer();
            cell.set_value(&timestamp.to_be_bytes())
                .map_err(SerializationError::new)?;
        }
        Ok(())
    }
}

impl SerializeRow for Bound<'_> {
    fn serialize(
        &self,
        _context: &RowSerializationContext<'_>,
        writer: &mut RowWriter<'_>,
    ) -> Result<(), SerializationError> {
        // The order of the markers in the text: a DELETE names its timestamp before its key, an INSERT behind its columns.
        if self.mutation.deed == Deed::Delete {
            self.timestamp(writer)?;
            return self.columns(writer);
        }
        self.columns(writer)?;
        self.timestamp(writer)?;
        if let Some(ttl) = self.ttl {
            let cell = writer.make_cell_writer();
            cell.set_value(&ttl.to_be_bytes())
                .map_err(SerializationError::new)?;
        }
        Ok(())
    }

    fn is_empty(&self) -> bool {
        false
    }
}
