//! What the engine asks of every log, asked of the file.

use std::future::{Ready, ready};
use std::sync::Arc;

use rowtide_engine::ports::Log;

use super::tests::reopened;
use super::{Kind, Section};

/// Opens a section of the same file each time.
fn opens() -> impl Fn() -> Ready<Arc<dyn Log>> {
    let folder = tempfile::tempdir().expect("a folder");
    move || {
        let log = reopened(Kind::State, &folder.path().join("state"));
        ready(Arc::new(log.section(Section::Config)))
    }
}

rowtide_testkit::log_contract!([#[tokio::test]], opens());
