//! No container outlives the process that started it: statics are not dropped, and a process may be killed.
//!
//! testcontainers' own watchdog knows three signals and no SIGKILL, and its reaper is one more image. Here another process
//! waits for the end of a pipe that only this process holds open (Rust gives it to no child), and removes what has the label.

use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use super::LABEL;

/// The process that waits.
#[derive(Debug)]
pub(super) struct Guard {
    child: Child,
}

impl Guard {
    /// Starts it, before the first container.
    pub(super) fn new(label: &str) -> Self {
        let script = "cat >/dev/null; ids=$(docker ps -aq --filter \"label=$1\") && [ -z \"$ids\" ] || docker rm -fv $ids";
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh", &format!("{LABEL}={label}")]);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        // Not of the terminal's foreground group: an interrupt there is for the tests.
        command.process_group(0);
        let child = command.spawn().expect("a shell can be started");
        Self { child }
    }

    /// Lets it look once more, and end.
    pub(super) fn dismiss(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
