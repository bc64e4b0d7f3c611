//! What Linux counts of a process: CPU time, memory, threads.

use std::fs;
use std::time::Duration;

/// Ticks per second of the times in `/proc/PID/stat`: fixed in the kernel's interface.
const TICKS_PER_SECOND: u64 = 100;

/// User and system time of all threads of a process; `None` once it is gone.
pub fn cpu(pid: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold anything, also spaces and brackets.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let ticks = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
}

/// User and system time of this process.
pub fn own_cpu() -> Duration {
    cpu(std::process::id()).unwrap_or_default()
}

/// A number of `/proc/PID/status`, such as `VmRSS` (kB) or `Threads`; `None` once the process is gone.
pub fn status(pid: u32, field: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Begins a new maximum of this process's resident memory; a kernel that does not let us keeps the old one.
pub fn forget_peak() {
    // Nothing depends on it but the one figure, which then is an upper bound.
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// The greatest resident memory of this process since [`forget_peak`], in MB.
pub fn own_peak_mb() -> f64 {
    status(std::process::id(), "VmHWM").unwrap_or(0) as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_threads_and_time() {
        let pid = std::process::id();
        assert!(cpu(pid).is_some() && status(pid, "VmRSS").unwrap() > 100);
        assert!(status(pid, "Threads").unwrap() >= 1 && status(pid, "Nothing").is_none());
        assert!(own_peak_mb() > 0.1);
    }
}
