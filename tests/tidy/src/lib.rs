//! Architecture as a test: arrows, sizes, bans.
