//! What a rule reports: where, what is wrong, how to put it right.

use std::fmt;

/// One breach of one rule. Prints as `file:line: what. Fix: …`, which terminals and editors make a link of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Path from the repository's root.
    pub path: String,
    /// Line from 1; 0 where the file as a whole is meant.
    pub line: usize,
    /// The rule that is broken, and by what.
    pub what: String,
    /// The next step.
    pub fix: String,
}

impl Finding {
    /// A finding at a line.
    pub fn new(
        path: impl Into<String>,
        line: usize,
        what: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self {
            path: path.into(),
            line,
            what: what.into(),
            fix: fix.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        write!(f, ": {}. Fix: {}.", self.what, self.fix)
    }
}

/// Fails the calling test with all findings at once, sorted by place.
///
/// # Panics
/// When there is at least one finding.
#[track_caller]
pub fn assert_none(rule: &str, mut findings: Vec<Finding>) {
    findings.sort();
    findings.dedup();
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(
        lines.is_empty(),
        "{rule}: {} finding(s)\n{}\n",
        lines.len(),
        lines.join("\n")
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_prints_its_place_first() {
        let at_line = Finding::new("a/b.rs", 7, "`x` is banned", "write `y`");
        assert_eq!(at_line.to_string(), "a/b.rs:7: `x` is banned. Fix: write `y`.");
        let whole = Finding::new("a/b.rs", 0, "too long", "split it");
        assert_eq!(whole.to_string(), "a/b.rs: too long. Fix: split it.");
    }

    #[test]
    fn findings_fail_the_test_that_asserts_there_are_none() {
        assert_none("nothing", Vec::new());
        let failed = std::panic::catch_unwind(|| {
            assert_none("rule", vec![Finding::new("a", 1, "b", "c")]);
        });
        assert!(failed.is_err());
    }
}
