//! What the workers count, by the names users of Connect alert on.

use rowtide_api::context::{Counter, Gauge, Metrics};

/// Counters of a source task.
#[derive(Debug, Clone)]
pub struct SourceCounters {
    polled: Counter,
    written: Counter,
    flushes: Counter,
    errors: ErrorCounters,
}

impl SourceCounters {
    /// Registers them.
    pub fn new(metrics: &Metrics) -> Self {
        Self {
            polled: metrics.counter("kafka_connect_source_task_source_record_poll_total", &[]),
            written: metrics.counter("kafka_connect_source_task_source_record_write_total", &[]),
            flushes: metrics.counter("kafka_connect_connector_task_offset_commit_completion_total", &[]),
            errors: ErrorCounters::new(metrics),
        }
    }

    pub(crate) fn polled(&self, records: u32) {
        self.polled.add(records.into());
    }

    pub(crate) fn written(&self, records: u32) {
        self.written.add(records.into());
    }

    pub(crate) fn flushed(&self) {
        self.flushes.add(1);
    }

    pub(crate) fn retries(&self) -> Counter {
        self.errors.retries.clone()
    }

    /// Records written so far.
    pub fn written_total(&self) -> u64 {
        self.written.get()
    }
}

/// Counters of a sink task.
#[derive(Debug, Clone)]
pub struct SinkCounters {
    read: Counter,
    sent: Counter,
    skipped: Counter,
    commits: Counter,
    partitions: Gauge,
    active: Gauge,
    errors: ErrorCounters,
}

impl SinkCounters {
    /// Registers them.
    pub fn new(metrics: &Metrics) -> Self {
        Self {
            read: metrics.counter("kafka_connect_sink_task_sink_record_read_total", &[]),
            sent: metrics.counter("kafka_connect_sink_task_sink_record_send_total", &[]),
            skipped: metrics.counter("rowtide_sink_record_skipped_total", &[]),
            commits: metrics.counter("kafka_connect_sink_task_offset_commit_completion_total", &[]),
            partitions: metrics.gauge("kafka_connect_sink_task_partition_count", &[]),
            active: metrics.gauge("kafka_connect_sink_task_sink_record_active_count", &[]),
            errors: ErrorCounters::new(metrics),
        }
    }

    pub(crate) fn read(&self, records: u32) {
        self.read.add(records.into());
    }

    pub(crate) fn settled(&self, written: u32, skipped: u32) {
        self.sent.add(written.into());
        self.skipped.add(skipped.into());
    }

    pub(crate) fn committed(&self) {
        self.commits.add(1);
    }

    pub(crate) fn partitions(&self, count: usize) {
        self.partitions.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub(crate) fn active(&self, records: usize) {
        self.active.set(i64::try_from(records).unwrap_or(i64::MAX));
    }

    pub(crate) fn retries(&self) -> Counter {
        self.errors.retries.clone()
    }
}

/// How often something was started on this worker, and how that ended. A start that is given up counts as neither.
#[derive(Debug, Default)]
pub struct Startups {
    attempts: Counter,
    successes: Counter,
    failures: Counter,
}

impl Startups {
    /// Counts an attempt; the caller tells how it ended.
    pub(crate) fn attempt(&self) {
        self.attempts.add(1);
    }

    /// It runs.
    pub(crate) fn succeeded(&self) {
        self.successes.add(1);
    }

    /// It does not, and is tried again or has failed.
    pub(crate) fn failed(&self) {
        self.failures.add(1);
    }

    /// The totals by the names Connect gives them.
    pub fn totals(&self) -> [(&'static str, u64); 3] {
        [
            ("attempts", self.attempts.get()),
            ("success", self.successes.get()),
            ("failure", self.failures.get()),
        ]
    }
}

#[derive(Debug, Clone)]
struct ErrorCounters {
    retries: Counter,
}

impl ErrorCounters {
    fn new(metrics: &Metrics) -> Self {
        Self {
            retries: metrics.counter("kafka_connect_task_error_total_retries", &[]),
        }
    }
}
