//! Schema Registry: client, embedded server, compatibility rules.
