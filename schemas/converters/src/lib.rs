//! Converters between data and the bytes in Kafka: Avro with a Schema Registry, Connect's JSON, text, and bytes.
//!
//! Each converter compiles a plan per schema once and finds it again without a lock; a record then costs no tree of
//! values and no look-up by name. What a converter does not hold yet (a schema's id), it reports as missing; the engine
//! fetches it and repeats the call.
#![deny(unsafe_code)]

mod avro;
mod byte_array;
mod inferred;
mod interned;
mod jackson;
mod json;
mod stateless;
mod string;
mod text;

pub use avro::{AvroConverter, AvroSettings};
pub use byte_array::{ByteArrayConverter, RawBytes};
pub use json::{JsonConverter, JsonSettings};
pub use stateless::{Format, Stateless};
pub use string::{HeaderText, JavaText, SimpleHeaderConverter, StringConverter, StringSettings, TypeOnly};

use rowtide_api::erased::ConverterRow;

/// All converters, for the worker's list of plugins.
pub fn rows() -> Vec<ConverterRow> {
    vec![
        ConverterRow::of::<AvroConverter>(),
        ConverterRow::of::<JsonConverter>(),
        ConverterRow::of::<StringConverter>(),
        ConverterRow::of::<SimpleHeaderConverter>(),
        ConverterRow::of::<ByteArrayConverter>(),
    ]
}
