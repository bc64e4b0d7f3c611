//! A topic read from its beginning: the ground truth of what reached Kafka.

use std::time::Duration;

use rowtide_api::{Error, ResultExt};
use rowtide_engine::ports::{
    ClientSettings, Consumer, ConsumerEvent, ConsumerSettings, Fetched, Kafka as _, Subscription,
};
use rowtide_kafka::Cluster;
use rowtide_testkit::stack::Stack;
use tokio::time::timeout;

/// Records of one delivery.
const DELIVERY_RECORDS_MAX: usize = 10_000;
/// A broker that delivers nothing for this long has nothing more.
const QUIET: Duration = Duration::from_secs(30);
/// After the expected number, a record too many would come within this time: the producer was acknowledged long ago.
const EXTRA: Duration = Duration::from_millis(500);

/// The broker of a stack.
pub fn cluster(stack: &Stack) -> Cluster {
    Cluster::new(
        [("bootstrap.servers", stack.get("KAFKA_BOOTSTRAP"))]
            .into_iter()
            .collect(),
    )
}

/// A consumer of one topic, from its beginning.
pub struct Topic(Box<dyn Consumer>);

impl Topic {
    /// Joins a group of its own.
    ///
    /// # Errors
    /// A setting the client refuses.
    pub fn open(cluster: &Cluster, topic: &str) -> Result<Self, Error> {
        let name = format!("bench-{topic}");
        let settings = ConsumerSettings {
            client: ClientSettings {
                client_id: name.clone(),
                ..ClientSettings::default()
            },
            group_id: name,
            subscription: Subscription::Topics(vec![topic.to_owned()]),
            batch_records_max: DELIVERY_RECORDS_MAX,
        };
        cluster.consumer(&settings).map(Self)
    }

    /// The next records.
    ///
    /// # Errors
    /// Fatal failures of the client.
    pub async fn next(&mut self) -> Result<Fetched, Error> {
        loop {
            match self.0.next().await {
                Ok(ConsumerEvent::Records(fetched)) => return Ok(fetched),
                Ok(_) => {}
                // Such as a topic that is not there yet.
                Err(error) if error.is_retriable() => tokio::time::sleep(Duration::from_millis(20)).await,
                Err(error) => return Err(error),
            }
        }
    }

    /// Counts the records; one beyond `expected` is counted as well.
    ///
    /// # Errors
    /// The client's, and records that do not come.
    pub async fn count(mut self, expected: u64) -> Result<u64, Error> {
        let mut count = 0;
        loop {
            let wait = if count < expected { QUIET } else { EXTRA };
            match timeout(wait, self.next()).await {
                Ok(fetched) => count += fetched?.records.len() as u64,
                Err(over) if count < expected => {
                    let doing = format!("reading the topic back: {count} of {expected} records");
                    return Err(over).retriable(doing);
                }
                Err(_) => {
                    self.0.close().await;
                    return Ok(count);
                }
            }
        }
    }
}
