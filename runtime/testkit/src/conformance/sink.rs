//! The suite of sinks, and the engine's side of a sink task: records with identities, tickets, and calls one at a time.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use rowtide_api::sink::{
    Note, Partition, PutReport, RecordId, Settlement, SinkBatch, SinkConnector, SinkRecord, SinkTask, Ticket,
};
use rowtide_api::{Error, Properties, Record, TaskContext};
use tokio::sync::oneshot;

use super::{LOOKING_ON, dropped_after, in_time, settings, whole};

/// Puts that are dropped, each one poll later than the one before.
const DROPS: usize = 24;

/// How a batch ended, once it has.
pub type End = oneshot::Receiver<Settlement>;

/// A task, and the partition it is fed by default.
pub struct Driven<T> {
    /// The task.
    pub task: T,
    /// What the task was told of its surroundings.
    pub context: TaskContext,
    /// The partition of [`Driven::put`].
    pub partition: Partition,
    next: i64,
}

impl<T: SinkTask> Driven<T> {
    /// Opens the connector and starts a task.
    ///
    /// # Errors
    /// Those of the connector.
    ///
    /// # Panics
    /// When the configuration is wrong, or nothing happens in time.
    pub async fn start<C: SinkConnector<Task = T>>(
        properties: &Properties,
        topic: &str,
    ) -> Result<Self, Error> {
        let connector = C::open(settings(properties))?;
        let context = TaskContext::new("c", 0);
        let task = in_time("starting", connector.start(context.clone())).await?;
        Ok(Self {
            task,
            context,
            partition: Partition {
                topic: topic.into(),
                index: 0,
            },
            next: 0,
        })
    }

    /// Gives records the next identities of the partition.
    pub fn numbered(&mut self, records: Vec<Record>) -> Arc<[SinkRecord]> {
        let numbered = records.into_iter().map(|record| {
            self.next += 1;
            SinkRecord {
                record,
                id: RecordId::new(self.next),
            }
        });
        numbered.collect()
    }

    /// Puts a batch; what it comes to arrives on the receiver.
    ///
    /// # Errors
    /// Those of the task.
    ///
    /// # Panics
    /// When the batch is not taken in time.
    pub async fn put(&mut self, records: Vec<Record>) -> Result<End, Error> {
        let records = self.numbered(records);
        let (batch, end) = batch(&self.partition, &records);
        in_time("taking a batch", self.task.put(batch)).await?;
        Ok(end)
    }

    /// Puts a batch and waits for its report.
    ///
    /// # Panics
    /// When the batch fails, or its report does not add up.
    pub async fn written(&mut self, records: Vec<Record>) -> PutReport {
        let count = records.len();
        let end = match self.put(records).await {
            Ok(end) => end,
            Err(error) => panic!("{}", whole(&error)),
        };
        done(end, count).await
    }

    /// Hands the partition over again, with the note stored at its position.
    ///
    /// # Panics
    /// When the task refuses it.
    pub async fn restore(&mut self, note: Option<Note>) {
        let assigned = self.task.assigned(&[(self.partition.clone(), note)]).await;
        assigned.expect("the partition is taken");
    }
}

/// A batch of these records, and where its end arrives.
pub fn batch(partition: &Partition, records: &Arc<[SinkRecord]>) -> (SinkBatch, End) {
    let (send, receive) = oneshot::channel();
    let batch = SinkBatch {
        partition: partition.clone(),
        records: records.clone(),
        // Whoever no longer waits does not want to know.
        ticket: Ticket::new(move |end| drop(send.send(end))),
    };
    (batch, receive)
}

/// Waits for the end of a batch.
///
/// # Panics
/// When it does not end in time.
pub async fn ended(end: End) -> Settlement {
    in_time("settling a batch", end)
        .await
        .expect("a ticket speaks once")
}

/// Waits for the report of a batch of `count` records.
///
/// # Panics
/// When the batch fails or is lost, or its report does not add up.
pub async fn done(end: End, count: usize) -> PutReport {
    match ended(end).await {
        Settlement::Done(report) => {
            assert!(report.adds_up(count), "{count} records: {report:?}");
            report
        }
        Settlement::Failed(error) => panic!("{}", whole(&error)),
        Settlement::Lost => panic!("a batch of {count} records was lost unsettled"),
    }
}

/// What a sink writes to, as its suite needs it: rows of a text by a number.
pub trait Downstream: Sized + Send + Sync {
    /// The connector.
    type Connector: SinkConnector;

