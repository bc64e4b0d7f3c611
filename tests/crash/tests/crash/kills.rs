//! Ends the worker, at random or at a named point, and starts it again.

use std::thread;
use std::time::{Duration, Instant};

use rowtide_crash::dice::Dice;
use rowtide_testkit::worker::Worker;

use crate::{say, seed};

/// A point has to be reached within this time, generously: on a busy machine a start and a rebalance take half a minute.
const REACHED_WITHIN: Duration = Duration::from_secs(120);

/// A worker that is killed again and again.
pub(crate) struct Victim {
    pub(crate) worker: Worker,
    pub(crate) dice: Dice,
    pub(crate) kills: usize,
    /// Tells it from another one.
    name: &'static str,
}

impl Victim {
    pub(crate) fn new(worker: Worker) -> Self {
        Self {
            worker,
            dice: Dice(seed()),
            kills: 0,
            name: "worker",
        }
    }

    /// One of several.
    pub(crate) fn named(self, name: &'static str) -> Self {
        // Several throw dice of their own.
        let dice = Dice(self.dice.0 + name.bytes().map(u64::from).sum::<u64>());
        Self { name, dice, ..self }
    }

    /// SIGKILL, some time after `millis` milliseconds.
    pub(crate) fn kill_within(&mut self, millis: std::ops::Range<u64>) {
        let wait = millis.start + self.dice.below(millis.end - millis.start);
        thread::sleep(Duration::from_millis(wait));
        self.kill(&format!("at random, {wait} ms after the start"));
    }

    pub(crate) fn kill(&mut self, why: &str) {
        self.worker.kill();
        self.kills += 1;
        say(&format!("kill {} of {}: {why}", self.kills, self.name));
    }

    /// Starts the worker, which must not run, and waits until it dies at `point`, reached for the time after `passes`
    /// others. `meanwhile` brings it there.
    pub(crate) fn die_at(&mut self, point: &str, passes: u64, mut meanwhile: impl FnMut(&Worker)) {
        self.worker.start_to_die_at(&format!("{point}:{passes}"));
        let started = Instant::now();
        while self.worker.is_running() {
            assert!(
                started.elapsed() < REACHED_WITHIN,
                "{point} was not reached\n{}",
                self.worker.log()
            );
            meanwhile(&self.worker);
            thread::sleep(Duration::from_millis(5));
        }
        self.kill(&format!(
            "{point}, {} ms after the start",
            started.elapsed().as_millis()
        ));
    }
}
