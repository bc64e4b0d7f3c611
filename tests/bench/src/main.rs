//! `cargo bench-limits`: the command line, the servers, and the metrics one after the other.

use std::io::Write as _;
use std::process::ExitCode;

use mimalloc::MiMalloc;
use rowtide_api::{Error, ResultExt};
use rowtide_bench::arguments::{Arguments, USAGE};
use rowtide_bench::database::{Database, FAST, Shape, Written};
use rowtide_bench::metrics::{encode, footprint, latency, stream};
use rowtide_bench::ours::Registry;
use rowtide_bench::report::Line;
use rowtide_bench::{replay, topic};
use rowtide_testkit::stack::Stack;

/// The worker's.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Metrics that need servers.
const SERVED: [&str; 6] = [
    "encode",
    "stream_null_tx100",
    "stream_null_tx1",
    "stream_null_tx1m",
    "stream_kafka",
    "latency_record",
];
/// Metrics of the worker by itself.
const ALONE: [&str; 2] = ["idle_rss", "start"];
/// The command line is wrong.
const WRONG_USAGE: u8 = 2;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next();
    match command.as_deref() {
        Some("limits") => {}
        // For whoever works on this crate; README.md says when.
        Some("record") => return run(replay::record()),
        Some(encoder @ ("replay-ours" | "replay-hand")) => {
            let passes = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(1);
            let encoded = replay::encode(encoder == "replay-hand", passes);
            return run(async { encoded.await.map(|count| say(&format!("{count} records\n"))) });
        }
        Some("-h" | "--help") | None => {
            say(USAGE);
            return ExitCode::SUCCESS;
        }
        Some(other) => return wrong(&format!("unknown command {other}")),
    }
    match Arguments::parse(arguments) {
        Ok(arguments) => run(measure(&arguments)),
        Err(why) => wrong(&why),
    }
}

fn run(work: impl Future<Output = Result<(), Error>>) -> ExitCode {
    // As the worker builds it.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.fatal("starting the runtime");
    match runtime.and_then(|runtime| runtime.block_on(work)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut text = format!("{error}\n");
            for cause in error.chain() {
                text.push_str(&format!("  because: {cause}\n"));
            }
            tell(&text);
            ExitCode::FAILURE
        }
    }
}

async fn measure(arguments: &Arguments) -> Result<(), Error> {
    if arguments.wants(&SERVED) {
        on_servers(arguments).await?;
    }
    if arguments.wants(&ALONE) {
        let binary = footprint::binary()?;
        for metric in &arguments.metrics {
            match *metric {
                "idle_rss" => show(arguments, &footprint::idle_rss(&binary, arguments.pairs)?),
                "start" => show(arguments, &footprint::start(&binary, arguments.pairs)?),
                _ => {}
            }
        }
    }
    Ok(())
}

async fn on_servers(arguments: &Arguments) -> Result<(), Error> {
    let with_kafka = arguments.wants(&["stream_kafka", "latency_record"]);
    let services: &[&str] = if with_kafka {
        &["postgres", "kafka"]
    } else {
        &["postgres"]
    };
    let stack = Stack::tuned(services, FAST);
    let mut database = Database::prepare(&stack, arguments.rows).await?;
    tell(&format!("{}\n", database.describe().await?));
    let registry = Registry::start().await?;
    let (url, pairs) = (registry.url.as_str(), arguments.pairs);
    let mut hundreds = None;
    for metric in arguments.metrics.iter().filter(|metric| SERVED.contains(metric)) {
        let written = match *metric {
            "latency_record" => database.publish("latency").await?,
            "stream_null_tx1" => database.write(Shape::Singles, arguments.rows).await?,
            "stream_null_tx1m" => database.write(Shape::Whole, arguments.rows).await?,
            _ => hundreds_of(&database, arguments, &mut hundreds).await?,
        };
        let line = match *metric {
            "latency_record" => {
                latency::measure(&mut database, &written, url, &topic::cluster(&stack), pairs).await?
            }
            "stream_kafka" => {
                stream::into_kafka(&mut database, &written, url, &topic::cluster(&stack), pairs).await?
            }
            "encode" => encode::measure(&mut database, &written, url, pairs).await?,
            _ => stream::into_nothing(&mut database, &written, url, metric, pairs).await?,
        };
        show(arguments, &line);
    }
    Ok(())
}

/// The WAL of transactions of 100 rows, written when the first metric wants it.
async fn hundreds_of(
    database: &Database,
    arguments: &Arguments,
    hundreds: &mut Option<Written>,
) -> Result<Written, Error> {
    if let Some(written) = hundreds {
        return Ok(written.clone());
    }
    let written = database.write(Shape::Hundreds, arguments.rows).await?;
    Ok(hundreds.insert(written).clone())
}

fn show(arguments: &Arguments, line: &Line) {
    if arguments.json {
        say(&format!("{}\n", line.json()));
    } else {
        say(&line.text());
    }
}

fn wrong(why: &str) -> ExitCode {
    tell(&format!("{why}\n{USAGE}"));
    ExitCode::from(WRONG_USAGE)
}

/// Results; a closed pipe is the reader's choice.
fn say(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Everything else goes where it does not mix with results.
fn tell(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}
