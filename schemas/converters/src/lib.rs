//! Avro, JSON and String converters with plans compiled per schema.
