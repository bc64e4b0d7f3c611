//! The engine's own state, in Connect's record formats over a [`crate::ports::Log`].

pub mod config;
pub mod offset;
pub mod run;
pub mod status;

use rowtide_api::offset::Scalar;
use serde_json::{Map, Number, Value};

/// JSON of a partition's or offset's pairs, in their order.
fn to_json<'a>(pairs: impl Iterator<Item = (&'a str, &'a Scalar)>) -> Value {
    let scalar = |value: &Scalar| match value {
        Scalar::Null => Value::Null,
        Scalar::Bool(value) => Value::Bool(*value),
        Scalar::Int(value) => Value::from(*value),
        Scalar::Float(value) => Number::from_f64(*value).map_or(Value::Null, Value::Number),
        Scalar::Text(value) => Value::from(&**value),
    };
    Value::Object(
        pairs
            .map(|(key, value)| (key.to_owned(), scalar(value)))
            .collect::<Map<_, _>>(),
    )
}

/// The pairs of a JSON object; `None` when a value is nested or no 64-bit number.
fn from_json<T: FromIterator<(String, Scalar)>>(value: &Value) -> Option<T> {
    value
        .as_object()?
        .iter()
        .map(|(key, value)| {
            let scalar = match value {
                Value::Null => Scalar::Null,
                Value::Bool(value) => Scalar::Bool(*value),
                Value::Number(number) => match number.as_i64() {
                    Some(whole) => Scalar::Int(whole),
                    None => Scalar::Float(number.as_f64()?),
                },
                Value::String(text) => Scalar::from(text.as_str()),
                Value::Array(_) | Value::Object(_) => return None,
            };
            Some((key.clone(), scalar))
        })
        .collect()
}
