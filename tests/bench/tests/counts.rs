//! On a real server: the bare reader and our source count the same changes, whatever the shape of the transactions.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use rowtide_bench::database::{Database, FAST, Shape};
use rowtide_bench::ours::{NullProducer, Ours, Registry, chain, properties};
use rowtide_bench::raw;
use rowtide_testkit::stack::Stack;

/// PF-092, PF-097: each run reads a copy of the same slot to its end, and what both count is what the table holds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bare_reader_and_our_source_count_what_the_table_holds() {
    let stack = Stack::tuned(&["postgres"], FAST);
    let mut database = Database::prepare(&stack, 3000).await.unwrap();
    let registry = Registry::start().await.unwrap();
    for (shape, rows) in [
        (Shape::Hundreds, 3001),
        (Shape::Singles, 1001),
        (Shape::Whole, 3001),
    ] {
        let written = database.write(shape, 3000).await.unwrap();
        assert_eq!(written.changes, rows);
        let slot = database.copy_slot(&written).await.unwrap();
        let (address, options, end) = (database.address.clone(), written.options(), written.end);
        let name = slot.clone();
        let reading = tokio::task::spawn_blocking(move || raw::read(&address, &name, &options, end));
        assert_eq!(reading.await.unwrap().unwrap().changes, rows, "{shape:?}");
        database.drop_slot(&slot).await.unwrap();

        let slot = database.copy_slot(&written).await.unwrap();
        let producer = Arc::new(NullProducer::default());
        let ours = Ours {
            properties: properties(&database, &written, &slot, "bench"),
            chain: chain(&registry.url).unwrap(),
            producer: producer.clone(),
        };
        let acknowledged = ours.start().await.unwrap().finish(written.end).await.unwrap();
        assert_eq!((acknowledged, producer.records()), (rows, rows), "{shape:?}");
        database.drop_slot(&slot).await.unwrap();
    }
}
