//! An independent reader of the topic: librdkafka and apache-avro, nothing of ours.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use rowtide_crash::ledgers::PAIR;
use rowtide_crash::model::{At, Entry, Topic, What};
use rowtide_testkit::rest::call;

/// Reads one topic.
pub(crate) struct Reader {
    topic: String,
    partitions: i32,
    consumer: BaseConsumer,
    registry: String,
    schemas: HashMap<u32, Schema>,
}

const WAIT: Duration = Duration::from_secs(10);

impl Reader {
    /// Creates the topic with so many partitions and gets ready to read it.
    pub(crate) fn create(bootstrap: &str, registry: &str, topic: &str, partitions: i32) -> Self {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", bootstrap);
        let admin: AdminClient<DefaultClientContext> = config.create().expect("an admin client");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
        let created = runtime
            .block_on(admin.create_topics(&[new], &AdminOptions::new()))
            .expect("the broker answers");
        assert!(created.iter().all(Result::is_ok), "{created:?}");
        config
            .set("group.id", "independent")
            .set("enable.auto.commit", "false");
        Self {
            topic: topic.to_owned(),
            partitions,
            consumer: config.create().expect("a consumer"),
            registry: registry.to_owned(),
            schemas: HashMap::new(),
        }
    }

    /// The end of each partition.
    pub(crate) fn ends(&self) -> Vec<i64> {
        (0..self.partitions)
            .map(|partition| self.end(partition))
            .collect()
    }

    /// Asked until answered: a broker that was killed, or a busy machine, needs its time.
    fn end(&self, partition: i32) -> i64 {
        let deadline = Instant::now() + WAIT * 12;
        loop {
            match self.consumer.fetch_watermarks(&self.topic, partition, WAIT) {
                Ok((_, high)) => return high,
                Err(error) => assert!(Instant::now() < deadline, "Kafka does not answer: {error}"),
            }
        }
    }

    /// Everything from the first record to the present end. The registry has to answer.
    pub(crate) fn read(&mut self) -> Topic {
        let ends = self.ends();
        let mut list = TopicPartitionList::new();
        for partition in 0..self.partitions {
            list.add_partition_offset(&self.topic, partition, Offset::Beginning)
                .expect("an assignment");
        }
        self.consumer.assign(&list).expect("an assignment");
        let mut topic: Topic = ends.iter().map(|_| Vec::new()).collect();
        let mut next = vec![0; ends.len()];
        let mut heard = Instant::now();
        while next.iter().zip(&ends).any(|(next, end)| next < end) {
            assert!(
                heard.elapsed() < WAIT * 3,
                "nothing more comes at {next:?} of {ends:?}"
            );
            let Some(Ok(message)) = self.consumer.poll(Duration::from_millis(100)) else {
                continue;
            };
            heard = Instant::now();
            let entry = entry(&mut self.schemas, &self.registry, &message);
            let partition = message.partition() as usize;
            next[partition] = message.offset() + 1;
            topic[partition].push((message.offset(), entry));
        }
        topic
    }
}

fn entry(schemas: &mut HashMap<u32, Schema>, registry: &str, message: &BorrowedMessage<'_>) -> Entry {
    let mut decode = |bytes: &[u8]| {
        let id = u32::from_be_bytes(bytes[1..5].try_into().expect("a schema id"));
        let schema = schemas.entry(id).or_insert_with(|| schema(registry, id));
        let reader = GenericDatumReader::builder(schema).build().expect("a reader");
        reader.read_value(&mut &bytes[5..]).expect("Avro of its schema")
    };
    let key = decode(message.key().expect("every record of a table with a key has one"));
    let id = number(&key).expect("a key of one of the ledgers");
    let Some(payload) = message.payload() else {
        return Entry::Streamed {
            at: at(message).expect("a tombstone has an identity"),
            id,
            what: What::Tombstone,
        };
    };
    let value = decode(payload);
    let version = || long(field(field(&value, "after"), "version")).map(|version| version as u64);
    let op = text(field(&value, "op"));
    if op == 'r' {
        return Entry::Row {
            id,
            version: version().expect("a row has its number"),
        };
    }
    let what = What::Change {
        op,
        version: if op == 'd' { None } else { version() },
        xid: long(field(field(&value, "source"), "txId")).expect("a transaction") as u64,
    };
    let at = at(message).expect("a change has an identity");
    Entry::Streamed { at, id, what }
}

/// The number that stands for a key, of one column or of two.
fn number(key: &Value) -> Option<i64> {
    let part = |name| long(field(key, name));
    part("id").or_else(|| Some(part("a")? * PAIR + part("b")?))
}

/// `rowtide.id`: system / timeline / commit LSN / ordinal, and `.part` behind the first record of an entry.
fn at(message: &BorrowedMessage<'_>) -> Option<At> {
    let headers = message.headers()?;
    let header = headers.iter().find(|header| header.key == "rowtide.id")?;
    let text = std::str::from_utf8(header.value?).ok()?.trim_matches('"');
    let [_, _, commit_lsn, entry] = text.split('/').collect::<Vec<_>>()[..] else {
        return None;
    };
    let (ordinal, part) = entry.split_once('.').unwrap_or((entry, "0"));
    Some(At {
        commit_lsn: commit_lsn.parse().ok()?,
        ordinal: ordinal.parse().ok()?,
        part: part.parse().ok()?,
    })
}

fn schema(registry: &str, id: u32) -> Schema {
    let answer = call(registry, "GET", &format!("/schemas/ids/{id}"), None).expect("the registry answers");
    let text = answer.json()["schema"].as_str().expect("a schema").to_owned();
    Schema::parse_str(&text).expect("a schema")
}

/// A field of a record, through the union around it.
fn field<'v>(value: &'v Value, name: &str) -> &'v Value {
    match value {
        Value::Union(_, inner) => field(inner, name),
        Value::Record(fields) => fields
            .iter()
            .find(|(found, _)| found == name)
            .map_or(&Value::Null, |(_, value)| value),
        _ => &Value::Null,
    }
}

fn long(value: &Value) -> Option<i64> {
    match value {
        Value::Union(_, inner) => long(inner),
        Value::Long(number) => Some(*number),
        Value::Int(number) => Some(i64::from(*number)),
        _ => None,
    }
}

fn text(value: &Value) -> char {
    match value {
        Value::Union(_, inner) => text(inner),
        Value::String(text) => text.chars().next().expect("an operation"),
        _ => panic!("an envelope without op"),
    }
}
