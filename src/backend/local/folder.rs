//! The folder of one run: where its files are, how it is handed over, what is read of it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::backend::News;
use crate::error::{Error, Result};
use crate::model::event::{End, Event};
use crate::model::name::RunId;
use crate::model::run::Run;
use crate::store::artifacts::write_whole;

/// How much of the events is taken at a time. No event of a runner is longer.
const PIECE: u64 = 16 * 1024 * 1024;

/// The folder of one run.
#[derive(Debug, Clone)]
pub struct RunFolder(PathBuf);

impl RunFolder {
    /// It may not exist (yet).
    pub fn of(home: &Path, id: RunId) -> Self {
        Self(home.join("runs").join(id.to_string()))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes everything that the runner needs; `run.json` comes last and under its name only when whole: it hands the run over.
    pub fn hand_over(&self, frozen: &Value, staging: Option<&Path>, secrets: &BTreeMap<String, String>) -> Result<()> {
        let write = || -> std::io::Result<()> {
            fs::create_dir_all(&self.0)?;
            if let Some(staging) = staging {
                match fs::rename(staging.join("inputs"), self.file("inputs")) {
                    Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                    _ => fs::remove_dir_all(staging).or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) })?,
                }
            }
            if !secrets.is_empty() {
                let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(self.file("secrets.json"))?;
                file.write_all(serde_json::to_string(secrets)?.as_bytes())?;
            }
            write_whole(&self.file("run.json"), frozen.to_string().as_bytes())
        };
        write().map_err(|error| self.fault("written", &error))
    }

    /// When the run was handed over, in seconds since the epoch; None if it was not.
    pub fn handed_over(&self) -> Option<f64> {
        let time = self.file("run.json").metadata().ok()?.modified().ok()?;
        time.duration_since(std::time::UNIX_EPOCH).ok().map(|time| time.as_secs_f64())
    }

    /// Whether the run was handed over.
    pub fn is_handed_over(&self) -> bool {
        self.file("run.json").exists()
    }

    /// The record as it was frozen; None where there is none that can be read (a bad folder must not stop who looks at all of them).
    pub fn record(&self) -> Option<Run> {
        serde_json::from_value(self.frozen()?.get_mut("record")?.take()).ok()
    }

    /// What was handed over, if it can be read.
    pub fn frozen(&self) -> Option<Value> {
        serde_json::from_slice(&fs::read(self.file("run.json")).ok()?).ok()
    }

    /// The events after a byte. A last line without its end is still being written and waits for the next look.
    pub fn events_from(&self, from: u64) -> Result<News> {
        let (text, to, more) = self.whole_lines("events.jsonl", from, PIECE)?;
        // A line that is none of ours (a disk that was full, a newer runner) is passed over: one bad line must not hide the rest.
        let events = text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Event>(line).ok()).collect();
        Ok(News { events, folded: to, more })
    }

    /// The log after a byte, whole lines, and where to go on from.
    pub fn log_from(&self, from: u64) -> Result<(Vec<u8>, u64)> {
        self.whole_lines("log.jsonl", from, u64::MAX).map(|(text, to, _)| (text, to))
    }

    /// The end that the runner wrote. One that was damaged afterwards is an end all the same: one bad folder must not stop who looks at all of them.
    pub fn end(&self) -> Result<Option<End>> {
        match fs::read(self.file("end.json")) {
            Ok(text) => Ok(Some(serde_json::from_slice(&text).unwrap_or_else(|error| {
                let written = self.file("end.json").metadata().and_then(|metadata| metadata.modified()).ok();
                let time = written.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok()).map_or_else(super::claim::seconds_now, |time| time.as_secs_f64());
                let message = format!("the run ended, but how cannot be read: {} is damaged ({error})", self.file("end.json").display());
                End::found("RunnerLost", &message, "start it again with run.reproduce(); what it printed is in its logs", time)
            }))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.fault("read", &error)),
        }
    }

    pub fn remove(&self) -> Result<()> {
        match fs::remove_dir_all(&self.0) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(self.fault("removed", &error)),
            _ => Ok(()),
        }
    }

    /// The whole lines after a byte, read no further than `most` bytes; where they end; whether that was all.
    fn whole_lines(&self, name: &str, from: u64, most: u64) -> Result<(Vec<u8>, u64, bool)> {
        let read = || -> std::io::Result<(Vec<u8>, u64, bool)> {
            let mut file = fs::File::open(self.file(name))?;
            file.seek(SeekFrom::Start(from))?;
            let mut content = Vec::new();
            let size = file.take(most).read_to_end(&mut content)? as u64;
            let whole = content.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            content.truncate(whole);
            // A line that is longer than all that is read at a time is none of ours: passed over, as if it ended here.
            let to = if whole == 0 && size == most { from + size } else { from + whole as u64 };
            Ok((content, to, size == most))
        };
        match read() {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok((Vec::new(), from, false)),
            other => other.map_err(|error| self.fault("read", &error)),
        }
    }

    fn fault(&self, verb: &str, error: &std::io::Error) -> Error {
        let cure = match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "the disk is full: free some room (`runwright gc` removes what ended long ago)",
            ErrorKind::PermissionDenied => "give yourself the right, or set RUNWRIGHT_HOME to another folder",
            _ => "check the disk",
        };
        Error::backend(format!("the run's folder {} cannot be {verb}: {error}", self.0.display()), cure)
    }
}

/// The ids of all runs that have a folder, the oldest first.
pub fn ids(home: &Path) -> Vec<RunId> {
    let mut ids: Vec<RunId> = match fs::read_dir(home.join("runs")) {
        Ok(entries) => entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect(),
        Err(_) => Vec::new(),
    };
    ids.sort();
    ids
}

/// Their folders.
pub fn all(home: &Path) -> Vec<RunFolder> {
    ids(home).into_iter().map(|id| RunFolder::of(home, id)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(events: &[u8]) -> (tempfile::TempDir, RunFolder) {
        let home = tempfile::tempdir().expect("a folder");
        let folder = RunFolder::of(home.path(), RunId::new());
        fs::create_dir_all(folder.path()).expect("a folder");
        fs::write(folder.file("events.jsonl"), events).expect("events");
        (home, folder)
    }

    #[test]
    fn a_line_that_is_being_written_and_one_that_is_none_hide_nothing() {
        let mark = br#"{"type": "mark", "time": 1.0, "name": "call", "seconds": 1.0}"#;
        let text = [mark, &b"\n{\xff\n\n"[..], mark, b"\n{\"type\": \"mark\", "].concat();
        let (_home, folder) = folder(&text);
        let news = folder.events_from(0).expect("news");
        assert_eq!((news.events.len(), news.more), (2, false));
        assert_eq!(folder.events_from(news.folded).expect("news").events.len(), 0);
        assert!(news.folded < text.len() as u64);
    }

    #[test]
    fn a_huge_line_is_passed_over_and_much_is_taken_in_pieces() {
        let piece = usize::try_from(PIECE).expect("a size");
        let mark = b"{\"type\": \"mark\", \"time\": 1.0, \"name\": \"call\", \"seconds\": 1.0}\n";
        let (_home, folder) = folder(&[&vec![b'x'; 2 * piece + 5][..], b"\n", mark, mark].concat());
        let (mut from, mut looks, mut events) = (0, 0, 0);
        loop {
            let news = folder.events_from(from).expect("news");
            (from, looks, events) = (news.folded, looks + 1, events + news.events.len());
            if !news.more {
                break;
            }
        }
        assert_eq!((looks, events), (3, 2));
    }
}
