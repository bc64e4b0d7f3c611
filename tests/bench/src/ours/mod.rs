//! Our run: the Postgres source task behind the real source worker, the real converters, and a producer.

mod memory_log;
mod null;
mod registry;
mod run;

pub use null::NullProducer;
pub use registry::Registry;
pub use run::{Ours, Running, chain, config, properties};
