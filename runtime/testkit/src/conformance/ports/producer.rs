//! What producers promise.

use std::sync::Arc;

use rowtide_engine::ports::{Delivery, Outgoing, SendError};
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::timeout;

use super::Cluster;
use super::member::{Group, QUIET, fresh, outgoing, partition, producer, send, within};

/// Records of one partition keep their order, their bytes, their headers and their time; null is not empty.
pub async fn a_partition_keeps_the_order_and_the_content_of_records(cluster: &impl Cluster) {
    let topic = fresh("content");
    cluster.create_topic(&topic, 2).await;
    let headers: [(Arc<str>, Option<Vec<u8>>); 3] = [
        ("a".into(), Some(b"1".to_vec())),
        ("a".into(), None),
        ("b".into(), Some(Vec::new())),
    ];
    let mut records: Vec<_> = ["", "one", "two"]
        .iter()
        .map(|value| outgoing(&topic, 1, value))
        .collect();
    records[1] = Outgoing {
        key: Some(b"k"),
        timestamp_ms: Some(1_700_000_000_123),
        headers: &headers,
        ..records[1]
    };
    records.push(Outgoing {
        key: Some(b""),
        value: None,
        ..records[1]
    });
    let (end, _) = send(&*producer(cluster, &[]), &records).await;
    assert_eq!((end.batch, end.outcome.ok()), (1, Some(4)));

    let mut member = Group::of(&topic).join(cluster);
    let mut read = Vec::new();
    while read.len() < 4 {
        if let rowtide_engine::ports::ConsumerEvent::Records(fetched) = member.next().await.expect("an event")
        {
            assert_eq!(fetched.partition, partition(&topic, 1));
            read.extend(fetched.records);
        }
    }
    let bytes = |blob: &Option<rowtide_api::data::Blob>| blob.as_ref().map(|blob| blob.to_vec());
    let content: Vec<_> = read
        .iter()
        .map(|record| (bytes(&record.key), bytes(&record.value)))
        .collect();
    let some = |text: &str| Some(text.as_bytes().to_vec());
    assert_eq!(
        content,
        [
            (None, some("")),
            (some("k"), some("one")),
            (None, some("two")),
            (some(""), None)
        ]
    );
    assert_eq!(read[1].timestamp_ms, Some(1_700_000_000_123));
    let read_headers: Vec<_> = read[1]
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), bytes(value)))
        .collect();
    assert_eq!(read_headers, headers);
    assert!(read[0].headers.is_empty() && read[0].timestamp_ms.is_some_and(|ms| ms > 0));
    member.close().await;
}

/// A delivery hears of its end exactly once, with the number of durable records; a record that was refused is not in it.
pub async fn a_batch_is_heard_of_once_and_a_refused_record_is_not_in_it(cluster: &impl Cluster) {
    let topic = fresh("ends");
    cluster.create_topic(&topic, 1).await;
    let producer = producer(cluster, &[("max.request.size", "20000")]);
    let (ends, mut ended) = unbounded_channel();
    let delivery = Delivery::new(7, ends);
    let large = "x".repeat(30_000);
    assert!(producer.send(outgoing(&topic, 0, "a"), &delivery).is_ok());
    assert!(matches!(
        producer.send(outgoing(&topic, 0, &large), &delivery),
        Err(SendError::Record(_))
    ));
    assert!(producer.send(outgoing(&topic, 0, "b"), &delivery).is_ok());
    assert!(
        timeout(QUIET, ended.recv()).await.is_err(),
        "a batch does not end before its sending is over"
    );
    delivery.sending_over(2);
    let end = within("the end of the batch", ended.recv())
        .await
        .expect("the batch ends");
    assert_eq!((end.batch, end.outcome.ok()), (7, Some(2)));
    assert!(timeout(QUIET, ended.recv()).await.is_err(), "a batch ends once");
}

/// A queue that is full says so; after `ready` there is room again, and nothing was lost or turned round.
pub async fn a_full_queue_refuses_until_it_has_room(cluster: &impl Cluster) {
    let topic = fresh("full");
    cluster.create_topic(&topic, 1).await;
    let values: Vec<_> = (0..2000).map(|n| format!("{n:0>200}")).collect();
    let records: Vec<_> = values.iter().map(|value| outgoing(&topic, 0, value)).collect();
    let (end, full) = send(&*producer(cluster, &[("buffer.memory", "16384")]), &records).await;
    assert_eq!(end.outcome.ok(), Some(2000));
    assert!(full > 0, "400 KB passed through 16 KiB without ever filling them");
    let mut member = Group::of(&topic).join(cluster);
    assert_eq!(member.values(&partition(&topic, 0), 2000).await, values);
    member.close().await;
}

/// Records of one key share a partition; a record that names its partition goes there.
pub async fn a_key_keeps_its_partition_and_a_named_partition_wins(cluster: &impl Cluster) {
    let topic = fresh("keys");
    cluster.create_topic(&topic, 4).await;
    let keys: Vec<_> = (0..40).map(|n| format!("key-{}", n % 20)).collect();
    let mut records: Vec<_> = keys
        .iter()
        .map(|key| Outgoing {
            partition: None,
            key: Some(key.as_bytes()),
            ..outgoing(&topic, 0, key)
        })
        .collect();
    records.extend((0..4).map(|index| Outgoing {
        key: Some(b"key-0"),
        ..outgoing(&topic, index, "named")
    }));
    let (end, _) = send(&*producer(cluster, &[]), &records).await;
    assert_eq!(end.outcome.ok(), Some(44));
    let mut member = Group::of(&topic).join(cluster);
    while member.read.values().map(Vec::len).sum::<usize>() < 44 {
        member.next().await.expect("an event");
    }
    let reached = member.read.values().filter(|values| values.len() > 1).count();
    assert_eq!(reached, 4, "twenty keys reach four partitions");
    for key in &keys {
        let holds = |values: &&Vec<(i64, String)>| values.iter().any(|(_, value)| value == key);
        assert_eq!(
            member.read.values().filter(holds).count(),
            1,
            "{key} has one partition"
        );
    }
    for values in member.read.values() {
        assert_eq!(values.iter().filter(|(_, value)| value == "named").count(), 1);
    }
    member.close().await;
}

/// What was acknowledged is in the log, whatever becomes of the producer.
pub async fn what_a_dropped_producer_had_acknowledged_is_there(cluster: &impl Cluster) {
    let topic = fresh("dropped");
    cluster.create_topic(&topic, 1).await;
    let producer = producer(cluster, &[]);
    let (end, _) = send(&*producer, &[outgoing(&topic, 0, "kept")]).await;
    assert_eq!(end.outcome.ok(), Some(1));
    drop(producer);
    let mut member = Group::of(&topic).join(cluster);
    assert_eq!(member.values(&partition(&topic, 0), 1).await, ["kept"]);
    member.close().await;
}
