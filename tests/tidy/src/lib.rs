//! Architecture as a test: arrows, sizes, bans.
//!
//! What of a house rule can be computed is a test here, so that no reviewer has to remember it. The tests on the real
//! tree are in `tests/project.rs`, one per rule; the rules themselves are pure functions in [`rules`], and each has a
//! unit test beside it that feeds it a bad sample and sees it fail.
//!
//! 1. [`workspace`] lists what the repository holds (tracked files, and new ones git does not ignore) and asks cargo
//!    for crates, dependencies and licences.
//! 2. [`token`] lexes a file as the compiler does, so that a ban never trips over a string or a comment; it knows
//!    which tokens are test code.
//! 3. [`modules`] follows `mod` declarations from each target: a file they do not reach is dead.
//! 4. [`rules`] turn those facts into [`Finding`]s: where, what is wrong, how to put it right.
//!
//! A rule that needs an exception has a table of them with a reason per line, and an entry that no longer applies is a
//! finding too.

pub mod finding;
pub mod modules;
pub mod paths;
pub mod rules;
pub mod source;
pub mod token;
pub mod workspace;

pub use finding::Finding;
pub use source::{Role, Source};
pub use workspace::Workspace;
