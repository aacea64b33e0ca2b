//! What has been read of a run's log: in memory while it is small, then in a file without a name, which goes with this process whatever ends it.

use std::fs::{File, OpenOptions};
use std::io::{Error, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// What is kept in memory, in bytes.
const SMALL: usize = 256 * 1024;

/// A log that grows at its end.
pub struct Spool {
    /// For the file.
    folder: PathBuf,
    content: Mutex<Content>,
}

enum Content {
    Memory(Vec<u8>),
    /// And its size.
    File(File, u64),
}

impl Spool {
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), content: Mutex::new(Content::Memory(Vec::new())) }
    }

    pub fn append(&self, bytes: &[u8]) -> Result<(), Error> {
        let mut content = self.content.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *content {
            Content::Memory(memory) if memory.len() + bytes.len() <= SMALL => memory.extend_from_slice(bytes),
            Content::Memory(memory) => {
                let mut file = nameless(&self.folder)?;
                file.write_all(memory)?;
                file.write_all(bytes)?;
                let size = memory.len() + bytes.len();
                *content = Content::File(file, size as u64);
            }
            Content::File(file, size) => {
                // At its place: an append that failed on a full disk may have written a part.
                file.write_all_at(bytes, *size)?;
                *size += bytes.len() as u64;
            }
        }
        Ok(())
    }

    /// From a byte on, and where to go on from.
    pub fn read(&self, from: u64) -> Result<(Vec<u8>, u64), Error> {
        match &*self.content.lock().unwrap_or_else(PoisonError::into_inner) {
            Content::Memory(memory) => {
                let from = usize::try_from(from).unwrap_or(usize::MAX).min(memory.len());
                Ok((memory[from..].to_vec(), memory.len() as u64))
            }
            Content::File(file, size) => {
                let from = from.min(*size);
                let mut bytes = vec![0; usize::try_from(size - from).unwrap_or(usize::MAX)];
                file.read_exact_at(&mut bytes, from)?;
                Ok((bytes, *size))
            }
        }
    }
}

fn nameless(folder: &Path) -> Result<File, Error> {
    std::fs::create_dir_all(folder)?;
    let path = folder.join(format!("log-{}", uuid::Uuid::new_v4()));
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_the_same_in_memory_and_in_its_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let spool = Spool::new(folder.path());
        let mut whole = Vec::new();
        for number in 0..30_000 {
            let line = format!("line {number}\n");
            spool.append(line.as_bytes()).expect("room");
            whole.extend(line.bytes());
            if number % 5000 == 0 {
                assert_eq!(spool.read(0).expect("the log"), (whole.clone(), whole.len() as u64));
            }
        }
        assert!(whole.len() > SMALL);
        assert_eq!(spool.read(100).expect("the log").0, whole[100..]);
        assert_eq!(spool.read(u64::MAX).expect("the log"), (Vec::new(), whole.len() as u64));
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0, "nothing is left of it");
    }
}
