//! The pure cores: a file marked as free of I/O imports no runtime, no clock, no client, and waits for nothing.

use crate::finding::Finding;
use crate::source::Source;

/// Crates and modules that do I/O, spawn, or wait.
const IMPURE: &[&str] = &[
    "axum",
    "hyper",
    "libc",
    "rdkafka",
    "reqwest",
    "rustls",
    "schema_registry_converter",
    "scylla",
    "std::env",
    "std::fs",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::ToSocketAddrs",
    "std::net::UdpSocket",
    "std::process",
    "std::thread",
    "tokio_postgres",
    "tokio_rustls",
    "tokio_util",
];

const FIX: &str = "pass the value in, or move the code to the file that drives this one";

/// What does not belong into a pure file. Its tests may read golden files, but they do not wait or read a clock either.
pub fn impurities(source: &Source) -> Vec<Finding> {
    if !source.is_sans_io() {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut report = |line, what: &str| {
        let what = format!("marked Sans-I/O, but {what}");
        found.push(Finding::new(&source.path, line, what, FIX));
    };
    for word in ["async", "await"] {
        for token in source.tokens.iter().filter(|token| token.is_ident(word)) {
            report(token.line, &format!("contains `{word}`"));
        }
    }
    for named in &source.named {
        let does_io = !named.test && IMPURE.iter().any(|path| named.is_below(path));
        if named.path.starts_with("tokio::") || (does_io && named.path.contains("::")) {
            report(named.line, &format!("names `{}`", named.path));
        }
        let clock = named.path.contains("::") && named.ends_with("now") || named.path.contains("SystemTime");
        if clock {
            report(named.line, &format!("reads a clock: `{}`", named.path));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str) -> usize {
        impurities(&Source::parse("a/src/b.rs", text).unwrap()).len()
    }

    #[test]
    fn a_pure_file_may_not_wait_read_a_clock_or_open_anything() {
        assert_eq!(count("//! Sans-I/O.\nasync fn f() {}"), 1);
        assert_eq!(count("//! Sans-I/O.\nuse tokio::sync::watch;"), 1);
        assert_eq!(count("//! Sans-I/O.\nfn f() { Instant::now(); }"), 1);
        assert_eq!(count("//! Sans-I/O.\nfn f(t: SystemTime) {}"), 1);
        assert_eq!(
            count("//! Sans-I/O.\nfn f() -> Timestamp { jiff::Timestamp::now() }"),
            1
        );
        assert_eq!(count("//! Sans-I/O.\nuse std::{fs, io};"), 1);
        assert_eq!(count("//! Sans-I/O.\nuse scylla::client::session::Session;"), 1);
    }

    #[test]
    fn its_tests_may_read_a_golden_file_but_not_wait() {
        assert_eq!(count("//! Sans-I/O.\n#[cfg(test)] mod t { use std::fs; }"), 0);
        assert_eq!(
            count("//! Sans-I/O.\n#[cfg(test)] mod t { #[tokio::test] async fn f() {} }"),
            2
        );
    }

    #[test]
    fn an_address_is_a_value_and_passes() {
        assert_eq!(
            count("//! Sans-I/O.\nuse std::net::IpAddr;\nuse std::io::Write;"),
            0
        );
    }

    #[test]
    fn a_file_without_the_mark_is_left_alone() {
        assert_eq!(count("//! Reads files.\nuse std::fs;\nasync fn f() {}"), 0);
    }
}
