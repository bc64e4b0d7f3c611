//! What a consumer promises while it is alone in its group.

use std::time::Duration;

use rowtide_engine::ports::ConsumerEvent;
use tokio::time::{sleep, timeout};

use super::Cluster;
use super::member::{Group, QUIET, fresh, partition, within, write};

/// Partitions come first, without a position where nothing was ever committed, then records from the beginning.
pub async fn a_new_group_starts_at_the_beginning_without_a_position(cluster: &impl Cluster) {
    let topic = fresh("start");
    cluster.create_topic(&topic, 2).await;
    write(cluster, &topic, 0, &["a", "b"]).await;
    let mut member = Group::of(&topic).join(cluster);
    assert!(matches!(member.next().await, Ok(ConsumerEvent::Assigned(_))));
    member.own(2).await;
    assert!(
        member
            .owned
            .values()
            .all(|entry| entry.position.is_none() && entry.note.is_none())
    );
    assert_eq!(member.values(&partition(&topic, 0), 2).await, ["a", "b"]);
    member.quiet().await;
    member.close().await;
}

/// A delivery holds records of one partition in offset order, at most as many as were asked for.
pub async fn a_delivery_holds_one_partition_in_order_and_not_too_many_records(cluster: &impl Cluster) {
    let topic = fresh("deliveries");
    cluster.create_topic(&topic, 3).await;
    let values: Vec<_> = (0..50).map(|n| n.to_string()).collect();
    let values: Vec<_> = values.iter().map(String::as_str).collect();
    for index in 0..3 {
        write(cluster, &topic, index, &values).await;
    }
    let mut member = Group {
        records_max: 7,
        ..Group::of(&topic)
    }
    .join(cluster);
    while member.read.values().map(Vec::len).sum::<usize>() < 150 {
        if let ConsumerEvent::Records(fetched) = member.next().await.expect("an event") {
            assert!(fetched.records.len() <= 7);
        }
    }
    for index in 0..3 {
        assert_eq!(member.values(&partition(&topic, index), 50).await, values);
    }
    member.close().await;
}

/// What is committed is where the next member starts, with the note.
pub async fn the_next_member_goes_on_at_the_committed_position_with_its_note(cluster: &impl Cluster) {
    let topic = fresh("positions");
    cluster.create_topic(&topic, 2).await;
    let (first, second) = (partition(&topic, 0), partition(&topic, 1));
    write(cluster, &topic, 0, &["a", "b", "c"]).await;
    write(cluster, &topic, 1, &["d"]).await;
    let group = Group::of(&topic);
    let mut member = group.join(cluster);
    member.values(&first, 3).await;
    member
        .commit(&first, 2, Some("clock=\u{2713} 7"))
        .await
        .expect("a commit");
    member.close().await;

    let mut member = group.join(cluster);
    member.own(2).await;
    let committed = |member: &super::member::Member, which| {
        let entry: &rowtide_engine::ports::Committed = &member.owned[which];
        (entry.position, entry.note.as_ref().map(|note| note.0.to_string()))
    };
    assert_eq!(
        committed(&member, &first),
        (Some(2), Some("clock=\u{2713} 7".to_owned()))
    );
    assert_eq!(committed(&member, &second), (None, None));
    assert_eq!(member.values(&first, 1).await, ["c"]);
    member.close().await;
}

/// A note belongs to its position: one that is committed without a note has none.
pub async fn a_later_commit_without_a_note_leaves_none(cluster: &impl Cluster) {
    let topic = fresh("notes");
    cluster.create_topic(&topic, 1).await;
    let only = partition(&topic, 0);
    let group = Group::of(&topic);
    let mut member = group.join(cluster);
    member.own(1).await;
    member.commit(&only, 1, Some("old")).await.expect("a commit");
    member.commit(&only, 2, None).await.expect("a commit");
    member.close().await;
    let mut member = group.join(cluster);
    member.own(1).await;
    assert_eq!(
        (member.owned[&only].position, member.owned[&only].note.clone()),
        (Some(2), None)
    );
    member.close().await;
}

/// `next_change` gives no records and takes none away.
pub async fn waiting_for_a_change_keeps_records_queued(cluster: &impl Cluster) {
    let topic = fresh("changes");
    cluster.create_topic(&topic, 1).await;
    write(cluster, &topic, 0, &["a", "b"]).await;
    let mut member = Group::of(&topic).join(cluster);
    let event = within("the assignment", member.consumer.next_change())
        .await
        .expect("an event");
    member.note(&event);
    assert!(matches!(event, ConsumerEvent::Assigned(_)));
    assert!(timeout(QUIET, member.consumer.next_change()).await.is_err());
    assert_eq!(member.values(&partition(&topic, 0), 2).await, ["a", "b"]);
    member.close().await;
}

