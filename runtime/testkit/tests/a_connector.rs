//! A whole connector, and its proof below. A real one is a folder: copy the file names of a sibling.

use std::num::NonZeroU32;

use rowtide_api::config::{Config, Definition, Reader};
use rowtide_api::source::{SourceBatch, SourceConnector, SourceContext, SourceTask, TaskSpec, Unit};
use rowtide_api::{Datum, Error, Headers, Key, Plugin, Properties, Record, SourceOffset, SourcePartition};
use rowtide_testkit::conformance;

const COUNT: Key<u32> = Key::required("count", "How many numbers there are.");

#[derive(Debug)]
struct Numbers(u32);

impl Config for Numbers {
    fn definitions() -> Vec<&'static Definition> {
        vec![COUNT.definition()]
    }
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        reader.get(&COUNT).map(Self)
    }
}

impl Plugin for Numbers {
    const CLASS: &'static str = "example.NumbersSourceConnector";
    const ALIASES: &'static [&'static str] = &[];
    type Config = Self;
}

impl SourceConnector for Numbers {
    type Task = Counting;
    fn open(config: Self) -> Result<Self, Error> {
        Ok(config)
    }
    async fn plan(&self, _max_tasks: NonZeroU32) -> Result<Vec<TaskSpec>, Error> {
        Ok(vec![TaskSpec::default()])
    }
    async fn start(&self, context: SourceContext, _spec: TaskSpec) -> Result<Counting, Error> {
        let stored = context.offsets.get(&partition());
        let next = stored.and_then(|offset| offset.int("next")).unwrap_or(0);
        Ok(Counting(next..self.0.into()))
    }
}

struct Counting(std::ops::Range<i64>);

fn partition() -> SourcePartition {
    SourcePartition::new().with("numbers", "all")
}

impl SourceTask for Counting {
    async fn poll(&mut self) -> Result<Option<SourceBatch>, Error> {
        let Some(number) = self.0.next() else {
            return Ok(None);
        }; // Nothing is awaited: no drop can lose it.
        let record = Record {
            topic: "numbers".into(),
            partition: None,
            timestamp_ms: None,
            key: Datum::text(number.to_string()),
            value: Datum::NULL,
            headers: Headers::default(),
        };
        Ok(Some(SourceBatch {
            partition: partition(),
            records: vec![record],
            rejected: Vec::new(),
            resume_at: Some(SourceOffset::new().with("next", number + 1)),
            unit: Unit::Whole,
        }))
    }
    fn committed(&mut self, _partition: &SourcePartition, _offset: &SourceOffset) {}
    async fn stop(self) -> Result<(), Error> {
        Ok(())
    }
}

/// What the suite has to know of the world around it.
struct World;

impl conformance::source::Upstream for World {
    type Connector = Numbers;
    const ENDLESS: bool = false;
    async fn prepare() -> Self {
        Self
    }
    fn properties(&self) -> Properties {
        Properties::from_iter([("count", "5")])
    }
    async fn produce(&mut self) -> Vec<String> {
        (0..5).map(|number| number.to_string()).collect()
    }
    fn identity(record: &Record) -> Option<String> {
        record.key.value.as_str().map(str::to_owned)
    }
}

conformance::source!(World);
conformance::config!(numbers: Numbers, [("count", "5")], "golden/numbers.json");
