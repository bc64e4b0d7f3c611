//! What every connector, converter and configuration must show: suites of named tests that an implementation passes by
//! describing itself.
//!
//! A suite is a trait and a macro. The trait is what the suite needs of the world around the implementation (how to
//! prepare an upstream, how to read the rows back); the macro makes one test per promise of the contract:
//!
//! | Suite | The world | Promises from |
//! |---|---|---|
//! | [`source!`](crate::conformance_source) | [`source::Upstream`], with [`source::Releasing`] and [`source::Breakable`] where they apply | `rowtide_api::source` |
//! | [`sink!`](crate::conformance_sink) | [`sink::Downstream`] | `rowtide_api::sink` |
//! | [`converter!`](crate::conformance_converter) | [`converter::Format`], with [`converter::Registered`] where schemas are fetched | `rowtide_api::convert` |
//! | [`config!`](crate::conformance_config) | a plugin, its smallest configuration, a golden file | `rowtide_api::config` |
//!
//! The engine's ports have suites of their own, see [`ports`]. `tests/a_connector.rs` of this crate shows a whole connector under its suites.

pub mod config;
pub mod converter;
pub mod generated;
pub mod ports;
pub mod sink;
pub mod source;

pub use crate::{
    conformance_config as config, conformance_converter as converter, conformance_sink as sink,
    conformance_source as source,
};

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

/// Longer than anything in a suite takes on a busy machine; what takes longer does not come.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How long a suite looks on for something that must not happen.
const LOOKING_ON: Duration = Duration::from_millis(100);

/// Runs one test of a suite on a runtime of its own.
///
/// # Panics
/// When the test does, or there is no runtime.
pub fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime can be built")
        .block_on(test)
}

/// Awaits a future for at most [`PATIENCE`].
///
/// # Panics
/// With `what` when the time is over.
pub async fn in_time<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(output) => output,
        Err(_) => panic!("{what}: not within {} s", PATIENCE.as_secs()),
    }
}

/// Polls a future `polls` times, each when it was woken, then drops it. `None`: it was dropped unfinished.
pub async fn dropped_after<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// The plugin's settings.
///
/// # Panics
/// With every finding when they do not parse.
pub fn settings<C: rowtide_api::Config>(properties: &rowtide_api::Properties) -> C {
    let (settings, report) = rowtide_api::ConfigReport::read::<C>(properties);
    settings.unwrap_or_else(|| panic!("{:#?}", report.errors()))
}

/// An error with its causes, for messages.
pub fn whole(error: &rowtide_api::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain() {
        text.push_str(": ");
        text.push_str(&cause);
    }
    text
}
