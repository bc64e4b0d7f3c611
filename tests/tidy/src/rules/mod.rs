//! The rules, one file per subject. Each is a function from facts to findings, with a bad sample in its unit tests.

pub mod absence;
pub mod arrows;
pub mod compose;
pub mod dockerfile;
pub mod docs;
pub mod hygiene;
pub mod licences;
pub mod manifest;
pub mod names;
#[cfg(test)]
mod sample;
pub mod sans_io;
pub mod size;
pub mod style;
