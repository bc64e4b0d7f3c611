//! Sans-I/O: a record on its way to or from Kafka.

use std::sync::{Arc, LazyLock};

use crate::data::Datum;

/// A record: topic, key, value, headers, and what the producer or the broker says about its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition; `None` leaves it to the partitioner (Java's murmur2 over the key).
    pub partition: Option<i32>,
    /// Milliseconds since the epoch; `None` leaves it to the producer.
    pub timestamp_ms: Option<i64>,
    /// The key; [`Datum::NULL`] when there is none.
    pub key: Datum,
    /// The value; [`Datum::NULL`] in a tombstone.
    pub value: Datum,
    /// The headers.
    pub headers: Headers,
}

/// A header: name and value.
pub type Header = (Arc<str>, Datum);

/// Headers in order: the record's own, then those it shares with its neighbours.
///
/// `shared` holds what is the same on every record of a task; the engine encodes such a list once.
#[derive(Clone, Debug)]
pub struct Headers {
    /// This record's own headers.
    pub own: Vec<Header>,
    /// The constant ones.
    pub shared: Arc<[Header]>,
}

impl Headers {
    /// Only these own headers.
    pub fn own(own: Vec<Header>) -> Self {
        Self {
            own,
            ..Self::default()
        }
    }

    /// Adds an own header at the end of the own ones.
    pub fn push(&mut self, name: impl Into<Arc<str>>, value: Datum) {
        self.own.push((name.into(), value));
    }

    /// All headers in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Datum)> {
        self.own
            .iter()
            .chain(self.shared.iter())
            .map(|(name, value)| (&**name, value))
    }

    /// The last header called `name`: where a name repeats, Kafka's clients take the last.
    pub fn last(&self, name: &str) -> Option<&Datum> {
        let newest_in = |list: &[Header]| list.iter().rposition(|(known, _)| &**known == name);
        match newest_in(&self.shared) {
            Some(index) => self.shared.get(index).map(|(_, value)| value),
            None => newest_in(&self.own)
                .and_then(|index| self.own.get(index))
                .map(|(_, value)| value),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.own.is_empty() && self.shared.is_empty()
    }
}

impl Default for Headers {
    fn default() -> Self {
        static NONE: LazyLock<Arc<[Header]>> = LazyLock::new(|| Arc::new([]));
        Self {
            own: Vec::new(),
            shared: NONE.clone(),
        }
    }
}

impl PartialEq for Headers {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Headers {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_headers_precede_shared_ones_and_the_last_of_a_name_wins() {
        let mut headers = Headers {
            own: Vec::new(),
            shared: Arc::new([("c".into(), Datum::text("shared"))]),
        };
        headers.push("a", Datum::text("1"));
        headers.push("a", Datum::text("2"));
        assert_eq!(
            headers.iter().map(|(name, _)| name).collect::<Vec<_>>(),
            ["a", "a", "c"]
        );
        assert_eq!(headers.last("a"), Some(&Datum::text("2")));
        assert_eq!(headers.last("c"), Some(&Datum::text("shared")));
        assert_eq!(headers.last("x"), None);
    }
}
