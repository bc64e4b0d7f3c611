//! What consumers promise while their group changes.

use std::collections::BTreeSet;
use std::time::Duration;

use rowtide_engine::ports::{CommitError, ConsumerEvent, Revocation};
use tokio::time::{sleep, timeout};

use super::Cluster;
use super::member::{Group, Member, QUIET, fresh, partition, within, write};

/// Goes on until partitions are revoked; they stay until the answer is dropped.
async fn revoked(member: &mut Member) -> Revocation {
    loop {
        match member.next().await.expect("an event") {
            ConsumerEvent::Revoked(revocation) => return revocation,
            ConsumerEvent::Lost(partitions) => panic!("lost instead of revoked: {partitions:?}"),
            ConsumerEvent::Assigned(_) | ConsumerEvent::Records(_) | ConsumerEvent::Matched { .. } => {}
        }
    }
}

/// Until the revocation is dropped nobody else has the partitions and commits for them count; then their next owner goes
/// on where the last commit says, and the former one's commits no longer count.
pub async fn partitions_move_once_they_are_let_go(cluster: &impl Cluster) {
    let topic = fresh("moving");
    cluster.create_topic(&topic, 2).await;
    for index in 0..2 {
        write(cluster, &topic, index, &["a", "b", "c"]).await;
    }
    let group = Group::of(&topic);
    let mut first = group.join(cluster);
    for index in 0..2 {
        first.values(&partition(&topic, index), 3).await;
    }
    let mut second = group.join(cluster);
    let revocation = revoked(&mut first).await;
    let [moving] = revocation.partitions.as_slice() else {
        panic!("half of two: {revocation:?}")
    };
    let moving = moving.clone();
    while let Ok(event) = timeout(QUIET, second.consumer.next()).await {
        // A first generation without partitions is no news.
        second.note(&event.expect("an event"));
        assert!(second.owned.is_empty(), "nobody has what was not let go");
    }
    first
        .commit(&moving, 2, Some("last words"))
        .await
        .expect("the partition is still ours");
    drop(revocation);
    // The first member goes on meanwhile: a group is served by all of its members.
    let values = {
        let first_goes_on = async { while first.next().await.is_ok() {} };
        let second_takes_over = async {
            second.own(1).await;
            second.values(&moving, 1).await
        };
        tokio::select! {
            biased;
            // 1. What is awaited.
            values = second_takes_over => values,
            // 2. It never ends.
            () = first_goes_on => panic!("the first member failed"),
        }
    };
    assert_eq!(values, ["c"]);
    let entry = &second.owned[&moving];
    assert_eq!(
        (entry.position, entry.note.as_ref().map(|note| &*note.0)),
        (Some(2), Some("last words"))
    );
    assert!(matches!(
        first.commit(&moving, 3, None).await,
        Err(CommitError::Rebalanced)
    ));
    second
        .commit(&moving, 3, None)
        .await
        .expect("the new owner commits");
    tokio::join!(first.close(), second.close());
}

/// After `Revoked` no record of those partitions is delivered, also none that was fetched before.
pub async fn nothing_of_a_revoked_partition_follows(cluster: &impl Cluster) {
    let topic = fresh("revoked");
    cluster.create_topic(&topic, 4).await;
    let values: Vec<_> = (0..500).map(|n| n.to_string()).collect();
    let texts: Vec<_> = values.iter().map(String::as_str).collect();
    for index in 0..4 {
        write(cluster, &topic, index, &texts).await;
    }
    let group = Group {
        records_max: 5,
        ..Group::of(&topic)
    };
    let mut first = group.join(cluster);
    first.values(&partition(&topic, 0), 5).await;
    let mut second = group.join(cluster);
    // `Member::note` asserts that each record belongs to a partition that is ours.
    drop(revoked(&mut first).await);
    let all = |member: &Member| {
        member
            .owned
            .keys()
            .all(|owned| member.read_of(owned).len() == 500)
    };
    let first_reads = async {
        while first.owned.len() != 2 || !all(&first) {
            first.next().await.expect("an event");
        }
    };
    let second_reads = async {
        while second.owned.len() != 2 || !all(&second) {
            second.next().await.expect("an event");
        }
    };
    within("all records", async { tokio::join!(first_reads, second_reads) }).await;
    tokio::join!(first.close(), second.close());
}