    /// The topic of all records.
    const TOPIC: &'static str;

    /// A fresh table.
    fn prepare() -> impl Future<Output = Self> + Send;

    /// A configuration that writes to it, deletions included.
    fn properties(&self) -> Properties;

    /// A record that makes the row of `key` read `text`. `version` grows along the changes of the topic.
    fn upsert(&self, key: i64, text: &str, version: i64) -> Record;

    /// A record that removes the row of `key`.
    fn delete(&self, key: i64, version: i64) -> Record;

    /// A record without a value.
    fn tombstone(&self, key: i64) -> Record;

    /// A record that cannot be written, whatever is around it.
    fn bad(&self, key: i64, version: i64) -> Record;

    /// The rows as they are.
    fn rows(&self) -> impl Future<Output = Rows> + Send;
}

/// Rows by their key.
pub type Rows = BTreeMap<i64, String>;

/// The task type of a downstream's connector.
type TaskOf<D> = <<D as Downstream>::Connector as SinkConnector>::Task;

async fn started<D: Downstream>(downstream: &D) -> Driven<TaskOf<D>> {
    let mut driven = match Driven::start::<D::Connector>(&downstream.properties(), D::TOPIC).await {
        Ok(driven) => driven,
        Err(error) => panic!("{}", whole(&error)),
    };
    driven.restore(None).await;
    driven
}

async fn stop<T: SinkTask>(driven: Driven<T>) {
    in_time("stopping", driven.task.stop())
        .await
        .expect("the task stops");
}

fn rows_of<'a>(pairs: impl IntoIterator<Item = (i64, &'a str)>) -> Rows {
    pairs
        .into_iter()
        .map(|(key, text)| (key, text.to_owned()))
        .collect()
}

/// Looks on for a moment: the rows stay as they are.
async fn stays<D: Downstream>(downstream: &D, before: &Rows, when: &str) {
    tokio::time::sleep(LOOKING_ON).await;
    assert_eq!(&downstream.rows().await, before, "written {when}");
}

/// Batches of all sizes, put without waiting: each is settled once, and each record is written.
///
/// # Panics
/// When one is not.
pub async fn every_batch_is_settled_once_and_its_report_adds_up<D: Downstream>() {
    let downstream = D::prepare().await;
    let mut driven = started(&downstream).await;
    let (mut ends, mut key) = (Vec::new(), 0);
    for size in [1, 2, 250, 7, 1, 40] {
        let keys = key..key + size;
        key += size;
        let records: Vec<_> = keys.map(|key| downstream.upsert(key, "x", key + 1)).collect();
        let count = records.len();
        ends.push((driven.put(records).await.expect("the batch is taken"), count));
    }
    for (end, count) in ends {
        let report = done(end, count).await;
        assert_eq!(report.written as usize, count, "{report:?}");
    }
    assert_eq!(
        downstream.rows().await,
        (0..key).map(|key| (key, "x".to_owned())).collect()
    );
    stop(driven).await;
}

/// A put that is dropped, after however many steps, is not counted; the same batch comes again and is written.
///
/// # Panics
/// When it is not, or an older write wins over it.
pub async fn a_batch_whose_put_was_dropped_is_put_again<D: Downstream>() {
    let downstream = D::prepare().await;
    let mut driven = started(&downstream).await;
    let mut expected = Rows::new();
    for drop_after in 1..=DROPS {
        let version = drop_after as i64 * 10;
        let text = format!("v{drop_after}");
        let records: Vec<_> = (0..5)
            .map(|key| downstream.upsert(key, &text, version + key))
            .collect();
        let records = driven.numbered(records);
        let (dropped, end) = batch(&driven.partition, &records);
        match in_time(
            "taking a batch",
            dropped_after(drop_after, driven.task.put(dropped)),
        )
        .await
        {
            Some(taken) => {
                taken.expect("the batch is taken");
                done(end, records.len()).await;
            }
            None => drop(end),
        }
        let (again, end) = batch(&driven.partition, &records);
        in_time("taking a batch", driven.task.put(again))
            .await
            .expect("the batch is taken again");
        done(end, records.len()).await;
        expected.extend((0..5).map(|key| (key, text.clone())));
        assert_eq!(downstream.rows().await, expected);
    }
    stays(&downstream, &expected, "by a put that was dropped").await;
    stop(driven).await;
}

