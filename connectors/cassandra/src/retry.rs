//! Sans-I/O: what follows a failed attempt. One pure decision, one table of tests (CS-145, CS-150).

use std::time::Duration;

/// Why an attempt failed, whatever the driver calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No connection, a broken one, no name resolved.
    Connection,
    /// The attempt took longer than it may; its outcome is unknown.
    Timeout,
    /// A replica did not confirm in time; the outcome is unknown.
    WriteTimeout,
    Unavailable,
    Overloaded,
    Bootstrapping,
    RateLimit,
    /// A truncation is under way.
    Truncate,
    /// The server failed for a reason of its own.
    ServerError,
    /// The server refuses these values.
    Content,
    /// The table, a column or the right to write is gone.
    Table,
    /// The password is refused.
    Authentication,
}

impl Failure {
    /// The label of the retry counter.
    pub(crate) fn cause(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Timeout => "timeout",
            Self::WriteTimeout => "write_timeout",
            Self::Unavailable => "unavailable",
            Self::Overloaded => "overloaded",
            Self::Bootstrapping => "bootstrapping",
            Self::RateLimit => "rate_limit",
            Self::Truncate => "truncate",
            Self::ServerError => "server_error",
            Self::Content => "content",
            Self::Table => "table",
            Self::Authentication => "authentication",
        }
    }
}

/// All the attempts of one group so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct History {
    /// Failed attempts, the one to decide about included.
    pub(crate) attempts: u32,
    /// Since the first attempt began.
    pub(crate) elapsed: Duration,
    /// Statements the group sends.
    pub(crate) statements: usize,
    /// Whether other groups succeeded since this one first failed.
    pub(crate) others_succeed: bool,
    /// Whether the statements were prepared again for this group.
    pub(crate) prepared_again: bool,
}

/// Bounds of repeating.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RetryLimits {
    pub(crate) backoff: Duration,
    pub(crate) backoff_max: Duration,
    pub(crate) delivery_timeout: Option<Duration>,
}

/// What to do with the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// The same statements with the same timestamps, after at most this long: full jitter takes a random part of it.
    Retry { within: Duration },
    /// Each record alone, to find the one the server refuses (CS-142).
    Split,
    /// The record is refused.
    Reject,
    /// Prepare again once (CS-143).
    PrepareAgain,
    /// The task cannot go on.
    Fail,
}

/// After this many server errors for one group while others succeed, it is its content that fails.
const SERVER_ERRORS_MAX: u32 = 10;
/// Attempts with a refused password: it may be in the middle of a rotation (CS-147).
const AUTHENTICATIONS_MAX: u32 = 3;

/// Decides.
pub(crate) fn decide(failure: Failure, history: History, limits: RetryLimits) -> Decision {
    let retry = Decision::Retry {
        within: backoff(history.attempts, limits),
    };
    let refused = if history.statements > 1 {
        Decision::Split
    } else {
        Decision::Reject
    };
    match failure {
        Failure::Content => refused,
        Failure::Table if history.prepared_again => Decision::Fail,
        Failure::Table => Decision::PrepareAgain,
        Failure::Authentication if history.attempts >= AUTHENTICATIONS_MAX => Decision::Fail,
        Failure::ServerError if history.attempts >= SERVER_ERRORS_MAX && history.others_succeed => refused,
        _ if limits
            .delivery_timeout
            .is_some_and(|longest| history.elapsed >= longest) =>
        {
            Decision::Fail
        }
        _ => retry,
    }
}

fn backoff(attempts: u32, limits: RetryLimits) -> Duration {
    let doublings = attempts.saturating_sub(1).min(20);
    limits
        .backoff
        .saturating_mul(1 << doublings)
        .min(limits.backoff_max)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: RetryLimits = RetryLimits {
        backoff: Duration::from_millis(100),
        backoff_max: Duration::from_secs(10),
        delivery_timeout: None,
    };

    fn within(millis: u64) -> Decision {
        Decision::Retry {
            within: Duration::from_millis(millis),
        }
    }

    /// CS-142, CS-143, CS-145, CS-147, CS-150.
    #[test]
    fn every_failure_has_its_decision() {
        use Decision::{Fail, PrepareAgain, Reject, Split};
        let once = History {
            attempts: 1,
            statements: 1,
            ..History::default()
        };
        let batch = History {
            statements: 3,
            ..once
        };
        let tenth = History { attempts: 10, ..once };
        let alone = History {
            others_succeed: true,
            ..tenth
        };
        let prepared = History {
            prepared_again: true,
            ..once
        };
        let third = History { attempts: 3, ..once };
        for (failure, history, decision) in [
            (Failure::Connection, once, within(100)),
            (Failure::Timeout, third, within(400)),
            (Failure::WriteTimeout, tenth, within(10_000)),
            (Failure::Unavailable, once, within(100)),
            (Failure::Overloaded, batch, within(100)),
            (Failure::Bootstrapping, once, within(100)),
            (Failure::RateLimit, once, within(100)),
            (Failure::Truncate, once, within(100)),
            (Failure::ServerError, once, within(100)),
            (Failure::ServerError, tenth, within(10_000)),
            (Failure::ServerError, alone, Reject),
            (Failure::Content, once, Reject),
            (Failure::Content, batch, Split),
            (Failure::Table, once, PrepareAgain),
            (Failure::Table, prepared, Fail),
            (Failure::Authentication, once, within(100)),
            (Failure::Authentication, third, Fail),
        ] {
            assert_eq!(
                decide(failure, history, LIMITS),
                decision,
                "{failure:?} {history:?}"
            );
        }
    }

    /// CS-145: for ever, unless a deadline is set.
    #[test]
    fn only_a_deadline_ends_retrying() {
        let long = History {
            attempts: u32::MAX,
            elapsed: Duration::from_secs(900),
            statements: 1,
            ..History::default()
        };
        assert_eq!(decide(Failure::Connection, long, LIMITS), within(10_000));
        let limited = RetryLimits {
            delivery_timeout: Some(Duration::from_secs(60)),
            ..LIMITS
        };
        assert_eq!(decide(Failure::Connection, long, limited), Decision::Fail);
    }
}
