//! The contract of the engine's ports, on a real broker through librdkafka.
#![allow(
    clippy::unwrap_used,
    reason = "what the tests do beside the ports says what it expects by panicking"
)]

use std::io::{Read as _, Write as _};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};
use rowtide_api::Properties;
use rowtide_engine::ports::Kafka;
use rowtide_kafka::Cluster;
use rowtide_testkit::conformance::ports::{self, End};
use rowtide_testkit::stack::Stack;

/// No answer of the broker takes longer.
const WAIT: Duration = Duration::from_secs(30);

static STACK: LazyLock<Stack> = LazyLock::new(|| Stack::with(&["kafka"]));

/// One broker of the stack.
struct Broker;

impl Broker {
    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", STACK.get("KAFKA_BOOTSTRAP"));
        config
    }
}

impl ports::Cluster for Broker {
    fn kafka(&self) -> Arc<dyn Kafka> {
        let address = ("bootstrap.servers", STACK.get("KAFKA_BOOTSTRAP"));
        Arc::new(Cluster::new(Properties::from_iter([address])))
    }

    async fn create_topic(&self, topic: &str, partitions: i32) {
        let admin: AdminClient<DefaultClientContext> = self.config().create().unwrap();
        let options = AdminOptions::new().operation_timeout(Some(WAIT));
        let topics = [NewTopic::new(topic, partitions, TopicReplication::Fixed(1))];
        let created = admin.create_topics(&topics, &options).await.unwrap();
        assert_eq!(created, [Ok(topic.to_owned())]);
    }

    async fn delete_topic(&self, topic: &str) {
        let admin: AdminClient<DefaultClientContext> = self.config().create().unwrap();
        let options = AdminOptions::new().operation_timeout(Some(WAIT));
        let deleted = admin.delete_topics(&[topic], &options).await.unwrap();
        assert_eq!(deleted, [Ok(topic.to_owned())]);
    }

    async fn expel(&self, group: &str, client_id: &str) {
        let (config, group, client_id) = (self.config(), group.to_owned(), client_id.to_owned());
        blocking(move || leave_group(&group, &member_id(&config, &group, &client_id))).await;
    }

    async fn transaction(&self, topic: &str, values: &[&str]) -> End {
        let mut config = self.config();
        config.set("transactional.id", format!("{topic}-{}", values.join("-")));
        let producer: FutureProducer = config.create().unwrap();
        let begun = producer.clone();
        blocking(move || {
            begun.init_transactions(WAIT).unwrap();
            begun.begin_transaction().unwrap();
        })
        .await;
        for value in values {
            let record: FutureRecord<'_, (), str> = FutureRecord::to(topic).partition(0).payload(value);
            producer.send(record, WAIT).await.unwrap();
        }
        Box::new(move |commit| {
            Box::pin(blocking(move || {
                let ended = if commit {
                    producer.commit_transaction(WAIT)
                } else {
                    producer.abort_transaction(WAIT)
                };
                ended.unwrap();
            }))
        })
    }
}

/// A member's id, which only the group's coordinator and the member know.
fn member_id(config: &ClientConfig, group: &str, client_id: &str) -> String {
    let client: BaseConsumer = config.create().unwrap();
    let groups = client.fetch_group_list(Some(group), WAIT).unwrap();
    let mut members = groups.groups().iter().flat_map(|group| group.members());
    members
        .find(|member| member.client_id() == client_id)
        .unwrap()
        .id()
        .to_owned()
}

/// What a client that knows this member's id says when it leaves: LeaveGroup, version 2, over a connection of its own.
fn leave_group(group: &str, member: &str) {
    let text = |text: &str| [&(text.len() as i16).to_be_bytes(), text.as_bytes()].concat();
    let head = [[0, 13], [0, 2], [0, 0], [0, 1]].concat();
    let request = [head, text("expel"), text(group), text(member)].concat();
    let mut connection = std::net::TcpStream::connect(STACK.get("KAFKA_BOOTSTRAP")).unwrap();
    connection.set_read_timeout(Some(WAIT)).unwrap();
    connection
        .write_all(&[&(request.len() as i32).to_be_bytes(), request.as_slice()].concat())
        .unwrap();
    // Length, correlation, throttle time, error code.
    let mut answer = [0; 14];
    connection.read_exact(&mut answer).unwrap();
    assert_eq!(answer[12..], [0, 0], "the group has let the member go");
}

async fn blocking(call: impl FnOnce() + Send + 'static) {
    tokio::task::spawn_blocking(call).await.unwrap();
}

rowtide_testkit::kafka_contract!([#[tokio::test(flavor = "multi_thread", worker_threads = 2)]], Broker);
