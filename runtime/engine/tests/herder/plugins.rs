//! Connectors that follow a script, and a converter of text.

use std::cell::RefCell;
use std::future::pending;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use rowtide_api::config::{Config, Definition, Reader};
use rowtide_api::convert::{Converter, ConverterPlugin, Failure, Missing, Payload};
use rowtide_api::data::{Blob, Datum};
use rowtide_api::record::{Headers, Record};
use rowtide_api::source::{SourceBatch, SourceConnector, SourceContext, SourceTask, TaskSpec, Unit};
use rowtide_api::{Error, Key, Plugin, SourceOffset, SourcePartition};

/// What the connectors of a test do, and what they saw.
#[derive(Default)]
pub(crate) struct Script {
    /// Planning fails, retriably.
    pub(crate) outage: AtomicBool,
    /// How often planning was asked for.
    pub(crate) plans: AtomicU32,
    /// The last task is to have another share.
    pub(crate) shifted: AtomicBool,
    /// The task of share 1 fails for good.
    pub(crate) task_fails: AtomicBool,
    /// The shares of the tasks that were started, in order.
    pub(crate) started: Mutex<Vec<String>>,
    /// Tasks that were started and not yet dropped.
    pub(crate) alive: AtomicI64,
    /// The most that were alive at once.
    pub(crate) alive_max: AtomicI64,
    /// Runs fail for good.
    pub(crate) runs_fail: AtomicBool,
    /// Slot, attempt and whether an offset was found, of each run that was started.
    pub(crate) runs: Mutex<Vec<(i64, u32, bool)>>,
    pub(crate) polls: AtomicU32,
}

thread_local! {
    // Each test has a thread of its own; connectors are made from their configuration alone.
    static PLAYED: RefCell<Arc<Script>> = RefCell::default();
}

impl Script {
    pub(crate) fn play(self: &Arc<Self>) {
        PLAYED.set(self.clone());
    }

    fn now() -> Arc<Self> {
        PLAYED.with_borrow(Arc::clone)
    }
}

const STOP: Key<String> = Key::new("stop", "`hangs`: stopping never ends.").default("");

pub(crate) struct Options {
    stop_hangs: bool,
}

impl Config for Options {
    fn definitions() -> Vec<&'static Definition> {
        vec![STOP.definition()]
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let stop = reader.get(&STOP)?;
        Some(Self {
            stop_hangs: stop == "hangs",
        })
    }
}

/// A source without records.
pub(crate) struct Scripted(Options);

impl Plugin for Scripted {
    const CLASS: &'static str = "test.ScriptedConnector";
    const ALIASES: &'static [&'static str] = &[];
    type Config = Options;
}

impl SourceConnector for Scripted {
    const TASK_CLASS: &'static str = "test.ScriptedTask";
    type Task = Idle;

    fn open(config: Options) -> Result<Self, Error> {
        Ok(Self(config))
    }

    async fn plan(&self, max_tasks: NonZeroU32) -> Result<Vec<TaskSpec>, Error> {
        let script = Script::now();
        script.plans.fetch_add(1, Ordering::SeqCst);
        if script.outage.load(Ordering::SeqCst) {
            return Err(Error::retriable("the server is away"));
        }
        let last = max_tasks.get() - 1;
        let shift = u32::from(script.shifted.load(Ordering::SeqCst));
        let share = |number: u32| TaskSpec([("share", number.to_string())].into_iter().collect());
        Ok((0..last).chain([last + shift]).map(share).collect())
    }

    async fn start(&self, _context: SourceContext, spec: TaskSpec) -> Result<Idle, Error> {
        let script = Script::now();
        let share = spec.0.get("share").unwrap_or_default().to_owned();
        let fails = share == "1" && script.task_fails.load(Ordering::SeqCst);
        script.started.lock().unwrap().push(share);
        if fails {
            return Err(Error::fatal("the share is odd"));
        }
        let alive = script.alive.fetch_add(1, Ordering::SeqCst) + 1;
        script.alive_max.fetch_max(alive, Ordering::SeqCst);
        Ok(Idle {
            script,
            stop_hangs: self.0.stop_hangs,
        })
    }
}

