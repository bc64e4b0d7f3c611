//! Live check: does anyone answer at `http.url`? Only ever a warning: a run may find the server back.

use std::time::Duration;

use rowtide_api::ConfigReport;

use crate::config::HttpConfig;
use crate::decode::{Page, page};
use crate::errors;
use crate::fetch::Fetcher;
use crate::request;

/// Whoever validates waits for the answer: longer than this a form feels broken.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

/// Asks for one user.
pub(crate) async fn probe(config: &HttpConfig, report: &mut ConfigReport) {
    let mut http = config.http.clone();
    http.timeout = http.timeout.min(PROBE_TIMEOUT);
    let fetcher = match Fetcher::new(&http) {
        Ok(fetcher) => fetcher,
        Err(error) => return report.error("http.url", error.to_string()),
    };
    let url = request::probe(config);
    let warning =
        match fetcher.get(&url).await {
            Err(error) => Some(error),
            Ok(answer) => errors::of_status(answer.status, &url, answer.location.as_deref()).or_else(|| {
                match page(&answer.body) {
                    Page::Users { .. } => None,
                    Page::Error(message) => Some(errors::reported(&url, &message)),
                    Page::Other(reason) => Some(errors::not_users(&url, &reason)),
                }
            }),
        };
    if let Some(warning) = warning {
        report.warn("http.url", warning.to_string());
    }
}