/// Changes of one row in puts that overlap: the last one stays.
///
/// # Panics
/// When an older one does.
pub async fn changes_of_a_key_keep_their_order_across_puts<D: Downstream>() {
    let downstream = D::prepare().await;
    let mut driven = started(&downstream).await;
    let (mut ends, mut version) = (Vec::new(), 0);
    let mut expected = Rows::new();
    for round in 0..60 {
        let mut records = Vec::new();
        for key in 0..7 {
            version += 1;
            // Now and then the row goes, and comes back in the next round.
            if (round + key) % 11 == 10 {
                records.push(downstream.delete(key, version));
                expected.remove(&key);
            } else {
                let text = format!("{round}");
                records.push(downstream.upsert(key, &text, version));
                expected.insert(key, text);
            }
        }
        let count = records.len();
        ends.push((driven.put(records).await.expect("the batch is taken"), count));
    }
    for (end, count) in ends {
        done(end, count).await;
    }
    assert_eq!(downstream.rows().await, expected);
    stop(driven).await;
}

/// The batches of a history from any point on, once more: the rows end as they were.
///
/// # Panics
/// When they do not.
pub async fn a_replay_ends_in_the_same_rows<D: Downstream>() {
    let downstream = D::prepare().await;
    let mut driven = started(&downstream).await;
    let mut history = Vec::new();
    let mut version = 0;
    for round in 0..6_i64 {
        let mut records = Vec::new();
        for key in 0..20 {
            version += 1;
            records.push(match (round + key) % 4 {
                3 => downstream.delete(key, version),
                _ => downstream.upsert(key, &format!("{round}"), version),
            });
        }
        history.push(driven.numbered(records));
    }
    let mut rows = None;
    for from in [0, 0, 3, 5, 1] {
        let mut ends = Vec::new();
        for records in history.iter().skip(from) {
            let (batch, end) = batch(&driven.partition, records);
            driven.task.put(batch).await.expect("the batch is taken");
            ends.push((end, records.len()));
        }
        for (end, count) in ends {
            done(end, count).await;
        }
        let now = downstream.rows().await;
        assert_eq!(
            rows.get_or_insert_with(|| now.clone()),
            &now,
            "replayed from batch {from}"
        );
    }
    assert!(rows.is_some_and(|rows| !rows.is_empty() && rows.len() < 20));
    stop(driven).await;
}

/// After `revoked` has returned nothing is written for the partition any more, whatever was in flight; others go on.
///
/// # Panics
/// When something is written.
pub async fn nothing_is_written_after_a_revocation<D: Downstream>() {
    let downstream = D::prepare().await;
    let mut driven = started(&downstream).await;
    let gone = driven.partition.clone();
    let kept = Partition {
        index: 1,
        ..gone.clone()
    };
    driven
        .task
        .assigned(&[(kept.clone(), None)])
        .await
        .expect("the partition is taken");
    for drop_after in 1..=DROPS {
        let version = drop_after as i64 * 1000;
        let records = |first: i64| -> Vec<_> {
            let text = format!("v{drop_after}");
            (first..first + 50)
                .map(|key| downstream.upsert(key, &text, version + key))
                .collect()
        };
        let other = driven.numbered(records(1000));
        let (other_batch, other_end) = batch(&kept, &other);
        driven.task.put(other_batch).await.expect("the batch is taken");
        let records = driven.numbered(records(0));
        let (taken, _end) = batch(&gone, &records);
        let put = dropped_after(drop_after, driven.task.put(taken));
        if let Some(taken) = in_time("taking a batch", put).await {
            taken.expect("the batch is taken");
        }
        in_time("revoking", driven.task.revoked(std::slice::from_ref(&gone)))
            .await
            .expect("the partition is given back");
        assert_eq!(done(other_end, other.len()).await.written as usize, other.len());
        let before = downstream.rows().await;
        stays(&downstream, &before, "after the partition was revoked").await;
        driven.restore(None).await;
    }
    let last = driven
        .written(vec![downstream.upsert(1, "back", i64::from(u32::MAX))])
        .await;
    assert_eq!(last.written, 1);
    stop(driven).await;
}

