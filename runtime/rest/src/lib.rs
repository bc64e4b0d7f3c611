//! Connect's REST API over the engine's herder.
