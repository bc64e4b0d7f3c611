//! What the engine hands a task: names, limits, metrics, and a place to say how it is going.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What a task may know of its surroundings.
#[derive(Clone, Debug)]
pub struct TaskContext {
    /// The connector's name.
    pub connector: Arc<str>,
    /// The task's number, from 0.
    pub task: u32,
    /// Bounds of what the task may hold.
    pub limits: Limits,
    /// A folder of the task's own for spill files; not every worker has one.
    pub state_folder: Option<PathBuf>,
    /// Counters and gauges.
    pub metrics: Metrics,
    /// Phase, progress and degradation, for status.
    pub progress: Progress,
}

impl TaskContext {
    /// A context with default limits and metrics of its own.
    pub fn new(connector: impl Into<Arc<str>>, task: u32) -> Self {
        Self {
            connector: connector.into(),
            task,
            limits: Limits::default(),
            state_folder: None,
            metrics: Metrics::default(),
            progress: Progress::default(),
        }
    }
}

/// Bounds in bytes and records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A batch is cut when it holds this many bytes of source data.
    pub batch_bytes_max: usize,
    /// What a sink may hold unsettled.
    pub buffered_bytes_max: usize,
    /// How many records a sink may hold unsettled.
    pub buffered_records_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // Large enough that a batch's fixed cost vanishes, small enough that latency and memory do not notice it.
            batch_bytes_max: 1 << 20,
            // About one second of a fast sink's work.
            buffered_bytes_max: 32 << 20,
            buffered_records_max: 20_000,
        }
    }
}

/// A task's counters and gauges. Registration takes a lock; counting does not.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Arc<Mutex<BTreeMap<MetricName, Cell>>>);

/// A metric's name and its labels besides connector and task.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MetricName {
    /// Prometheus name, with its unit.
    pub name: Arc<str>,
    /// Labels in order.
    pub labels: Vec<(Arc<str>, Arc<str>)>,
}

#[derive(Clone, Debug)]
enum Cell {
    Counter(Counter),
    Gauge(Gauge),
}

impl Metrics {
    /// The counter of that name; the same one for the same labels. A name already used for a gauge gives a counter that
    /// nobody reads.
    pub fn counter(&self, name: &str, labels: &[(&str, &str)]) -> Counter {
        let mut cells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match cells
            .entry(metric_name(name, labels))
            .or_insert_with(|| Cell::Counter(Counter::default()))
        {
            Cell::Counter(counter) => counter.clone(),
            Cell::Gauge(_) => Counter::default(),
        }
    }

    /// The gauge of that name; the same one for the same labels.
    pub fn gauge(&self, name: &str, labels: &[(&str, &str)]) -> Gauge {
        let mut cells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match cells
            .entry(metric_name(name, labels))
            .or_insert_with(|| Cell::Gauge(Gauge::default()))
        {
            Cell::Gauge(gauge) => gauge.clone(),
            Cell::Counter(_) => Gauge::default(),
        }
    }

    /// All metrics with their values; the flag says whether it is a counter.
    pub fn snapshot(&self) -> Vec<(MetricName, i64, bool)> {
        let cells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        cells
            .iter()
            .map(|(name, cell)| match cell {
                Cell::Counter(counter) => (
                    name.clone(),
                    i64::try_from(counter.get()).unwrap_or(i64::MAX),
                    true,
                ),
                Cell::Gauge(gauge) => (name.clone(), gauge.get(), false),
            })
            .collect()
    }
}

fn metric_name(name: &str, labels: &[(&str, &str)]) -> MetricName {
    MetricName {
        name: name.into(),
        labels: labels
            .iter()
            .map(|(key, value)| ((*key).into(), (*value).into()))
            .collect(),
    }
}

/// A number that only grows.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// The sum.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that goes up and down.
#[derive(Clone, Debug, Default)]
pub struct Gauge(Arc<AtomicI64>);

impl Gauge {
    /// Sets the value.
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// The value.
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Where a task says what it is doing. Cheap to clone; readers get a copy.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Mutex<ProgressState>>);

/// A copy of a task's progress.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProgressState {
    /// What the task is in: `snapshot`, `streaming`, `waiting for cluster`.
    pub phase: Option<Arc<str>>,
    /// Per item (a table): done so far, and of how many where that is known.
    pub items: BTreeMap<Arc<str>, (u64, Option<u64>)>,
    /// Why the task cannot go on at the moment; the engine adds since when.
    pub degraded: Option<Arc<str>>,
    /// What needs somebody's look although the task goes on: in words, by what it is about (a key, a column).
    pub warnings: BTreeMap<Arc<str>, Arc<str>>,
}

impl Progress {
    /// Names the phase.
    pub fn phase(&self, phase: impl Into<Arc<str>>) {
        self.with(|state| state.phase = Some(phase.into()));
    }

    /// Reports an item's progress.
    pub fn item(&self, item: impl Into<Arc<str>>, done: u64, of: Option<u64>) {
        self.with(|state| {
            state.items.insert(item.into(), (done, of));
        });
    }

    /// Says why the task waits.
    pub fn degraded(&self, why: impl Into<Arc<str>>) {
        self.with(|state| state.degraded = Some(why.into()));
    }

    /// The task goes on.
    pub fn recovered(&self) {
        self.with(|state| state.degraded = None);
    }

    /// Says what needs a look although the task goes on. It stands in the status until it is taken back; of one thing the
    /// newest words count.
    pub fn warn(&self, about: impl Into<Arc<str>>, words: impl Into<Arc<str>>) {
        self.with(|state| {
            state.warnings.insert(about.into(), words.into());
        });
    }

    /// Takes a warning back.
    pub fn settled(&self, about: &str) {
        self.with(|state| {
            state.warnings.remove(about);
        });
    }

    /// A copy.
    pub fn state(&self) -> ProgressState {
        self.with(|state| state.clone())
    }

    fn with<T>(&self, change: impl FnOnce(&mut ProgressState) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_stands_until_it_is_taken_back() {
        let progress = Progress::default();
        progress.warn("topics.regex", "it matches nothing");
        progress.warn("topics.regex", "it matches no topic");
        progress.warn("a.big", "1 row");
        progress.settled("a.big");
        let warnings = progress.state().warnings;
        assert_eq!(
            warnings.into_values().collect::<Vec<_>>(),
            ["it matches no topic".into()]
        );
    }

    #[test]
    fn a_metric_is_the_same_one_for_the_same_name_and_labels() {
        let metrics = Metrics::default();
        metrics.counter("rows_total", &[("table", "a")]).add(2);
        metrics.counter("rows_total", &[("table", "a")]).add(3);
        metrics.counter("rows_total", &[("table", "b")]).add(1);
        let values: Vec<_> = metrics
            .snapshot()
            .into_iter()
            .map(|(_, value, _)| value)
            .collect();
        assert_eq!(values, [5, 1]);
    }
}
