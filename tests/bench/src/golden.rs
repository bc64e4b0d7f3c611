//! What a real server sent for a few transactions of `bench`, in `golden/`: for tests, and for a profiler that wants the
//! same work each time. `rowtide-bench record` writes it anew.

use std::fs;
use std::path::{Path, PathBuf};

use rowtide_api::config::Properties;
use rowtide_api::{Error, ResultExt};

use crate::capture::{Captured, CatalogueRows};

/// Rows that are written: two transactions of 100, and one of a row that is almost empty.
pub const ROWS: u64 = 200;
/// Changes among the frames.
pub const CHANGES: u64 = ROWS + 1;
/// The id of the value's schema in a new registry: keys are registered first.
pub const VALUE_SCHEMA: i32 = 2;

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(name)
}

/// The frames and the catalogue's answer.
///
/// # Errors
/// The files', and those of their content.
pub fn captured() -> Result<Captured, Error> {
    let doing = "reading the golden capture";
    let frames = fs::read(path("tx100.frames")).fatal(doing)?;
    let catalogue = fs::read(path("tx100.catalogue.json")).fatal(doing)?;
    let rows: Vec<Vec<Option<String>>> = serde_json::from_slice(&catalogue).fatal(doing)?;
    Captured::new(&frames, &rows)
}

/// Writes both files.
///
/// # Errors
/// The files'.
pub fn store(frames: &[u8], catalogue: &CatalogueRows) -> Result<(), Error> {
    let doing = "writing the golden capture";
    let lines: Vec<_> = catalogue
        .iter()
        .map(|row| serde_json::json!(row).to_string())
        .collect();
    fs::write(path("tx100.frames"), frames).fatal(doing)?;
    fs::write(
        path("tx100.catalogue.json"),
        format!("[\n{}\n]\n", lines.join(",\n")),
    )
    .fatal(doing)
}

/// The source's configuration for it; nothing is connected.
pub fn properties() -> Properties {
    [
        ("topic.prefix", "bench"),
        ("database.hostname", "localhost"),
        ("database.user", "postgres"),
        ("database.dbname", "bench"),
        ("plugin.name", "pgoutput"),
        ("table.include.list", "public.cdc_tx100"),
    ]
    .into_iter()
    .collect()
}
