//! What the hot path asks of the allocator, counted: a figure that is the same on every machine.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

use rowtide_bench::capture::Encoder;
use rowtide_bench::golden;
use rowtide_bench::ours::{Registry, chain, config};

/// Counts while a test looks.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: everything is the system's; only a counter is added.
#[allow(unsafe_code, reason = "an allocator cannot be counted otherwise")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// The row, the source block, the envelope, the key, the list of headers: one each. Nothing per field, and nothing for
/// the bytes a record becomes.
const PER_RECORD_MAX: f64 = 5.0;
/// What a whole pass may take besides: its first buffers, the plan of its table, its batches.
const PER_PASS_MAX: f64 = 300.0;

/// PF-028, PF-030.
#[tokio::test]
async fn a_record_takes_one_allocation_per_struct_and_none_per_field() {
    let registry = Registry::start().await.unwrap();
    let captured = golden::captured().unwrap();
    let mut encoder = Encoder::new(
        config(&golden::properties()).unwrap(),
        chain(&registry.url).unwrap(),
        None,
    );
    // The first pass asks the registry and fills what later ones use again.
    encoder.encode(&captured, 0, |_| {}).await.unwrap();
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    let records = encoder.encode(&captured, 0, |_| {}).await.unwrap();
    let made = (ALLOCATIONS.load(Ordering::Relaxed) - before) as f64;
    let allowed = PER_PASS_MAX + PER_RECORD_MAX * records as f64;
    assert!(
        made <= allowed,
        "{made} allocations for {records} records, {allowed} are allowed"
    );
}
