//! Sans-I/O: source partitions and offsets, ordered maps of JSON scalars.
//!
//! Their order is the order a Java connector would write them in; two of them are equal when they hold the same pairs,
//! whatever the order (Connect looks offsets up by content).

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A value inside a partition or an offset: a JSON scalar, nothing nested.
#[derive(Debug, Clone)]
pub enum Scalar {
    /// JSON `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// Any whole number: JSON makes no difference between int and long.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// A string.
    Text(Arc<str>),
}

impl PartialEq for Scalar {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            // By bits, so that equality is total and a stored NaN finds itself.
            (Self::Float(a), Self::Float(b)) => a.to_bits() == b.to_bits(),
            (Self::Text(a), Self::Text(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Scalar {}

impl Hash for Scalar {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        match self {
            Self::Null => {}
            Self::Bool(value) => value.hash(state),
            Self::Int(value) => value.hash(state),
            Self::Float(value) => value.to_bits().hash(state),
            Self::Text(value) => value.hash(state),
        }
    }
}

impl From<&str> for Scalar {
    fn from(value: &str) -> Self {
        Self::Text(value.into())
    }
}

impl From<String> for Scalar {
    fn from(value: String) -> Self {
        Self::Text(value.into())
    }
}

impl From<i64> for Scalar {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<bool> for Scalar {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

macro_rules! scalar_map {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default)]
        pub struct $name {
            entries: Vec<(Arc<str>, Scalar)>,
        }

        impl $name {
            /// An empty map.
            pub fn new() -> Self {
                Self::default()
            }

            /// Adds or replaces a pair; a new one goes last.
            #[must_use]
            pub fn with(mut self, key: impl Into<Arc<str>>, value: impl Into<Scalar>) -> Self {
                self.set(key, value);
                self
            }

            /// Adds or replaces a pair; a new one goes last.
            pub fn set(&mut self, key: impl Into<Arc<str>>, value: impl Into<Scalar>) {
                let (key, value) = (key.into(), value.into());
                match self.entries.iter_mut().find(|(known, _)| *known == key) {
                    Some(entry) => entry.1 = value,
                    None => self.entries.push((key, value)),
                }
            }

            /// The value under `key`.
            pub fn get(&self, key: &str) -> Option<&Scalar> {
                self.entries.iter().find(|(known, _)| &**known == key).map(|(_, value)| value)
            }

            /// The whole number under `key`; `None` also when something else is there.
            pub fn int(&self, key: &str) -> Option<i64> {
                match self.get(key) {
                    Some(Scalar::Int(value)) => Some(*value),
                    _ => None,
                }
            }

            /// The text under `key`; `None` also when something else is there.
            pub fn text(&self, key: &str) -> Option<&str> {
                match self.get(key) {
                    Some(Scalar::Text(value)) => Some(value),
                    _ => None,
                }
            }

            /// The truth value under `key`; `None` also when something else is there.
            pub fn bool(&self, key: &str) -> Option<bool> {
                match self.get(key) {
                    Some(Scalar::Bool(value)) => Some(*value),
                    _ => None,
                }
            }

            /// The pairs in their order.
            pub fn iter(&self) -> impl Iterator<Item = (&str, &Scalar)> {
                self.entries.iter().map(|(key, value)| (&**key, value))
            }

            /// Whether there is no pair.
            pub fn is_empty(&self) -> bool {
                self.entries.is_empty()
            }

            fn sorted(&self) -> BTreeMap<&str, &Scalar> {
                self.iter().collect()
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.sorted() == other.sorted()
            }
        }

        impl Eq for $name {}

        impl Hash for $name {
            fn hash<H: Hasher>(&self, state: &mut H) {
                for pair in self.sorted() {
                    pair.hash(state);
                }
            }
        }

        impl<K: Into<Arc<str>>, V: Into<Scalar>> FromIterator<(K, V)> for $name {
            fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
                pairs.into_iter().fold(Self::new(), |map, (key, value)| map.with(key, value))
            }
        }
    };
}

scalar_map! {
    /// What a source reads from, such as `{"server":"p"}` or `{"filename":"/tmp/in"}`.
    SourcePartition
}

scalar_map! {
    /// Where a source goes on, such as `{"lsn_proc":24023128}`.
    SourceOffset
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CN-176: keys are compared semantically.
    #[test]
    fn order_does_not_matter_for_equality_but_is_kept() {
        let one = SourceOffset::new().with("lsn", 1).with("snapshot", true);
        let two = SourceOffset::new().with("snapshot", true).with("lsn", 1);
        assert_eq!(one, two);
        assert_eq!(
            one.iter().map(|(key, _)| key).collect::<Vec<_>>(),
            ["lsn", "snapshot"]
        );
        assert_ne!(one, SourceOffset::new().with("lsn", 1));
    }

    #[test]
    fn setting_a_known_key_replaces_its_value_in_place() {
        let offset = SourceOffset::new().with("a", 1).with("b", 2).with("a", 3);
        assert_eq!(offset.int("a"), Some(3));
        assert_eq!(offset.iter().count(), 2);
    }
}
