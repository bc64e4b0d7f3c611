//! The `rowtide` binary.

fn main() {}