/// Partitions that come while a member is paused, or does not take records, give it nothing until it goes on.
pub async fn partitions_assigned_to_a_paused_member_wait(cluster: &impl Cluster) {
    let topic = fresh("waiting");
    cluster.create_topic(&topic, 2).await;
    for index in 0..2 {
        write(cluster, &topic, index, &["a", "b"]).await;
    }
    let group = Group::of(&topic);
    let mut first = group.join(cluster);
    first.consumer.set_paused(true).expect("pausing");
    first.own(2).await;
    first.quiet().await;
    let mut second = group.join(cluster);
    second.consumer.set_paused(true).expect("pausing");
    drop(revoked(&mut first).await);
    second.own(1).await;
    second.quiet().await;
    assert!(first.seen().is_empty() && second.seen().is_empty());
    second.close().await;
    first.own(2).await;
    first.quiet().await;
    first.consumer.set_paused(false).expect("resuming");
    for index in 0..2 {
        assert_eq!(first.values(&partition(&topic, index), 2).await, ["a", "b"]);
    }
    first.close().await;
}

/// Closing gives the partitions to the members that stay, at once and not after a timeout.
pub async fn a_member_that_closes_leaves_its_partitions_to_others(cluster: &impl Cluster) {
    let topic = fresh("closing");
    cluster.create_topic(&topic, 2).await;
    let group = Group::of(&topic).with("session.timeout.ms", "120000");
    let mut first = group.join(cluster);
    first.own(2).await;
    let mut second = group.join(cluster);
    drop(revoked(&mut first).await);
    second.own(1).await;
    first.close().await;
    second.own(2).await;
    second.close().await;
}

/// Partitions that are lost are gone already: no commit counts, nothing more of them is delivered. The member joins again
/// by itself and goes on at the committed position.
pub async fn an_expelled_member_hears_what_it_lost_and_joins_again(cluster: &impl Cluster) {
    let topic = fresh("lost");
    cluster.create_topic(&topic, 1).await;
    let only = partition(&topic, 0);
    write(cluster, &topic, 0, &["a", "b", "c"]).await;
    let group = Group {
        records_max: 2,
        ..Group::of(&topic)
    }
    .with("heartbeat.interval.ms", "300");
    let mut member = group.join(cluster);
    member.values(&only, 2).await;
    member.commit(&only, 1, Some("kept")).await.expect("a commit");
    cluster.expel(&group.id, &member.client_id).await;
    let lost = loop {
        match member.next().await.expect("an event") {
            ConsumerEvent::Lost(partitions) => break partitions,
            ConsumerEvent::Records(_) => {}
            event => panic!("not lost: {event:?}"),
        }
    };
    assert_eq!(lost, std::slice::from_ref(&only));
    assert!(matches!(
        member.commit(&only, 2, None).await,
        Err(CommitError::Rebalanced)
    ));
    member.own(1).await;
    let entry = &member.owned[&only];
    assert_eq!(
        (entry.position, entry.note.as_ref().map(|note| &*note.0)),
        (Some(1), Some("kept"))
    );
    assert_eq!(member.values(&only, 3).await, ["a", "b", "c"]);
    member.commit(&only, 3, None).await.expect("a commit");
    member.close().await;
}

