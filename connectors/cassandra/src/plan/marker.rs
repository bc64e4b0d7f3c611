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
}

impl Marker {
    pub(super) fn new(text: &str) -> Self {
        let digest: [u8; 16] = Md5::digest(text.as_bytes()).into();
        Self {
            text: text.to_owned(),
            uuid: uuid::Builder::from_md5_bytes(digest).into_uuid().to_string(),
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
            Value::Text(text) => **text == *self.text,
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
        assert!(!marker.is(&Value::from("x")));
        assert!(!marker.is(&list(vec![])));
        assert!(!marker.is(&Value::Null));
    }
}
