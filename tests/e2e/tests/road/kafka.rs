//! Kafka as any other consumer sees it.

use std::fmt;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{Headers as _, Message as _};
use rdkafka::{Offset, TopicPartitionList};
use rowtide_testkit::stack::Stack;

use crate::place::PATIENCE;

/// A record as it lies in the topic.
#[derive(Clone)]
pub(crate) struct Message {
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
}

/// Bytes as the text in them, for messages.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |bytes: &Option<Vec<u8>>| {
            let text = bytes
                .as_ref()
                .map(|bytes| String::from_utf8_lossy(bytes).into_owned());
            text.map_or("null".to_owned(), |text| text.chars().take(300).collect())
        };
        write!(f, "key {:?} value {:?}", shown(&self.key), shown(&self.value))?;
        for (name, value) in &self.headers {
            write!(f, " {name}={:?}", shown(value))?;
        }
        Ok(())
    }
}

impl Message {
    /// The header's text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(known, _)| known == name)?;
        value.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok())
    }

    pub(crate) fn value_text(&self) -> &str {
        text(self.value.as_deref())
    }

    pub(crate) fn key_text(&self) -> &str {
        text(self.key.as_deref())
    }
}

fn text(bytes: Option<&[u8]>) -> &str {
    bytes.map_or("null", |bytes| std::str::from_utf8(bytes).unwrap_or("no text"))
}

/// Reads the topic's one partition from its beginning until `enough` is satisfied.
///
/// # Panics
/// When that does not happen in time; the message says how far it came.
pub(crate) fn read(
    stack: &Stack,
    topic: &str,
    what: &str,
    enough: impl Fn(&[Message]) -> bool,
) -> Vec<Message> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", stack.get("KAFKA_BOOTSTRAP"))
        .set("group.id", "e2e-reader")
        .set("enable.auto.commit", "false")
        .set("allow.auto.create.topics", "false")
        .set("topic.metadata.refresh.interval.ms", "200")
        .create()
        .expect("a consumer");
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::Beginning)
        .expect("a partition");
    consumer.assign(&list).expect("an assignment");
    let deadline = Instant::now() + PATIENCE;
    let mut found = Vec::new();
    loop {
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
            let headers = message.headers().map_or_else(Vec::new, |headers| {
                headers
                    .iter()
                    .map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec)))
                    .collect()
            });
            found.push(Message {
                key: message.key().map(<[u8]>::to_vec),
                value: message.payload().map(<[u8]>::to_vec),
                headers,
            });
        }
        if enough(&found) {
            return found;
        }
        assert!(
            Instant::now() < deadline,
            "{topic}: {what}: {} records, the last {:?}",
            found.len(),
            found.last()
        );
    }
}
