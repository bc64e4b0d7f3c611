//! What a log asks of the disk beyond opening and reading: the steps a crash or a full disk can come between.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// The steps; in tests each of them can fail, or be the last.
pub(super) trait Disk: Send + 'static {
    fn write(&mut self, file: &File, bytes: &[u8], at: u64) -> io::Result<()>;
    fn sync(&mut self, file: &File) -> io::Result<()>;
    fn cut(&mut self, file: &File, length: u64) -> io::Result<()>;
    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()>;
    /// Makes a new or renamed entry of the file's folder durable.
    fn sync_folder(&mut self, of: &Path) -> io::Result<()>;
}

/// The machine's.
pub(super) struct LocalDisk;

impl Disk for LocalDisk {
    fn write(&mut self, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        file.write_all_at(bytes, at)
    }

    fn sync(&mut self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn cut(&mut self, file: &File, length: u64) -> io::Result<()> {
        file.set_len(length)
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn sync_folder(&mut self, of: &Path) -> io::Result<()> {
        let parent = of.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
    }
}
