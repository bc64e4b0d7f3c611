//! The scheduled HTTP source with the randomuser preset.
