//! What a consumer promises whose topics are given by a pattern.

use std::time::Duration;

use rowtide_engine::ports::ConsumerEvent;
use tokio::time::{Instant, timeout};

use super::Cluster;
use super::member::{Group, QUIET, fresh, partition, within, write};

/// A pattern selects topics by their whole name, also those that appear later; each change is told before its partitions come.
pub async fn a_pattern_matches_whole_names_and_topics_to_come(cluster: &impl Cluster) {
    let name = fresh("pattern");
    let topics = [
        format!("{name}.a"),
        format!("{name}.b"),
        format!("{name}.a.more"),
        format!("x{name}.a"),
    ];
    for topic in [&topics[0], &topics[2], &topics[3]] {
        cluster.create_topic(topic, 1).await;
        write(cluster, topic, 0, &["now"]).await;
    }
    let mut member = Group::matching(&format!("{name}\\.[ab]")).join(cluster);
    assert!(matches!(
        member.next().await,
        Ok(ConsumerEvent::Matched { topics: told, .. }) if told == topics[..1]
    ));
    assert_eq!(member.values(&partition(&topics[0], 0), 1).await, ["now"]);
    cluster.create_topic(&topics[1], 1).await;
    member.matches(&[&topics[0], &topics[1]]).await;
    assert_eq!(member.owned.len(), 1, "the topic is told before its partitions");
    write(cluster, &topics[1], 0, &["later"]).await;
    assert_eq!(member.values(&partition(&topics[1], 0), 1).await, ["later"]);
    assert_eq!(member.owned.len(), 2);
    member.close().await;
}

/// What other dialects refuse, or take for something else, means what it means in Java.
pub async fn a_pattern_is_javas(cluster: &impl Cluster) {
    let name = fresh("java");
    let topic = format!("{name}.public.t1");
    cluster.create_topic(&topic, 1).await;
    write(cluster, &topic, 0, &["here"]).await;
    for pattern in [
        format!(r"{name}\.public\.t\d"),
        format!(r"[\w-]*{name}[\w.]+\.t1"),
        format!(r"\Q{topic}\E"),
        format!(r"(?:{name}|x)\..*"),
        format!(r"(?i){}\..*", name.to_uppercase()),
        format!(r"(?!2).*{name}\..*"),
        format!(r".*+(?<={name}\.public\.t1)"),
    ] {
        let mut member = Group::matching(&pattern).join(cluster);
        member.matches(&[&topic]).await;
        assert_eq!(
            member.values(&partition(&topic, 0), 1).await,
            ["here"],
            "{pattern}"
        );
        member.close().await;
    }
}

/// A pattern that means nothing so far is told, once, also while no records can be taken; a topic that comes is read.
pub async fn a_pattern_that_means_nothing_is_told_and_waits_for_its_topics(cluster: &impl Cluster) {
    let name = fresh("nothing");
    let mut member = Group::matching(&format!("{name}\\..*")).join(cluster);
    let event = within("what is matched", member.consumer.next_change())
        .await
        .expect("an event");
    assert!(matches!(&event, ConsumerEvent::Matched { topics, .. } if topics.is_empty()));
    member.quiet().await;
    let topic = format!("{name}.t");
    cluster.create_topic(&topic, 2).await;
    write(cluster, &topic, 1, &["came"]).await;
    member.matches(&[&topic]).await;
    assert_eq!(member.values(&partition(&topic, 1), 1).await, ["came"]);
    member.own(2).await;
    member.close().await;
}

/// A topic that goes is revoked and told; the others are read on, and the last one leaves nothing.
pub async fn a_topic_that_is_deleted_is_let_go_and_told(cluster: &impl Cluster) {
    let name = fresh("deleted");
    let topics = [format!("{name}.a"), format!("{name}.b")];
    for topic in &topics {
        cluster.create_topic(topic, 1).await;
        write(cluster, topic, 0, &["before"]).await;
    }
    let mut member = Group::matching(&format!("{name}\\..*")).join(cluster);
    for topic in &topics {
        member.values(&partition(topic, 0), 1).await;
    }
    cluster.delete_topic(&topics[1]).await;
    member.matches(&[&topics[0]]).await;
    member.own(1).await;
    write(cluster, &topics[0], 0, &["after"]).await;
    assert_eq!(
        member.values(&partition(&topics[0], 0), 2).await,
        ["before", "after"]
    );
    cluster.delete_topic(&topics[0]).await;
    member.matches(&[]).await;
    member.own(0).await;
    member.close().await;
}

/// A match that cannot be decided is an error that names the pattern; nothing is read or left out by chance.
pub async fn a_pattern_that_cannot_be_decided_fails(cluster: &impl Cluster) {
    let name = fresh("undecided");
    cluster
        .create_topic(&format!("{name}-{}", "a".repeat(60)), 1)
        .await;
    let mut member = Group::matching(&format!("{name}-(?:a|a)*(?=b)b")).join(cluster);
    let error = member.next().await.expect_err("a match that explodes");
    assert!(!error.is_retriable(), "{error}");
    assert!(error.to_string().contains("topics.regex="), "{error}");
    member.close().await;
}

/// Nothing is waited for when a consumer closes, also when it looks for topics once in an hour.
pub async fn a_consumer_whose_pattern_means_nothing_closes_at_once(cluster: &impl Cluster) {
    let group = Group::matching(&fresh("close")).with("metadata.max.age.ms", "3600000");
    let mut member = group.join(cluster);
    member.matches(&[]).await;
    assert!(timeout(QUIET, member.consumer.next()).await.is_err());
    let closing = Instant::now();
    member.close().await;
    assert!(closing.elapsed() < Duration::from_secs(10));
}
