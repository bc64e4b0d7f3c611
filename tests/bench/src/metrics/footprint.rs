//! The worker without a connector: how much memory it takes, and how soon it answers.

use std::fs::File;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rowtide_api::{Error, ResultExt};
use rowtide_testkit::rest::call;
use rowtide_testkit::stack::root;

use crate::process;
use crate::ratio::{Ratios, Round};
use crate::report::{Aim, Line};
use crate::turns::{Turn, turns};

/// How long a worker that does not answer is waited for.
const PATIENCE: Duration = Duration::from_secs(20);
/// Pause between two attempts to connect: well below what is measured.
const ATTEMPT: Duration = Duration::from_micros(200);
/// After this long, what starting needed for a moment is given back.
const SETTLED: Duration = Duration::from_secs(2);
/// Over this long an idle worker's CPU time is looked at.
const IDLE: Duration = Duration::from_secs(5);
/// Starts are short: so many rounds for each that was asked for.
const STARTS: usize = 4;

/// Builds the worker as it is released; answers where it is. `ROWTIDE_BIN` names another one.
///
/// # Errors
/// When it cannot be built.
pub fn binary() -> Result<PathBuf, Error> {
    if let Some(path) = std::env::var_os("ROWTIDE_BIN") {
        return Ok(path.into());
    }
    let doing = "building the worker";
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--release", "--package", "rowtide-worker"])
        .current_dir(root())
        .status()
        .fatal(doing)?;
    let folder = std::env::current_exe().fatal(doing)?;
    let folder = folder.ancestors().nth(2).unwrap_or(&folder);
    match built.success() {
        true => Ok(folder.join("release/rowtide")),
        false => Err(Error::fatal(format!("{doing}: cargo ended with {built}"))),
    }
}

/// A worker without connectors; it ends with this.
struct Idle {
    process: Child,
    /// From `exec` to the first answer with 200.
    answered: Duration,
    _folder: tempfile::TempDir,
}

impl Idle {
    fn start(binary: &PathBuf) -> Result<Self, Error> {
        let doing = "starting a worker without connectors";
        let folder = tempfile::tempdir().fatal(doing)?;
        let port = || TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let (rest, registry) = (port().fatal(doing)?, port().fatal(doing)?);
        let properties = folder.path().join("worker.properties");
        // Nobody listens at this broker: without a connector no client is opened.
        let text = format!(
            "bootstrap.servers=127.0.0.1:1\n\
             key.converter=io.confluent.connect.avro.AvroConverter\n\
             value.converter=io.confluent.connect.avro.AvroConverter\n\
             offset.storage.file.filename={}\n\
             listeners=http://{rest}\n\
             rowtide.registry.listeners=http://{registry}\n",
            folder.path().join("state").display()
        );
        std::fs::write(&properties, text).fatal(doing)?;
        let log = File::create(folder.path().join("log")).fatal(doing)?;
        let begun = Instant::now();
        let process = Command::new(binary)
            .arg("standalone")
            .arg(&properties)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .fatal(doing)?;
        let mut idle = Self {
            process,
            answered: Duration::ZERO,
            _folder: folder,
        };
        let address = rest.to_string();
        while !call(&address, "GET", "/connectors", None).is_ok_and(|answer| answer.status == 200) {
            let ended = idle.process.try_wait().fatal(doing)?;
            if ended.is_some() || begun.elapsed() > PATIENCE {
                return Err(Error::fatal(format!("{doing}: it does not answer")));
            }
            std::thread::sleep(ATTEMPT);
        }
        idle.answered = begun.elapsed();
        Ok(idle)
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        // One that ended by itself is as gone.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Resident memory of an idle worker, beside that of a process that only sleeps.
///
/// # Errors
/// When it does not start.
pub fn idle_rss(binary: &PathBuf, pairs: usize) -> Result<Line, Error> {
    let doing = "measuring an idle worker";
    let (mut limit, mut ours) = (Vec::new(), Vec::new());
    let (mut threads, mut peak, mut cpu) = (0.0, 0.0f64, 0.0f64);
    for turn in turns(pairs) {
        match turn {
            Turn::Limit => {
                let mut sleeping = Command::new("sleep").arg("60").spawn().fatal(doing)?;
                std::thread::sleep(Duration::from_millis(50));
                limit.push(megabytes(sleeping.id(), "VmRSS")?);
                sleeping.kill().fatal(doing)?;
                sleeping.wait().fatal(doing)?;
            }
            Turn::Ours => {
                let worker = Idle::start(binary)?;
                let pid = worker.process.id();
                std::thread::sleep(SETTLED);
                let before = process::cpu(pid).unwrap_or_default();
                std::thread::sleep(IDLE);
                let used = process::cpu(pid).unwrap_or_default().saturating_sub(before);
                cpu = cpu.max(used.as_secs_f64() * 100.0 / IDLE.as_secs_f64());
                ours.push(megabytes(pid, "VmRSS")?);
                peak = peak.max(megabytes(pid, "VmHWM")?);
                threads = process::status(pid, "Threads").unwrap_or(0) as f64;
            }
        }
    }
    let more = vec![("threads", threads), ("rss_peak_mb", peak), ("cpu_percent", cpu)];
    Ok(line(
        "idle_rss",
        "MB",
        "sleep(1)",
        &limit,
        &ours,
        Aim::AtMost(20.0),
        more,
    ))
}

/// From `exec` to the first answer of the REST API, beside a program that ends at once.
///
/// # Errors
/// When it does not start.
pub fn start(binary: &PathBuf, pairs: usize) -> Result<Line, Error> {
    let (mut limit, mut ours) = (Vec::new(), Vec::new());
    for turn in turns(pairs * STARTS) {
        match turn {
            Turn::Limit => {
                let begun = Instant::now();
                Command::new("true").status().fatal("running true(1)")?;
                limit.push(milliseconds(begun.elapsed()));
            }
            Turn::Ours => ours.push(milliseconds(Idle::start(binary)?.answered)),
        }
    }
    Ok(line(
        "start",
        "ms",
        "true(1)",
        &limit,
        &ours,
        Aim::AtMost(100.0),
        Vec::new(),
    ))
}

fn line(
    metric: &str,
    unit: &'static str,
    limit_is: &'static str,
    limit: &[f64],
    ours: &[f64],
    aim: Aim,
    more: Vec<(&'static str, f64)>,
) -> Line {
    let rounds: Vec<_> = limit
        .chunks_exact(2)
        .zip(ours)
        .map(|(limit, ours)| Round {
            ours: *ours,
            limit: limit[0],
            again: limit[1],
        })
        .collect();
    Line {
        metric: metric.to_owned(),
        unit,
        limit: limit_is,
        ratios: Ratios::of(&rounds),
        aim,
        cpu: None,
        more,
    }
}

fn megabytes(pid: u32, field: &str) -> Result<f64, Error> {
    let kilobytes = process::status(pid, field);
    kilobytes
        .map(|kilobytes| kilobytes as f64 / 1000.0)
        .ok_or_else(|| Error::fatal(format!("the measured process {pid} has ended")))
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
