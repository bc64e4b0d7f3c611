//! Sans-I/O: the value a text stands for, as Connect reads headers (CN-335): null, booleans, the smallest type that holds a
//! number, dates, times and timestamps, lists and maps; every other text is itself.
//!
//! Where Connect would lose something, this keeps it:
//! * what only begins like a value is a text (`12:30`, `1,2`; Connect drops what follows the 12 and the 1);
//! * a number becomes a float only when that prints as the same number again, and lists of numbers get a type that holds
//!   each of them (Connect rounds to 32 bits);
//! * only days and times that exist are dates (Connect takes the 13th month for the next year's first);
//! * a list or map whose elements have no type in common, or none at all, comes without a schema.

mod number;
mod parse;
mod temporal;
mod unify;

use rowtide_api::{Datum, Value};

use parse::{Item, whole};
use unify::{Refused, common};

/// The value of a text; `None` when it is just that text.
pub(crate) fn infer(text: &str) -> Option<Datum> {
    // Most headers are words: told apart by their first character.
    let first = text.trim_start_matches(is_blank).bytes().next()?;
    if !matches!(
        first,
        b'0'..=b'9' | b'+' | b'-' | b'[' | b'{' | b'n' | b't' | b'f'
    ) {
        return None;
    }
    match whole(text)? {
        Item::Null => Some(Datum::NULL),
        item => datum(&item),
    }
}

/// Java's `trim` takes everything up to the blank.
fn is_blank(c: char) -> bool {
    c <= ' '
}

fn datum(item: &Item<'_>) -> Option<Datum> {
    match common(&[item]) {
        Ok(Some(kind)) => Some(Datum::new(kind.schema(), kind.value(item)?)),
        Ok(None) => schemaless(item).map(Datum::schemaless),
        Err(Refused) => None,
    }
}

/// The value without a schema; `None` where it would lose its meaning: a decimal its scale, a date that it is one.
fn schemaless(item: &Item<'_>) -> Option<Value> {
    Some(match item {
        Item::Null => Value::Null,
        Item::Bool(value) => Value::Bool(*value),
        Item::Text(text) => Value::from(*text),
        Item::Number(number) => number.natural()?,
        Item::Temporal(..) => return None,
        Item::Array(items) => Value::Array(items.iter().map(schemaless).collect::<Option<_>>()?),
        Item::Map(entries) => Value::Map(
            entries
                .iter()
                .map(|(key, value)| Some((schemaless(key)?, schemaless(value)?)))
                .collect::<Option<_>>()?,
        ),
    })
}

#[cfg(test)]
mod tests;
