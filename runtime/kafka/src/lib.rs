//! The engine's Kafka ports over librdkafka.
