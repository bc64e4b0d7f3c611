//! A pattern of topics that means nothing is shown in the task's status: it may be a slip, or the topics are still to come.

use rowtide_api::context::Progress;

use crate::ports::TopicPattern;

/// What the warning is about.
const KEY: &str = "topics.regex";

/// Warns while nothing is matched.
pub(super) fn tell(progress: &Progress, pattern: &TopicPattern, topics: &[String]) {
    if topics.is_empty() {
        progress.warn(
            KEY,
            format!("{KEY}={pattern} matches none of the cluster's topics"),
        );
    } else {
        progress.settled(KEY);
    }
}
