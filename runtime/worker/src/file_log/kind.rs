//! Sans-I/O: the two files of a standalone worker, and how their messages call them.

use std::path::Path;

use rowtide_api::{Error, failpoint};

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The worker's state: connectors, offsets, statuses, runs.
    State,
    /// The embedded registry's schemas, in the records of the `_schemas` topic (AV-108).
    Schemas,
}

impl Kind {
    /// The first line.
    pub(super) fn header(self) -> &'static str {
        match self {
            Self::State => "rowtide-state 2\n",
            Self::Schemas => "rowtide-registry 1\n",
        }
    }

    /// Whether a deletion outlives compaction. In the registry it does: it says that its version was used (AV-107).
    pub(super) fn keeps_deletions(self) -> bool {
        self == Self::Schemas
    }

    /// The name of the thread that owns the file.
    pub(super) fn thread(self) -> &'static str {
        match self {
            Self::State => "state-file",
            Self::Schemas => "registry-file",
        }
    }

    /// The failpoint between a write and its sync.
    pub(super) fn appended(self) {
        match self {
            Self::State => failpoint::hit("state.appended"),
            Self::Schemas => failpoint::hit("registry.appended"),
        }
    }

    /// The failpoint between a sync and its answer.
    pub(super) fn synced(self) {
        match self {
            Self::State => failpoint::hit("state.synced"),
            Self::Schemas => failpoint::hit("registry.synced"),
        }
    }

    /// The failpoints around the rename of a compaction; the registry hardly ever has one.
    pub(super) fn before_rename(self) {
        if self == Self::State {
            failpoint::hit("state.before_rename");
        }
    }

    /// See [`Kind::before_rename`].
    pub(super) fn renamed(self) {
        if self == Self::State {
            failpoint::hit("state.renamed");
        }
    }

    /// The file, for a message.
    pub(super) fn shown(self, path: &Path) -> String {
        let name = match self {
            Self::State => "the state file",
            Self::Schemas => "the registry's file",
        };
        format!("{name} {}", path.display())
    }

    /// How to do without this file.
    fn elsewhere(self) -> &'static str {
        match self {
            Self::State => "set offset.storage.file.filename to another file",
            Self::Schemas => {
                "set offset.storage.file.filename to another file, which the registry's lies beside, or leave \
                 rowtide.registry.listeners empty to do without the embedded registry"
            }
        }
    }

    pub(super) fn inaccessible(self, doing: &str, path: &Path, cause: std::io::Error) -> Error {
        let elsewhere = self.elsewhere();
        Error::fatal(format!("{doing} {}", self.shown(path)))
            .hint(format!(
                "create its folder and let the worker write there, or {elsewhere}"
            ))
            .because(cause)
    }

    pub(super) fn in_use(self, path: &Path) -> Error {
        Error::fatal(format!("{} is in use by another worker", self.shown(path)))
            .hint(format!("stop that one, or {}", self.elsewhere()))
    }

    pub(super) fn damaged(self, path: &Path, line: usize) -> Error {
        Error::fatal(format!("{} is damaged in line {line}", self.shown(path))).hint(
            "restore it from a copy, or remove that line: what it held is lost then; it was not touched",
        )
    }

    pub(super) fn foreign(self, path: &Path, bytes: &[u8]) -> Error {
        let shown = path.display();
        let elsewhere = self.elsewhere();
        if rowtide_java::serialization::is_java_stream(bytes) {
            return Error::fatal(format!(
                "{shown} is an offset file of Java's Kafka Connect and stays as it is"
            ))
            .hint(format!("{elsewhere}; importing its offsets is not built yet"));
        }
        let what = match self {
            Self::State => "state file",
            Self::Schemas => "registry file",
        };
        Error::fatal(format!(
            "{shown} is no {what} of Rowtide that this version reads, and stays as it is"
        ))
        .hint(elsewhere)
    }

    /// A write that did not come off. It was taken back, or will be before the next.
    pub(super) fn unwritten(self, path: &Path, cause: std::io::Error) -> Error {
        use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        let shown = self.shown(path);
        let error = if matches!(cause.kind(), StorageFull | QuotaExceeded | FileTooLarge) {
            Error::retriable(format!("no space left for {shown}"))
                .hint("free space on its disk; what was confirmed is unharmed")
        } else {
            Error::retriable(format!("writing {shown}")).hint(
                "look at its disk, and at the worker's right to write there; what was confirmed is unharmed",
            )
        };
        error.because(cause)
    }
}