pub(crate) struct Idle {
    script: Arc<Script>,
    stop_hangs: bool,
}

impl SourceTask for Idle {
    async fn poll(&mut self) -> Result<Option<SourceBatch>, Error> {
        pending().await
    }

    fn committed(&mut self, _partition: &SourcePartition, _offset: &SourceOffset) {}

    async fn stop(self) -> Result<(), Error> {
        if self.stop_hangs {
            pending::<()>().await;
        }
        Ok(())
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        self.script.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A scheduled source: each run has one record, then an offset, then it ends or fails.
pub(crate) struct Timed;

impl Plugin for Timed {
    const CLASS: &'static str = "test.TimedConnector";
    const ALIASES: &'static [&'static str] = &[];
    type Config = ();
}

impl SourceConnector for Timed {
    const SCHEDULED: bool = true;
    type Task = OneRun;

    fn open((): ()) -> Result<Self, Error> {
        Ok(Self)
    }

    async fn plan(&self, max_tasks: NonZeroU32) -> Result<Vec<TaskSpec>, Error> {
        Ok(vec![TaskSpec::default(); max_tasks.get() as usize])
    }

    async fn start(&self, context: SourceContext, _spec: TaskSpec) -> Result<OneRun, Error> {
        let script = Script::now();
        let run = context.run.expect("a scheduled task has a run");
        let seen = (run.slot_ms, run.attempt, run.resume.is_some());
        script.runs.lock().unwrap().push(seen);
        Ok(OneRun {
            script,
            partition: run.partition,
            sent: run.resume.is_some(),
            durable: run.resume.is_some(),
        })
    }
}

pub(crate) struct OneRun {
    script: Arc<Script>,
    partition: SourcePartition,
    sent: bool,
    durable: bool,
}

impl SourceTask for OneRun {
    async fn poll(&mut self) -> Result<Option<SourceBatch>, Error> {
        self.script.polls.fetch_add(1, Ordering::SeqCst);
        if !self.sent {
            self.sent = true;
            let record = Record {
                topic: "t".into(),
                partition: None,
                timestamp_ms: None,
                key: Datum::NULL,
                value: Datum::text("x"),
                headers: Headers::default(),
            };
            return Ok(Some(SourceBatch {
                partition: self.partition.clone(),
                records: vec![record],
                rejected: Vec::new(),
                resume_at: Some(SourceOffset::new().with("done", 1)),
                unit: Unit::Whole,
            }));
        }
        if self.script.runs_fail.load(Ordering::SeqCst) {
            if !self.durable {
                // The failure comes once the offset is stored: the next attempt begins behind the record.
                pending::<()>().await;
            }
            return Err(Error::fatal("the page is odd"));
        }
        Ok(None)
    }

    fn committed(&mut self, _partition: &SourcePartition, _offset: &SourceOffset) {
        self.durable = true;
    }

    async fn stop(self) -> Result<(), Error> {
        Ok(())
    }
}

/// Text as its bytes.
pub(crate) struct Text;

impl Plugin for Text {
    const CLASS: &'static str = "test.TextConverter";
    const ALIASES: &'static [&'static str] = &[];
    type Config = ();
}

impl ConverterPlugin for Text {
    fn open((): ()) -> Result<Self, Error> {
        Ok(Self)
    }
}

impl Converter for Text {
    fn encode(
        &self,
        _topic: &str,
        datum: &Datum,
        _headers: &mut Headers,
        out: &mut Vec<u8>,
    ) -> Result<Payload, Failure> {
        match datum.value.as_str() {
            Some(text) => out.extend_from_slice(text.as_bytes()),
            None => return Ok(Payload::Null),
        }
        Ok(Payload::Bytes)
    }

    fn decode(&self, _topic: &str, _payload: Option<Blob>, _headers: &Headers) -> Result<Datum, Failure> {
        Ok(Datum::NULL)
    }

    async fn fetch(&self, _missing: Missing) -> Result<(), Error> {
        Ok(())
    }
}
