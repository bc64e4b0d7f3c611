//! The scheduled HTTP source: `dev.rowtide.HttpSourceConnector`, so far with the preset `randomuser`.
//!
//! One run of the schedule is one task with a source partition of its own. How a run travels:
//!
//! 1. [`task`] takes the run's slot; its text is the seed, so that a repeated run meets the same users.
//! 2. [`request`] builds the URL; [`fetch`] sends it, bounded in time and bytes.
//! 3. [`errors`] says of every answer that is no page of users whether to ask again or to give up.
//! 4. [`decode`] reads the page, all of it or nothing; [`randomuser`] turns each user into a record.
//! 5. [`task`] hands out the records in batches. The offset behind each says how many of the page are done, so that an
//!    interrupted run asks for the same page again and goes on behind them.
//!
//! Guarantee: at least once per slot. A run is finished when `poll` answers `None`, whether or not it had to fetch.

mod check;
pub mod config;
pub mod decode;
pub mod errors;
mod fetch;
pub mod randomuser;
pub mod request;
pub mod task;

use std::num::NonZeroU32;
use std::sync::Arc;

use rowtide_api::source::{ExactlyOnce, SourceConnector, SourceContext, TaskSpec};
use rowtide_api::{ConfigReport, Error, Plugin};

use config::HttpConfig;
use fetch::Fetcher;
use task::HttpTask;

/// The connector: its configuration, and the connection pool that the tasks of its runs share.
#[derive(Debug)]
pub struct HttpSource {
    config: Arc<HttpConfig>,
    fetcher: Fetcher,
}

impl Plugin for HttpSource {
    const CLASS: &'static str = "dev.rowtide.HttpSourceConnector";
    const ALIASES: &'static [&'static str] = &["RandomUserSource", "dev.rowtide.RandomUserSource"];
    type Config = HttpConfig;

    async fn check(config: &HttpConfig, report: &mut ConfigReport) {
        check::probe(config, report).await;
    }
}

impl SourceConnector for HttpSource {
    const SCHEDULED: bool = true;
    type Task = HttpTask;

    /// The offset says exactly which records of the page are done, and the page is the same on every attempt.
    fn exactly_once(_config: &HttpConfig) -> ExactlyOnce {
        ExactlyOnce::Supported { boundaries: false }
    }

    fn open(config: HttpConfig) -> Result<Self, Error> {
        let fetcher = Fetcher::new(&config.http)?;
        Ok(Self {
            config: Arc::new(config),
            fetcher,
        })
    }

    /// One task: the engine starts it once per run.
    async fn plan(&self, _max_tasks: NonZeroU32) -> Result<Vec<TaskSpec>, Error> {
        Ok(vec![TaskSpec::default()])
    }

    async fn start(&self, context: SourceContext, _spec: TaskSpec) -> Result<HttpTask, Error> {
        HttpTask::new(self.config.clone(), self.fetcher.clone(), context)
    }
}
