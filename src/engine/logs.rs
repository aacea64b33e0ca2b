//! Logs: live while a run goes on, archived afterwards. Both are the same bytes, so the place in one is the place in the other.

use std::sync::Arc;
use std::time::Duration;

use super::Engine;
use super::observe::Seen;
use crate::backend::LogLine;
use crate::error::Result;
use crate::model::name::RunId;
use crate::model::run::Run;

/// A piece of a log.
#[derive(Debug, Default, Clone)]
pub struct Piece {
    pub lines: Vec<LogLine>,
    /// Where the next piece begins, in bytes.
    pub next: u64,
    /// The run has ended and this is all.
    pub complete: bool,
}

impl Engine {
    /// The lines from a byte on. With `follow` it returns as soon as there are some, or the run has ended.
    pub async fn log(self: &Arc<Self>, id: RunId, from: u64, follow: bool) -> Result<Piece> {
        loop {
            // The state is looked at before the log: what is printed before the end is then in this piece.
            let run = self.run(&id.to_string()).await?;
            let (bytes, next) = self.log_bytes(&run, from).await?;
            let complete = run.state.is_final();
            if !bytes.is_empty() || complete || !follow {
                let lines = bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
                return Ok(Piece { lines, next, complete });
            }
            let mut seen = self.follow(&run);
            if matches!(&*seen.borrow_and_update(), Seen::Going { .. }) {
                // The follower looks whenever the folder changes, which a line in the log is.
                let _ = tokio::time::timeout(Duration::from_secs(5), seen.changed()).await;
            }
        }
    }

    async fn log_bytes(&self, run: &Run, from: u64) -> Result<(Vec<u8>, u64)> {
        let archived = match &run.log {
            Some(at) => self.artifacts.get(at).await?,
            None => None,
        };
        let size = archived.as_ref().map_or(0, |archived| archived.len() as u64);
        // One that was resumed goes on after what it had printed before.
        if archived.is_none() || !run.state.is_final() {
            let (mut bytes, mut next) = match self.backend(run.backend.as_str()) {
                Ok(backend) if backend.reaches(run) => backend.log(run, from.saturating_sub(size)).await?,
                _ => (Vec::new(), from.saturating_sub(size)),
            };
            next += size;
            if let Some(before) = archived.as_ref().and_then(|archived| archived.get(usize::try_from(from).ok()?..)) {
                bytes.splice(..0, before.iter().copied());
            }
            return Ok((bytes, next));
        }
        let archived = archived.unwrap_or_default();
        let from = usize::try_from(from.min(size)).unwrap_or_default();
        Ok((archived[from..].to_vec(), size))
    }
}
