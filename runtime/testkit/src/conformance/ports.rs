//! The contract of the engine's ports: one suite for the memory Kafka and for a broker, one for every log.
//!
//! ```ignore
//! rowtide_testkit::kafka_contract!([#[tokio::test(start_paused = true)]], MemoryKafka::new());
//! rowtide_testkit::log_contract!([#[tokio::test]], || Box::pin(async { … }));
//! ```

pub mod consumer;
pub mod group;
pub mod log;
pub mod member;
pub mod pattern;
pub mod producer;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use rowtide_engine::ports::Kafka;

use crate::fakes::kafka::MemoryKafka;

/// Ends a transaction: `true` commits it.
pub type End = Box<dyn FnOnce(bool) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// What the suite needs of a cluster besides the ports: what other clients do.
pub trait Cluster: Send + Sync {
    /// The ports.
    fn kafka(&self) -> Arc<dyn Kafka>;

    /// Creates a topic; it is there when this resolves.
    fn create_topic(&self, topic: &str, partitions: i32) -> impl Future<Output = ()> + Send;

    /// Deletes a topic; it is gone when this resolves.
    fn delete_topic(&self, topic: &str) -> impl Future<Output = ()> + Send;

    /// The group takes a member for dead: its partitions go before it hears of it.
    fn expel(&self, group: &str, client_id: &str) -> impl Future<Output = ()> + Send;

    /// Another client writes these values to partition 0 inside a transaction, which stays open until it is told to end.
    fn transaction(&self, topic: &str, values: &[&str]) -> impl Future<Output = End> + Send;
}

impl Cluster for MemoryKafka {
    fn kafka(&self) -> Arc<dyn Kafka> {
        Arc::new(self.clone())
    }

    async fn create_topic(&self, topic: &str, partitions: i32) {
        MemoryKafka::create_topic(self, topic, partitions);
    }

    async fn delete_topic(&self, topic: &str) {
        MemoryKafka::delete_topic(self, topic);
    }

    async fn expel(&self, group: &str, client_id: &str) {
        self.lose(group, client_id);
    }

    async fn transaction(&self, topic: &str, values: &[&str]) -> End {
        let transaction = self.begin();
        for value in values {
            transaction.append(topic, 0, None, Some(value.as_bytes()));
        }
        Box::new(move |commit| {
            Box::pin(async move {
                if commit {
                    transaction.commit()
                } else {
                    transaction.abort()
                }
            })
        })
    }
}

/// One test per promise of [`rowtide_engine::ports::Kafka`]'s clients, under these attributes, on this cluster.
#[macro_export]
macro_rules! kafka_contract {
    ($attributes:tt, $cluster:expr) => {
        $crate::kafka_contract!(@all $attributes, $cluster,
            [producer a_partition_keeps_the_order_and_the_content_of_records]
            [producer a_batch_is_heard_of_once_and_a_refused_record_is_not_in_it]
            [producer a_full_queue_refuses_until_it_has_room]
            [producer a_key_keeps_its_partition_and_a_named_partition_wins]
            [producer what_a_dropped_producer_had_acknowledged_is_there]
            [consumer a_new_group_starts_at_the_beginning_without_a_position]
            [consumer a_delivery_holds_one_partition_in_order_and_not_too_many_records]
            [consumer the_next_member_goes_on_at_the_committed_position_with_its_note]
            [consumer a_later_commit_without_a_note_leaves_none]
            [consumer waiting_for_a_change_keeps_records_queued]
            [consumer dropping_a_call_loses_nothing]
            [consumer aborted_records_are_gaps]
            [consumer nothing_behind_an_open_transaction_is_delivered]
            [consumer a_paused_consumer_is_given_nothing_and_loses_nothing]
            [consumer an_engine_that_takes_nothing_for_long_stays_a_member]
            [pattern a_pattern_matches_whole_names_and_topics_to_come]
            [pattern a_pattern_is_javas]
            [pattern a_pattern_that_means_nothing_is_told_and_waits_for_its_topics]
            [pattern a_topic_that_is_deleted_is_let_go_and_told]
            [pattern a_pattern_that_cannot_be_decided_fails]
            [pattern a_consumer_whose_pattern_means_nothing_closes_at_once]
            [group partitions_move_once_they_are_let_go]
            [group nothing_of_a_revoked_partition_follows]
            [group partitions_assigned_to_a_paused_member_wait]
            [group a_member_that_closes_leaves_its_partitions_to_others]
            [group an_expelled_member_hears_what_it_lost_and_joins_again]
            [group a_fenced_member_fails_and_its_commits_do_not_count]
            [group a_commit_that_is_refused_in_part_does_not_count]
            [group every_record_is_read_whatever_the_group_does]
        );
    };
    (@all $attributes:tt, $cluster:expr, $([$module:ident $case:ident])*) => {
        $($crate::kafka_contract!(@one $attributes, $cluster, $module $case);)*
    };
    (@one [$(#[$attribute:meta])*], $cluster:expr, $module:ident $case:ident) => {
        $(#[$attribute])*
        async fn $case() {
            $crate::conformance::ports::$module::$case(&$cluster).await;
        }
    };
}

/// One test per promise of [`rowtide_engine::ports::Log`], under these attributes. The closure opens the log: the first
/// time an empty one, later the same one again, after every earlier handle was dropped.
#[macro_export]
macro_rules! log_contract {
    ($attributes:tt, $open:expr) => {
        $crate::log_contract!(@all $attributes, $open,
            [records_come_back_in_their_order]
            [the_newest_record_of_a_key_counts_also_after_opening_again]
            [a_tombstone_is_no_empty_value]
            [texts_are_kept_to_the_byte]
            [other_bytes_are_kept_or_refused]
            [appends_at_the_same_time_all_count_and_keep_their_own_order]
            [an_append_of_nothing_is_harmless]
        );
    };
    (@all $attributes:tt, $open:expr, $([$case:ident])*) => {
        $($crate::log_contract!(@one $attributes, $open, $case);)*
    };
    (@one [$(#[$attribute:meta])*], $open:expr, $case:ident) => {
        $(#[$attribute])*
        async fn $case() {
            $crate::conformance::ports::log::$case($open).await;
        }
    };
}
