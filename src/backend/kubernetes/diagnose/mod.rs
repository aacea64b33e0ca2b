//! Faults, explained: what the cluster says of a run that does not go on, as a cause, in words, with what to do about it.
//!
//! One idea a file, each a table of what the cluster's programs say: [`refused`] what its API server does not take, [`waiting`] what keeps a pod from beginning
//! ([`schedule`]: from finding a node, [`image`]: from having its image), [`ended`] how a pod or a Job ended. All of it is pure.

pub mod ended;
pub mod image;
pub mod refused;
pub mod schedule;
pub mod waiting;

use crate::model::run::Failure;

/// For how long what keeps a run from beginning is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// As long as the run may wait at all: it is the cluster's usual way that this passes.
    Place,
    /// It is a fault that may be mended: for `start_timeout`.
    Start,
    /// It never passes by itself.
    None,
}

/// What is wrong, before it is known whether it ends the run.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    pub cause: &'static str,
    /// In words. The same fault always has the same words, but for numbers in them.
    pub message: String,
    pub cure: String,
    pub patience: Patience,
}

impl Fault {
    pub fn new(cause: &'static str, message: impl Into<String>, cure: impl Into<String>, patience: Patience) -> Self {
        Self { cause, message: message.into(), cure: cure.into(), patience }
    }

    /// As it stands in the history.
    #[must_use]
    pub fn notice(&self) -> String {
        format!("{}: {}", self.cause, self.message)
    }

    /// As the error of a run.
    #[must_use]
    pub fn failure(&self) -> Failure {
        failure(self.cause, &self.message, &self.cure)
    }
}

fn failure(cause: &str, message: impl Into<String>, cure: &str) -> Failure {
    Failure { cause: cause.into(), message: message.into(), cure: Some(cure.into()), ..Failure::default() }
}

/// The text between two others, the first of which is there.
fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    Some(rest.split_once(after).map_or(rest, |(inner, _)| inner))
}
