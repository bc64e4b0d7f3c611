//! A connector's configuration as the engine reads it: the keys every connector has, its chain, its validation.

pub mod chain;
pub mod keys;
pub mod validation;