/// A call of `next` or `next_change` that is dropped while it waits takes nothing with it.
pub async fn dropping_a_call_loses_nothing(cluster: &impl Cluster) {
    let topic = fresh("dropping");
    cluster.create_topic(&topic, 2).await;
    let mut member = Group {
        records_max: 3,
        ..Group::of(&topic)
    }
    .join(cluster);
    let values: Vec<_> = (0..60).map(|n| n.to_string()).collect();
    let values: Vec<_> = values.iter().map(String::as_str).collect();
    let writing = async {
        for chunk in values.chunks(5) {
            write(cluster, &topic, 0, chunk).await;
            write(cluster, &topic, 1, chunk).await;
        }
    };
    let reading = async {
        while member.read.values().map(Vec::len).sum::<usize>() < 120 {
            if let Ok(event) = timeout(Duration::from_millis(1), member.consumer.next_change()).await {
                member.note(&event.expect("an event"));
            }
            if let Ok(event) = timeout(Duration::from_millis(1), member.consumer.next()).await {
                member.note(&event.expect("an event"));
            }
        }
    };
    within("every record", async { tokio::join!(writing, reading) }).await;
    for index in 0..2 {
        assert_eq!(member.values(&partition(&topic, index), 60).await, values);
    }
    member.close().await;
}

/// Records of an aborted transaction are not delivered, and their offsets are never used again; the committed position
/// after the last record is where the next member goes on, however many offsets nobody sees lie behind it.
pub async fn aborted_records_are_gaps(cluster: &impl Cluster) {
    let topic = fresh("gaps");
    cluster.create_topic(&topic, 1).await;
    let only = partition(&topic, 0);
    write(cluster, &topic, 0, &["before"]).await;
    cluster.transaction(&topic, &["no", "never"]).await(false).await;
    cluster.transaction(&topic, &["yes"]).await(true).await;
    write(cluster, &topic, 0, &["after"]).await;
    cluster.transaction(&topic, &["at the end"]).await(false).await;
    let group = Group::of(&topic);
    let mut member = group.join(cluster);
    assert_eq!(member.values(&only, 3).await, ["before", "yes", "after"]);
    // One control record ends each transaction.
    let offsets: Vec<_> = member
        .read_of(&only)
        .into_iter()
        .map(|(offset, _)| offset)
        .collect();
    assert_eq!(offsets, [0, 4, 6]);
    member.quiet().await;
    member.commit(&only, 7, None).await.expect("a commit");
    member.close().await;
    let mut member = group.join(cluster);
    member.own(1).await;
    member.quiet().await;
    write(cluster, &topic, 0, &["later"]).await;
    assert_eq!(member.values(&only, 1).await, ["later"]);
    member.close().await;
}

/// The last stable offset: what was written after an open transaction began waits for its end.
pub async fn nothing_behind_an_open_transaction_is_delivered(cluster: &impl Cluster) {
    let topic = fresh("stable");
    cluster.create_topic(&topic, 1).await;
    let only = partition(&topic, 0);
    write(cluster, &topic, 0, &["before"]).await;
    let end = cluster.transaction(&topic, &["inside"]).await;
    write(cluster, &topic, 0, &["behind"]).await;
    let mut member = Group::of(&topic).join(cluster);
    assert_eq!(member.values(&only, 1).await, ["before"]);
    member.quiet().await;
    end(true).await;
    assert_eq!(member.values(&only, 3).await, ["before", "inside", "behind"]);
    member.close().await;
}

/// A paused consumer is given no record, also none that was fetched before; resumed, it goes on where it was.
pub async fn a_paused_consumer_is_given_nothing_and_loses_nothing(cluster: &impl Cluster) {
    let topic = fresh("paused");
    cluster.create_topic(&topic, 1).await;
    let only = partition(&topic, 0);
    let values: Vec<_> = (0..300).map(|n| n.to_string()).collect();
    let texts: Vec<_> = values.iter().map(String::as_str).collect();
    let mut member = Group {
        records_max: 10,
        ..Group::of(&topic)
    }
    .join(cluster);
    write(cluster, &topic, 0, &texts[..200]).await;
    member.values(&only, 10).await;
    for round in 0..3 {
        member.consumer.set_paused(true).expect("pausing");
        member.quiet().await;
        member.consumer.set_paused(false).expect("resuming");
        member.values(&only, 30 * (round + 1)).await;
    }
    write(cluster, &topic, 0, &texts[200..]).await;
    assert_eq!(member.values(&only, 300).await, values);
    member.close().await;
}

/// An engine that takes nothing for longer than every timeout of the group keeps its partitions, and its commits count.
pub async fn an_engine_that_takes_nothing_for_long_stays_a_member(cluster: &impl Cluster) {
    let topic = fresh("slow");
    cluster.create_topic(&topic, 1).await;
    let only = partition(&topic, 0);
    let values: Vec<_> = (0..5000).map(|n| n.to_string()).collect();
    let texts: Vec<_> = values.iter().map(String::as_str).collect();
    write(cluster, &topic, 0, &texts).await;
    let group = Group {
        records_max: 10,
        ..Group::of(&topic)
    };
    let group = group
        .with("session.timeout.ms", "3000")
        .with("max.poll.interval.ms", "3000");
    let mut member = group.with("heartbeat.interval.ms", "300").join(cluster);
    member.values(&only, 20).await;
    sleep(Duration::from_secs(7)).await;
    member
        .commit(&only, 20, None)
        .await
        .expect("it is still a member");
    member.consumer.set_paused(true).expect("pausing");
    sleep(Duration::from_secs(7)).await;
    member
        .commit(&only, 21, None)
        .await
        .expect("it is still a member");
    member.consumer.set_paused(false).expect("resuming");
    assert_eq!(member.values(&only, 5000).await, values);
    assert!(member.owned.contains_key(&only));
    member.close().await;
}
