//! What a consumer does whose brokers do not answer.
#![allow(clippy::unwrap_used, reason = "tests say what they expect by panicking")]

use std::sync::Arc;
use std::time::Duration;

use rowtide_api::Properties;
use rowtide_engine::ports::{ClientSettings, ConsumerSettings, Kafka as _, Subscription, TopicPattern};
use rowtide_kafka::Cluster;
use tokio::net::TcpListener;
use tokio::time::timeout;

/// Longer than the brokers may take to name their topics, so that one look at least has come to nothing.
const LOOKED: Duration = Duration::from_secs(7);
/// A look that has begun is waited for; leaving a group nobody answers for adds little.
const CLOSING: Duration = Duration::from_secs(10);

/// CN-113: which topics there are is not known then, so none is not told; the look that is under way delays the end within
/// its bound.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pattern_tells_nothing_while_no_broker_answers_and_closes_in_time() {
    // It takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let cluster = Cluster::new(Properties::from_iter([("bootstrap.servers", address.as_str())]));
    let settings = ConsumerSettings {
        client: ClientSettings {
            client_id: "c".into(),
            properties: Properties::from_iter([("metadata.max.age.ms", "100")]),
        },
        group_id: "g".into(),
        subscription: Subscription::Pattern(Arc::new(TopicPattern::compile(".*").unwrap())),
        batch_records_max: 1,
    };
    let mut consumer = cluster.consumer(&settings).unwrap();
    if let Ok(event) = timeout(LOOKED, consumer.next()).await {
        panic!("nothing should come, but: {event:?}");
    }
    timeout(CLOSING, consumer.close()).await.unwrap();
}
