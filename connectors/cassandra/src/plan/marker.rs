//! Sans-I/O: placeholders of large values that the source did not send (CS-070).

use md5::{Digest, Md5};
use rowtide_api::Value;
use uuid::Uuid;

/// The forms in which Debezium writes "unchanged and not known".
#[derive(Debug, Clone)]
pub(super) struct Marker {
    text: String,
    /// The marker's bytes as a name-based UUID.
    uuid: String,
    /// And in base64, as JSON without schemas has them.
    base64: String,
}

impl Marker {
    pub(super) fn new(text: &str) -> Self {
        let digest: [u8; 16] = Md5::digest(text.as_bytes()).into();
        Self {
            text: text.to_owned(),
            uuid: uuid::Builder::from_md5_bytes(digest).into_uuid().to_string(),
            base64: base64(text.as_bytes()),
        }
    }

    /// Whether a value is a placeholder.
    pub(super) fn is(&self, value: &Value) -> bool {
        match value {
            Value::Array(items) => match &items[..] {
                [one] => self.is_plain(one) || one.as_str().is_some_and(|text| self.is_uuid(text)),
                items => self.spells(items),
            },
            Value::Map(pairs) => {
                matches!(&pairs[..], [(key, value)] if self.is_plain(key) && self.is_plain(value))
            }
            value => self.is_plain(value),
        }
    }

    fn is_plain(&self, value: &Value) -> bool {
        match value {
            Value::Text(text) => **text == *self.text || **text == *self.base64,
            Value::Bytes(bytes) => **bytes == *self.text.as_bytes(),
            _ => false,
        }
    }

    fn is_uuid(&self, text: &str) -> bool {
        text.len() == 36 && Uuid::parse_str(text).is_ok() && text.eq_ignore_ascii_case(&self.uuid)
    }

    /// Lists of numbers hold one per byte.
    fn spells(&self, items: &[Value]) -> bool {
        items.len() == self.text.len()
            && !items.is_empty()
            && items
                .iter()
                .zip(self.text.bytes())
                .all(|(item, byte)| item.as_int() == Some(byte.into()))
    }
}

/// Base64 with padding, as Jackson writes bytes.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            if at <= three.len() {
                text.push(char::from(DIGITS[(bits >> (18 - 6 * at) & 63) as usize]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

/// Whether a value is one of those that stand in a key-only image for a column that is not nullable (PG-143).
pub(super) fn stands_in(value: &Value, default: Option<&Value>) -> bool {
    default == Some(value)
        || match value {
            Value::Bool(value) => !value,
            Value::Float32(value) => *value == 0.0,
            Value::Float64(value) => *value == 0.0,
            Value::Text(text) => text.is_empty() || text.starts_with("1970-01-01") || &**text == "{}",
            Value::Bytes(bytes) => bytes.iter().all(|byte| *byte == 0),
            Value::Array(items) => items.is_empty(),
            Value::Map(pairs) => pairs.is_empty(),
            Value::Struct(fields) => fields
                .fields
                .iter()
                .all(|field| field.is_null() || stands_in(field, None)),
            value => value.as_int() == Some(0),
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CS-070, PG-076.
    #[test]
    fn every_form_of_the_placeholder_is_known() {
        let text = "__debezium_unavailable_value";
        let marker = Marker::new(text);
        let list = |items: Vec<Value>| Value::Array(items.into());
        let bytes = || Value::Bytes(text.as_bytes().into());
        for value in [
            Value::from(text),
            bytes(),
            list(vec![Value::from(text)]),
            list(vec![bytes()]),
            list(text.bytes().map(|byte| Value::Int32(byte.into())).collect()),
            list(text.bytes().map(|byte| Value::Int64(byte.into())).collect()),
            list(vec![Value::from(marker.uuid.as_str())]),
            Value::Map(Box::new([(Value::from(text), Value::from(text))])),
        ] {
            assert!(marker.is(&value), "{value:?}");
        }
        // Java: UUID.nameUUIDFromBytes.
        assert_eq!(Marker::new("").uuid, "d41d8cd9-8f00-3204-a980-0998ecf8427e");
        assert_eq!(base64(b"_"), "Xw==");
        assert!(
            marker.is(&Value::from("X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==")),
            "{marker:?}"
        );
        assert!(!marker.is(&Value::from("x")));
        assert!(!marker.is(&list(vec![])));
        assert!(!marker.is(&Value::Null));
    }
}
