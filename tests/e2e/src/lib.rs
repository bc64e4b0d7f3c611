//! The whole road on real servers.
