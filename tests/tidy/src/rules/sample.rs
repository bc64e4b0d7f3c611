//! A file that keeps every rule, and one of its breaches at a time.

use crate::finding::Finding;

/// What is found in `good` once `from` is `to` where it first stands; nothing else may be found in it.
pub(super) fn broken(good: &str, from: &str, to: &str, breaches: impl Fn(&str) -> Vec<Finding>) -> String {
    let text = good.replacen(from, to, 1);
    assert_ne!(text, good, "the sample holds {from}");
    let found = breaches(&text);
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].what.clone()
}