/// A member that another one has replaced is told: its partitions are lost, not revoked, and the client fails for good
/// instead of waiting for ever. Nothing it says counts any more.
pub async fn a_fenced_member_fails_and_its_commits_do_not_count(cluster: &impl Cluster) {
    let topic = fresh("fenced");
    cluster.create_topic(&topic, 1).await;
    let only = partition(&topic, 0);
    write(cluster, &topic, 0, &["a", "b"]).await;
    let group = Group::of(&topic)
        .with("group.instance.id", fresh("instance"))
        .with("heartbeat.interval.ms", "300");
    let mut first = group.join(cluster);
    first.values(&only, 2).await;
    let mut second = group.join(cluster);
    let error = loop {
        match first.next().await {
            Ok(ConsumerEvent::Lost(partitions)) => assert_eq!(partitions, std::slice::from_ref(&only)),
            Ok(event) => panic!("neither lost nor failed: {event:?}"),
            Err(error) => break error,
        }
    };
    assert!(!error.is_retriable(), "{error:?}");
    assert!(matches!(
        first.commit(&only, 1, None).await,
        Err(CommitError::Rebalanced)
    ));
    assert_eq!(second.values(&only, 2).await, ["a", "b"]);
    second
        .commit(&only, 2, None)
        .await
        .expect("the new member commits");
    tokio::join!(first.close(), second.close());
}

/// A commit answers for all its positions: one that was not stored makes it a failure.
pub async fn a_commit_that_is_refused_in_part_does_not_count(cluster: &impl Cluster) {
    let topic = fresh("partly");
    cluster.create_topic(&topic, 2).await;
    let mut member = Group::of(&topic).join(cluster);
    member.own(2).await;
    let too_long = rowtide_api::sink::Note("x".repeat(5000).into());
    let positions = vec![
        (partition(&topic, 0), 1, None),
        (partition(&topic, 1), 1, Some(too_long)),
    ];
    let committed = within("the end of a commit", member.consumer.commit(positions)).await;
    assert!(matches!(committed, Err(CommitError::Failed(_))), "{committed:?}");
    member.close().await;
}

/// Members come and go while records are written: each record is read by somebody, in order, from the position its
/// partition was handed over at.
pub async fn every_record_is_read_whatever_the_group_does(cluster: &impl Cluster) {
    let topic = fresh("turmoil");
    cluster.create_topic(&topic, 6).await;
    let group = Group {
        records_max: 8,
        ..Group::of(&topic)
    };
    let writing = async {
        for round in 0..10 {
            let values: Vec<_> = (0..20).map(|n| (round * 20 + n).to_string()).collect();
            let values: Vec<_> = values.iter().map(String::as_str).collect();
            for index in 0..6 {
                write(cluster, &topic, index, &values).await;
            }
        }
    };
    let wanted: BTreeSet<(i32, i64)> = (0..6)
        .flat_map(|index| (0..200).map(move |offset| (index, offset)))
        .collect();
    let reading = async {
        let mut read = BTreeSet::new();
        let mut steady = group.join(cluster);
        for patience in [40, 0, 25] {
            let mut guest = group.join(cluster);
            let both = async {
                tokio::join!(work(&mut steady), work(&mut guest));
            };
            // Stopping in the middle of a call is part of the turmoil.
            let _ = timeout(Duration::from_millis(20 * patience), both).await;
            read.extend(guest.seen());
            guest.close().await;
        }
        while read.union(&steady.seen()).count() < wanted.len() {
            step(&mut steady).await;
        }
        read.extend(steady.seen());
        steady.close().await;
        read
    };
    let ((), read) = within("every record", async { tokio::join!(writing, reading) }).await;
    assert_eq!(read, wanted);
}

async fn work(member: &mut Member) {
    loop {
        step(member).await;
    }
}

/// One event; what is read is committed at once, and revoked partitions go a little later.
async fn step(member: &mut Member) {
    match member.next().await.expect("an event") {
        ConsumerEvent::Records(fetched) => {
            let position = fetched.records.last().map_or(0, |record| record.offset + 1);
            // Refused where the partition goes right now: its next owner reads the records again.
            let _ = member.commit(&fetched.partition, position, None).await;
        }
        ConsumerEvent::Revoked(revocation) => {
            sleep(Duration::from_millis(5)).await;
            drop(revocation);
        }
        ConsumerEvent::Assigned(_) | ConsumerEvent::Lost(_) | ConsumerEvent::Matched { .. } => {}
    }
}
