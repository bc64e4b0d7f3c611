//! Schema Registry: the client that the Avro converters use, the server that the worker embeds, and the Avro schema
//! text they share.
//!
//! A schema on its way, client side:
//! 1. A converter asks [`client::RegistryClient::cached_id`] or [`client::RegistryClient::peek`]: a look into memory,
//!    without waiting.
//! 2. On a miss the engine awaits [`client::RegistryClient::register`], [`client::RegistryClient::lookup`] or
//!    [`client::RegistryClient::by_id`]: one request for all who wait for the same thing, with retries over all
//!    addresses; an outage is [`client::Class::Retriable`] and never a fault of the record.
//!
//! And on the server's:
//! 1. [`server::router`] turns the request into a call of [`server::Server`].
//! 2. [`server::Store`], without I/O, decides which records the call adds to the log, or refuses it.
//! 3. [`server::RegistryLog::append`] makes them durable. Only then does the store take them and the client get its
//!    answer: **an id that was answered is never given to another schema**, whatever is killed when.
//!
//! The records are those of the Confluent server's `_schemas` topic; the worker keeps them in a local file.

pub mod avro;
pub mod client;
pub mod server;
