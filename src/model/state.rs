//! The states of a run and the one table of legal transitions. Nothing else decides one.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, did_you_mean};

/// Where a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum State {
    Created,
    Pending,
    Running,
    Completed,
    Error,
    Stopped,
    Resume,
}

impl State {
    /// All of them, in the order of a run's life.
    pub const ALL: [Self; 7] = [Self::Created, Self::Pending, Self::Running, Self::Completed, Self::Error, Self::Stopped, Self::Resume];

    /// The table: which states may follow this one.
    #[must_use]
    pub const fn next(self) -> &'static [Self] {
        match self {
            Self::Created | Self::Resume => &[Self::Pending, Self::Running, Self::Error, Self::Stopped],
            Self::Pending => &[Self::Running, Self::Error, Self::Stopped],
            Self::Running => &[Self::Completed, Self::Error, Self::Stopped],
            Self::Stopped => &[Self::Resume],
            Self::Completed | Self::Error => &[],
        }
    }

    /// Whether nothing happens any more unless somebody asks for it.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Error | Self::Stopped)
    }

    /// As it stands in records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "CREATED",
            Self::Pending => "PENDING",
            Self::Running => "RUNNING",
            Self::Completed => "COMPLETED",
            Self::Error => "ERROR",
            Self::Stopped => "STOPPED",
            Self::Resume => "RESUME",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for State {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let upper = text.to_ascii_uppercase();
        Self::ALL.into_iter().find(|state| state.as_str() == upper).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str);
            Error::invalid("state", text, format!("there is no state {text:?}{}", did_you_mean(&upper, known)), format!("use one of {}", known.join(", ")))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_ended_stays_ended() {
        for state in State::ALL {
            assert_eq!(state.is_final() && state != State::Stopped, state.next().is_empty(), "{state}");
            assert!(!state.next().contains(&state), "{state} follows itself");
        }
        assert_eq!(State::Stopped.next(), [State::Resume]);
    }

    #[test]
    fn every_state_is_reached_from_created() {
        let mut seen = vec![State::Created];
        let mut at = 0;
        while let Some(state) = seen.get(at).copied() {
            seen.extend(state.next().iter().filter(|next| !seen.contains(next)).copied().collect::<Vec<_>>());
            at += 1;
        }
        assert_eq!(seen.len(), State::ALL.len());
    }
}
