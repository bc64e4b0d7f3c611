//! What Java matches, formats, hashes and serialises, reproduced without a JVM.
//!
//! Files written for Kafka Connect and Debezium carry Java's habits: its regular expressions in
//! `table.include.list`, its `Double.toString` in JSON, its hash in the choice of a partition. Each habit is one
//! module here, pure and without state: bytes and text in, values out, errors as values, no panic on any input.
//! What an operator wrote in Java's words therefore means the same here, or is refused by name.
//!
//! | Module | Java's | Used for |
//! |---|---|---|
//! | [`murmur2`] | Kafka's default partitioner | where a keyed record goes |
//! | [`regex`] | `java.util.regex` | include and exclude lists, routers |
//! | [`properties`] | `java.util.Properties` | worker and connector files |
//! | [`number`] | `Double.toString`, `Integer.parseInt` | JSON, text, configuration values |
//! | [`decimal`] | `BigDecimal` | numeric columns, the Decimal logical type |
//! | [`temporal`] | `java.time` in its ISO forms | dates, times, timestamps |
//! | [`uuid`] | `java.util.UUID` | uuid columns, placeholders |
//! | [`serialization`] | `ObjectOutputStream` | telling a Java offset file from ours |

pub mod decimal;
pub mod murmur2;
pub mod number;
pub mod properties;
pub mod regex;
pub mod serialization;
pub mod temporal;
pub mod uuid;
