//! The promises of a source and of a configuration, kept by the HTTP source against the randomuser-compatible server.

#![allow(
    clippy::unwrap_used,
    reason = "tests say what they expect by panicking, helpers of tests too"
)]

use rowtide_api::source::{Run, Trigger};
use rowtide_api::{Properties, Record, SourcePartition};
use rowtide_http::HttpSource;
use rowtide_testkit::conformance::source::{Breakable, Upstream};
use rowtide_testkit::randomuser::{Fault, RandomUser};
use rowtide_testkit::rest::call;

/// The users of one run: a page that is handed out in three batches.
struct Page(RandomUser);

const QUERY: &str = "/api/1.4/?results=2001&seed=2026-01-05T10:00:00Z";

impl Upstream for Page {
    type Connector = HttpSource;
    const ENDLESS: bool = false;

    async fn prepare() -> Self {
        Self(RandomUser::start().await.unwrap())
    }

    fn properties(&self) -> Properties {
        let url = self.0.url();
        Properties::from_iter([
            ("preset", "randomuser"),
            ("results", "2001"),
            ("http.retry.backoff.ms", "10"),
            ("http.retry.backoff.max.ms", "20"),
            ("http.url", &url),
        ])
    }

    fn run(&self) -> Option<Run> {
        Some(Run {
            slot_ms: 1_767_607_200_000, // 2026-01-05T10:00:00Z
            trigger: Trigger::Schedule,
            attempt: 1,
            parameters: Properties::new(),
            partition: SourcePartition::new().with("run", "2026-01-05T10:00:00Z"),
            resume: None,
            previous: None,
        })
    }

    async fn produce(&mut self) -> Vec<String> {
        let url = self.0.url();
        let address = url.strip_prefix("http://").unwrap().split('/').next().unwrap();
        let page = call(address, "GET", QUERY, None).unwrap().json();
        let users = page["results"].as_array().unwrap().iter();
        users
            .map(|user| user["login"]["uuid"].as_str().unwrap().to_owned())
            .collect()
    }

    fn identity(record: &Record) -> Option<String> {
        let key = record.key.value.as_struct()?;
        Some(key.get("id")?.as_str()?.to_owned())
    }
}

impl Breakable for Page {
    async fn break_off(&mut self) {
        self.0.fault(Fault::Truncated, 1);
    }
}

rowtide_testkit::conformance::source!(Page, breaks);

rowtide_testkit::conformance::config!(
    http_source: HttpSource,
    [("preset", "randomuser")],
    "golden/http_source.json"
);
