//! Tests that kill: the worker at random and at every named point, and each server. Both roads, one after the other.

mod history;
mod ingestion;
mod kills;
mod ledger;
mod rebalance;
mod rig;
mod topic;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A member that was killed has to leave its group soon, or a sink waits out every kill.
const SHORT_SESSION: [(&str, &str); 2] = [
    ("consumer.override.session.timeout.ms", "2000"),
    ("consumer.override.heartbeat.interval.ms", "500"),
];

/// One test at a time: each is as much as the machine can do.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    say(&format!("ROWTIDE_CRASH_SEED={}", seed()));
    turn
}

/// `ROWTIDE_CRASH_SEED`, 42 without: what the dice of kills and changes begin with.
fn seed() -> u64 {
    const SEED: u64 = 42;
    std::env::var("ROWTIDE_CRASH_SEED")
        .map_or(SEED, |seed| seed.parse().expect("ROWTIDE_CRASH_SEED is a number"))
}

/// Progress of a test of minutes, shown with `--nocapture` or when it fails.
#[allow(
    clippy::print_stderr,
    reason = "the figures of a kill test belong into its log"
)]
fn say(text: &str) {
    eprintln!("{text}");
}
