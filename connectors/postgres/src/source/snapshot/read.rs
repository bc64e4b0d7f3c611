//! Reads the tables: one session, one transaction, one COPY after the other, handed on in bounded parts.

use rowtide_api::data::Buffer;
use rowtide_api::{Error, ResultExt, failpoint};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::Instrument as _;

use crate::connection::copy_both::error_in_stream;
use crate::connection::{Mode, Purpose, Settings, Wire};
use crate::errors::ServerError;
use crate::identifier::{literal, quoted};
use crate::source::record::malformed;
use crate::source::replication::pgoutput::Relation;
use crate::source::replication::relations::TablePlan;

/// Room for a read: what a COPY sends in a few milliseconds.
const READ_BYTES: usize = 256 << 10;
/// Parts waiting; with a read each, some megabytes at most, whatever the size of a table (PG-159).
const PARTS_MAX: usize = 8;

/// Something of a table.
#[derive(Debug)]
pub(super) enum Part {
    /// Complete frames of its COPY.
    Rows {
        /// Which table.
        table: usize,
        /// The frames.
        buffer: Buffer,
        /// How far they are decoded.
        at: usize,
    },
    /// The table is complete.
    End(usize),
}

/// The reader's end; the channel closes after the last table. Dropping it ends the reader and its session.
pub(super) struct Reader {
    pub(super) parts: mpsc::Receiver<Result<Part, Error>>,
    task: JoinHandle<()>,
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The SELECT inside a table's COPY: captured columns only, in catalogue order (PG-150). The children of an inheritance
/// parent are tables of their own; a partitioned table's rows all lie in its partitions, and go out under its name (PG-157).
pub(super) fn select(relation: &Relation, kind: u8, plan: &TablePlan) -> String {
    let captured = relation
        .columns
        .iter()
        .zip(&plan.columns)
        .filter(|(_, plan)| plan.is_some());
    let columns: Vec<_> = captured.map(|(column, _)| quoted(&column.name)).collect();
    let only = if kind == b'p' { "" } else { "ONLY " };
    format!(
        "SELECT {} FROM {only}{}",
        columns.join(", "),
        relation.name.quoted()
    )
}

/// Starts reading.
pub(super) fn start(settings: Settings, exporter: Wire, snapshot: String, selects: Vec<String>) -> Reader {
    let (out, parts) = mpsc::channel(PARTS_MAX);
    let reading = async move {
        if let Err(error) = read_all(&settings, exporter, &snapshot, &selects, &out).await {
            // When the consumer is gone, so is the interest in the error.
            let _ = out.send(Err(error)).await;
        }
    };
    let task = tokio::spawn(reading.in_current_span());
    Reader { parts, task }
}

async fn read_all(
    settings: &Settings,
    exporter: Wire,
    snapshot: &str,
    selects: &[String],
    out: &mpsc::Sender<Result<Part, Error>>,
) -> Result<(), Error> {
    let mut wire = Wire::open(settings, Purpose::Snapshot, Mode::Query).await?;
    // `row_security = off` makes a policy that would hide rows an error instead of a gap.
    let begin = format!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT {}; SET LOCAL row_security = off; \
         SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0",
        literal(snapshot)
    );
    wire.query(&begin, "importing the slot's snapshot").await?;
    // Imported: the exporting session has done its part. A temporary slot vanishes with it.
    exporter.close().await;
    failpoint::hit("postgres.snapshot_begun");
    for (table, select) in selects.iter().enumerate() {
        wire = read_table(wire, table, select, out).await?;
        if out.send(Ok(Part::End(table))).await.is_err() {
            return Ok(());
        }
    }
    wire.query("COMMIT", "ending the snapshot").await?;
    wire.close().await;
    Ok(())
}

async fn read_table(
    wire: Wire,
    table: usize,
    select: &str,
    out: &mpsc::Sender<Result<Part, Error>>,
) -> Result<Wire, Error> {
    let doing = format!("reading rows by {select}");
    let mut stream = wire
        .copy_out(&format!("COPY ({select}) TO STDOUT"), &doing)
        .await?;
    let (mut ready, mut failure): (bool, Option<ServerError>) = (false, None);
    loop {
        // First what came with the answer to the COPY: a small table arrives with it as a whole.
        stream
            .scan(|tag, body| match tag {
                b'E' => failure = Some(error_in_stream(body)),
                b'Z' => ready = true,
                _ => {}
            })
            .map_err(malformed)?;
        let bytes = stream.take();
        if !bytes.is_empty() {
            let part = Part::Rows {
                table,
                buffer: Buffer::new(bytes),
                at: 0,
            };
            if out.send(Ok(part)).await.is_err() {
                return Err(Error::fatal("the task that owns this snapshot is gone"));
            }
        }
        if ready {
            break;
        }
        if stream.read(READ_BYTES).await.retriable(doing.as_str())? == 0 {
            return Err(Error::retriable(doing).hint("the server closed the connection"));
        }
    }
    match failure {
        Some(error) => Err(error.into_error(doing)),
        None => Ok(stream.into_wire()),
    }
}