/// Records that cannot be written are rejected by their index, and only they.
///
/// # Panics
/// When another is rejected, or one is not.
pub async fn a_bad_record_is_rejected_alone<D: Downstream>() {
    let downstream = D::prepare().await;
    let mut driven = started(&downstream).await;
    let (mut version, mut expected) = (0, Rows::new());
    for (round, bad) in [vec![4], vec![0], vec![0, 8], vec![3, 4, 5], (0..9).collect()]
        .into_iter()
        .enumerate()
    {
        let text = format!("{round}");
        let mut records = Vec::new();
        for key in 0..9_u32 {
            version += 1;
            let row = i64::from(key) + 100 * round as i64;
            if bad.contains(&key) {
                records.push(downstream.bad(row, version));
            } else {
                records.push(downstream.upsert(row, &text, version));
                expected.insert(row, text.clone());
            }
        }
        let report = driven.written(records).await;
        let rejected: Vec<_> = report.rejected.iter().map(|(index, _)| *index).collect();
        assert_eq!(rejected, bad, "{report:?}");
        assert_eq!(report.written as usize, 9 - bad.len());
        assert!(report.rejected.iter().all(|(_, error)| !error.reason.is_empty()));
    }
    assert_eq!(downstream.rows().await, expected);
    stop(driven).await;
}

/// Empty texts, deletions of rows that are and are not there, and records without a value are all accounted for.
///
/// # Panics
/// When one is not.
pub async fn empty_values_deletions_and_tombstones_are_accounted_for<D: Downstream>() {
    let downstream = D::prepare().await;
    let mut driven = started(&downstream).await;
    let report = driven
        .written(vec![
            downstream.upsert(1, "", 1),
            downstream.upsert(2, "x", 2),
            downstream.upsert(3, "y", 3),
        ])
        .await;
    assert_eq!(report.written, 3, "{report:?}");
    assert_eq!(downstream.rows().await, rows_of([(1, ""), (2, "x"), (3, "y")]));
    let report = driven
        .written(vec![
            downstream.delete(2, 4),
            downstream.tombstone(2),
            downstream.delete(99, 5),
            downstream.tombstone(98),
            downstream.upsert(3, "", 6),
        ])
        .await;
    assert!(report.rejected.is_empty(), "{report:?}");
    assert_eq!(downstream.rows().await, rows_of([(1, ""), (3, "")]));
    let report = driven.written(vec![downstream.tombstone(97)]).await;
    assert!(report.rejected.is_empty(), "{report:?}");
    stop(driven).await;
}

/// Stopped with work in flight: every batch ends, what was reported is there, nothing comes later, and another task starts.
///
/// # Panics
/// When one hangs, or something is written later.
pub async fn a_stop_with_work_in_flight_ends_every_batch<D: Downstream>() {
    let downstream = D::prepare().await;
    for drop_after in [1, 3, 6, usize::MAX] {
        let mut driven = started(&downstream).await;
        let (mut ends, version) = (Vec::new(), drop_after.min(100) as i64 * 1000);
        let text = format!("v{}", drop_after.min(100));
        for round in 0..5 {
            let keys = round * 50..(round + 1) * 50;
            let records = keys
                .map(|key| downstream.upsert(key, &text, version + key))
                .collect();
            let records = driven.numbered(records);
            let (taken, end) = batch(&driven.partition, &records);
            ends.push((end, records));
            let put = dropped_after(drop_after, driven.task.put(taken));
            match in_time("taking a batch", put).await {
                Some(taken) => taken.expect("the batch is taken"),
                None => break, // The engine stops while a put waits.
            }
        }
        stop(driven).await;
        let rows = downstream.rows().await;
        for (end, records) in ends {
            if let Settlement::Done(report) = ended(end).await {
                assert!(report.adds_up(records.len()), "{report:?}");
                let written = rows.values().filter(|read| **read == text).count();
                assert!(written >= records.len(), "{written} of {} rows", records.len());
            }
        }
        stays(&downstream, &rows, "after the task was stopped").await;
    }
}

/// Makes one test per promise of a sink.
///
/// ```ignore
/// rowtide_testkit::conformance::sink!(PostgresTable);
/// ```
#[macro_export]
macro_rules! conformance_sink {
    ($downstream:ty) => {
        $crate::conformance_sink!(@tests $downstream:
            every_batch_is_settled_once_and_its_report_adds_up
            a_batch_whose_put_was_dropped_is_put_again
            changes_of_a_key_keep_their_order_across_puts
            a_replay_ends_in_the_same_rows
            nothing_is_written_after_a_revocation
            a_bad_record_is_rejected_alone
            empty_values_deletions_and_tombstones_are_accounted_for
            a_stop_with_work_in_flight_ends_every_batch
        );
    };
    (@tests $downstream:ty: $($test:ident)+) => {$(
        #[test]
        fn $test() {
            $crate::conformance::run($crate::conformance::sink::$test::<$downstream>());
        }
    )+};
}
