//! What a log promises.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use rowtide_engine::ports::{Log, LogRecord};

/// The newest value of each key that is there.
async fn newest(log: &dyn Log) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut newest = BTreeMap::new();
    for record in log.read_all().await.expect("the log can be read") {
        match record.value {
            Some(value) => newest.insert(record.key, value),
            None => newest.remove(&record.key),
        };
    }
    newest
}

async fn append(log: &dyn Log, records: Vec<LogRecord>) {
    log.append(records).await.expect("the log can be written");
}

/// Records come back oldest first, over several appends.
pub async fn records_come_back_in_their_order<F: Future<Output = Arc<dyn Log>>>(open: impl Fn() -> F) {
    let log = open().await;
    let record = |n: u32| LogRecord::set(format!("k{n}"), format!("v{n}"));
    append(&*log, (0..3).map(record).collect()).await;
    append(&*log, (3..5).map(record).collect()).await;
    let all: Vec<_> = (0..5).map(record).collect();
    assert_eq!(log.read_all().await.expect("the log can be read"), all);
    drop(log);
    assert_eq!(open().await.read_all().await.expect("the log can be read"), all);
}

/// The newest record of a key counts, whatever was kept of the older ones.
pub async fn the_newest_record_of_a_key_counts_also_after_opening_again<F: Future<Output = Arc<dyn Log>>>(
    open: impl Fn() -> F,
) {
    for round in 0..4 {
        let log = open().await;
        for n in 0..50 {
            append(
                &*log,
                vec![LogRecord::set(format!("k{}", n % 5), format!("{round}-{n}"))],
            )
            .await;
        }
        let expected: BTreeMap<_, _> = (45..50)
            .map(|n| {
                (
                    format!("k{}", n % 5).into_bytes(),
                    format!("{round}-{n}").into_bytes(),
                )
            })
            .collect();
        assert_eq!(newest(&*log).await, expected);
        drop(log);
        assert_eq!(newest(&*open().await).await, expected);
    }
}

/// A null value removes a key; an empty one, where the log can hold it, is a value.
pub async fn a_tombstone_is_no_empty_value<F: Future<Output = Arc<dyn Log>>>(open: impl Fn() -> F) {
    let log = open().await;
    append(&*log, vec![LogRecord::set("a", "1"), LogRecord::set("b", "2")]).await;
    let gone = ["a", "never there"].map(LogRecord::tombstone);
    append(&*log, gone.into()).await;
    let holds_empty = log.append(vec![LogRecord::set("b", "")]).await.is_ok();
    let b = if holds_empty { Vec::new() } else { b"2".to_vec() };
    let expected = BTreeMap::from([(b"b".to_vec(), b)]);
    assert_eq!(newest(&*log).await, expected);
    drop(log);
    let log = open().await;
    assert_eq!(newest(&*log).await, expected);
    append(&*log, vec![LogRecord::set("a", "again")]).await;
    assert_eq!(newest(&*log).await.get(b"a".as_slice()), Some(&b"again".to_vec()));
}

/// What JSON texts are made of, larger than any buffer too, is kept to the byte.
pub async fn texts_are_kept_to_the_byte<F: Future<Output = Arc<dyn Log>>>(open: impl Fn() -> F) {
    let log = open().await;
    let records = vec![
        LogRecord::set(
            "[\"c\",{\"table\":\"größe\"}]",
            r#"{"path":"C:\\temp\\new","tab":"\t"}"#,
        ),
        LogRecord::set("large", vec![b'x'; 300_000]),
        LogRecord::set("status-topic-a b-connector-c", "0"),
    ];
    append(&*log, records.clone()).await;
    drop(log);
    let read = open().await.read_all().await.expect("the log can be read");
    assert_eq!(read, records);
}

/// Line ends, zeros, invalid UTF-8, an empty key: kept as they are, or the append is refused and nothing of it is there.
pub async fn other_bytes_are_kept_or_refused<F: Future<Output = Arc<dyn Log>>>(open: impl Fn() -> F) {
    let log = open().await;
    append(&*log, vec![LogRecord::set("before", "1")]).await;
    let mut expected = vec![LogRecord::set("before", "1")];
    let every: Vec<u8> = (0..=255).collect();
    for odd in [
        LogRecord::set(every.clone(), "every byte"),
        LogRecord::set("every byte", every),
        LogRecord::set(b"\n\r\0".to_vec(), "ends"),
        LogRecord::set(Vec::new(), "the empty key"),
        LogRecord::set("high", vec![0xff, 0xfe]),
    ] {
        let both = vec![LogRecord::set("beside", "2"), odd];
        if log.append(both.clone()).await.is_ok() {
            expected.extend(both);
        }
    }
    append(&*log, vec![LogRecord::set("after", "3")]).await;
    expected.push(LogRecord::set("after", "3"));
    drop(log);
    let read = open().await.read_all().await.expect("the log can be read");
    assert_eq!(read, expected);
}

/// Appends that overlap are all durable once each has answered, and the records of each keep their order.
pub async fn appends_at_the_same_time_all_count_and_keep_their_own_order<F: Future<Output = Arc<dyn Log>>>(
    open: impl Fn() -> F,
) {
    let log = open().await;
    let appends = (0..8).map(|writer: u32| {
        let log = log.clone();
        tokio::spawn(async move {
            for round in 0..10 {
                let record = |n: u32| LogRecord::set(format!("{writer}-{round}-{n}"), n.to_string());
                append(&*log, (0..3).map(record).collect()).await;
            }
        })
    });
    for append in appends.collect::<Vec<_>>() {
        append.await.expect("the appends end");
    }
    drop(log);
    let read = open().await.read_all().await.expect("the log can be read");
    assert_eq!(read.len(), 240);
    for writer in 0..8 {
        let prefix = format!("{writer}-");
        let own: Vec<_> = read
            .iter()
            .filter(|record| record.key.starts_with(prefix.as_bytes()))
            .collect();
        let expected =
            (0..10).flat_map(|round| (0..3).map(move |n| format!("{writer}-{round}-{n}").into_bytes()));
        assert!(
            own.iter().map(|record| record.key.clone()).eq(expected),
            "writer {writer}"
        );
    }
}

/// An append of no records answers and changes nothing.
pub async fn an_append_of_nothing_is_harmless<F: Future<Output = Arc<dyn Log>>>(open: impl Fn() -> F) {
    let log = open().await;
    append(&*log, Vec::new()).await;
    append(&*log, vec![LogRecord::set("a", "1")]).await;
    append(&*log, Vec::new()).await;
    assert_eq!(
        log.read_all().await.expect("the log can be read"),
        [LogRecord::set("a", "1")]
    );
}
