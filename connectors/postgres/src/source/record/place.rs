//! Sans-I/O: where in a record a value goes that was made in the arena.

use rowtide_api::{Record, Value};

use crate::source::envelope::{AFTER, BEFORE, SOURCE};
use crate::types::{Cell, Sealed};

/// A field of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Of the row before.
    Before(usize),
    /// Of the row after.
    After(usize),
    /// Of the source block.
    Source(usize),
    /// Of the key.
    Key(usize),
    /// The value of an own header.
    Header(usize),
    /// A field of the struct in the first own header: `__debezium.newkey` or `__debezium.oldkey`.
    HeaderKey(usize),
}

/// A cell and where it goes.
#[derive(Debug)]
pub(super) struct Fixup {
    record: usize,
    place: Place,
    cell: Cell,
}

impl Fixup {
    pub(super) fn new(record: usize, place: Place, cell: Cell) -> Self {
        Self { record, place, cell }
    }

    /// Writes the cell's value into its record.
    pub(super) fn apply(self, records: &mut [Record], sealed: &Sealed) {
        let slot = records
            .get_mut(self.record)
            .and_then(|record| slot(record, self.place));
        debug_assert!(slot.is_some(), "a noted place is in its record");
        if let Some(slot) = slot {
            *slot = sealed.resolve(self.cell);
        }
    }
}

/// A place in a record.
pub(super) fn slot(record: &mut Record, place: Place) -> Option<&mut Value> {
    match place {
        Place::Before(field) => nested(&mut record.value.value, BEFORE, field),
        Place::After(field) => nested(&mut record.value.value, AFTER, field),
        Place::Source(field) => nested(&mut record.value.value, SOURCE, field),
        Place::Key(field) => field_of(&mut record.key.value, field),
        Place::Header(header) => Some(&mut record.headers.own.get_mut(header)?.1.value),
        Place::HeaderKey(field) => field_of(&mut record.headers.own.first_mut()?.1.value, field),
    }
}

/// A field of the source block.
pub(super) fn source_field(record: &mut Record, field: usize) -> Option<&mut Value> {
    slot(record, Place::Source(field))
}

fn nested(value: &mut Value, outer: usize, inner: usize) -> Option<&mut Value> {
    field_of(field_of(value, outer)?, inner)
}

fn field_of(value: &mut Value, field: usize) -> Option<&mut Value> {
    match value {
        Value::Struct(content) => content.fields.get_mut(field),
        _ => None,
    }
}
