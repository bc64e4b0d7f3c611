//! What becomes of settled work when a sink is stopped while another put waits.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rowtide_api::context::{Limits, Metrics, Progress};
use rowtide_api::convert::{Converter, Failure, Missing, Payload};
use rowtide_api::data::Blob;
use rowtide_api::erased::BoxFuture;
use rowtide_api::sink::{Note, Partition, PutReport, SinkBatch, SinkTask};
use rowtide_api::{Datum, Error, Headers};
use rowtide_engine::chain::{Chain, Converters};
use rowtide_engine::control::Control;
use rowtide_engine::metrics::SinkCounters;
use rowtide_engine::ports::{CommitError, Committed, Consumer, ConsumerEvent, Fetched, RawRecord};
use rowtide_engine::sink::worker::{SinkParts, run};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

struct Nothing;

impl Converter for Nothing {
    fn encode(
        &self,
        _topic: &str,
        _datum: &Datum,
        _headers: &mut Headers,
        _out: &mut Vec<u8>,
    ) -> Result<Payload, Failure> {
        Ok(Payload::Null)
    }

    fn decode(&self, _topic: &str, _payload: Option<Blob>, _headers: &Headers) -> Result<Datum, Failure> {
        Ok(Datum::NULL)
    }

    async fn fetch(&self, _missing: Missing) -> Result<(), Error> {
        Ok(())
    }
}

/// Settles each batch at once, until `settles` are; then a put waits for room that never comes.
struct Full {
    settles: usize,
    waits: UnboundedSender<()>,
}

impl SinkTask for Full {
    async fn put(&mut self, batch: SinkBatch) -> Result<(), Error> {
        if self.settles == 0 {
            self.waits.send(()).ok();
            return pending().await;
        }
        self.settles -= 1;
        let written = batch.records.len() as u32;
        batch.settle(Ok(PutReport {
            written,
            ..PutReport::default()
        }));
        Ok(())
    }

    async fn revoked(&mut self, _partitions: &[Partition]) -> Result<(), Error> {
        Ok(())
    }

    async fn stop(self) -> Result<(), Error> {
        Ok(())
    }
}

type Positions = Arc<Mutex<Vec<i64>>>;

/// Gives its events, then nothing; keeps what is committed.
struct Scripted {
    events: VecDeque<ConsumerEvent>,
    committed: Positions,
}

impl Consumer for Scripted {
    fn next(&mut self) -> BoxFuture<'_, Result<ConsumerEvent, Error>> {
        match self.events.pop_front() {
            Some(event) => Box::pin(async { Ok(event) }),
            None => Box::pin(pending()),
        }
    }

    fn next_change(&mut self) -> BoxFuture<'_, Result<ConsumerEvent, Error>> {
        Box::pin(pending())
    }

    fn set_paused(&mut self, _paused: bool) -> Result<(), Error> {
        Ok(())
    }

    fn commit(
        &self,
        positions: Vec<(Partition, i64, Option<Note>)>,
    ) -> BoxFuture<'static, Result<(), CommitError>> {
        let committed = self.committed.clone();
        Box::pin(async move {
            let mut committed = committed.lock().unwrap_or_else(PoisonError::into_inner);
            committed.extend(positions.into_iter().map(|(_, position, _)| position));
            Ok(())
        })
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }
}

fn fetched(partition: &Partition, offset: i64) -> ConsumerEvent {
    let record = RawRecord {
        offset,
        timestamp_ms: None,
        key: None,
        value: None,
        headers: Vec::new(),
    };
    ConsumerEvent::Records(Fetched {
        partition: partition.clone(),
        records: vec![record],
    })
}

/// RS-004: stopping commits what is settled, also when the sink is full at that moment.
#[tokio::test]
async fn stopping_while_a_put_waits_commits_what_is_settled() {
    let partition = Partition {
        topic: "t".into(),
        index: 0,
    };
    let assigned = ConsumerEvent::Assigned(vec![Committed {
        partition: partition.clone(),
        position: None,
        note: None,
    }]);
    let records = (0..3).map(|offset| fetched(&partition, offset));
    let committed = Positions::default();
    let (waits, mut waiting) = unbounded_channel();
    let stop = CancellationToken::new();
    let (control, _switch) = Control::new(stop.clone(), false);
    let converter = Arc::new(Nothing);
    let parts = SinkParts {
        connector: "sink".into(),
        task: Box::new(Full { settles: 2, waits }),
        chain: Chain::new(
            Vec::new(),
            Converters {
                key: converter.clone(),
                value: converter.clone(),
                header: converter,
            },
        ),
        consumer: Box::new(Scripted {
            events: std::iter::once(assigned).chain(records).collect(),
            committed: committed.clone(),
        }),
        observer: Arc::new(()),
        progress: Progress::default(),
        counters: SinkCounters::new(&Metrics::default()),
        limits: Limits::default(),
        // The first commit comes at once, the next one never: the second batch is left to the stop.
        commit_interval: Duration::from_secs(3600),
        commit_timeout: Duration::from_secs(5),
        shutdown_timeout: Duration::from_secs(5),
        control,
    };
    let running = tokio::spawn(run(parts));
    waiting.recv().await.unwrap();
    stop.cancel();
    running.await.unwrap().unwrap();
    assert_eq!(
        committed.lock().unwrap_or_else(PoisonError::into_inner).last(),
        Some(&2)
    );
}
