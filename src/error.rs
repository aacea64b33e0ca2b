//! What can go wrong, one variant a kind of fault that a caller can act on. Every message says what failed, on what, and what to do.

use std::fmt;

/// The crate's result.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of any step between define and finish.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An argument is wrong; nothing was created.
    #[error("{0}")]
    Invalid(Box<Fault>),
    /// Something named does not exist.
    #[error("{0}")]
    NotFound(Box<Fault>),
    /// It exists already with another content, or is in a state that does not allow this.
    #[error("{0}")]
    Conflict(Box<Fault>),
    /// The database or the artifact store.
    #[error("{0}")]
    Store(Box<Fault>),
    /// The place to run.
    #[error("{0}")]
    Backend(Box<Fault>),
    /// A Python exception (of a runtime written in Python, say), carried through untouched.
    #[error("{0}")]
    Carried(Box<dyn std::error::Error + Send + Sync>),
}

/// What failed, on what, and what to do about it.
#[derive(Debug, Clone, Default)]
pub struct Fault {
    /// What failed, on what.
    pub message: String,
    /// The argument or setting at fault.
    pub field: Option<String>,
    /// Its offending value, as text.
    pub value: Option<String>,
    /// What to do.
    pub cure: Option<String>,
    /// The same may succeed later, with nothing mended: somebody does not answer just now.
    pub passing: bool,
    /// What it is called, where a caller may want to tell it from others.
    pub cause: Option<&'static str>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.cure {
            Some(cure) => write!(f, "\n  → {cure}"),
            None => Ok(()),
        }
    }
}

impl Error {
    /// A wrong argument: its field, its value, what is wrong and what would be right.
    pub fn invalid(field: &str, value: impl fmt::Display, message: impl Into<String>, cure: impl Into<String>) -> Self {
        Self::Invalid(Box::new(Fault { field: Some(field.to_owned()), value: Some(value.to_string()), ..Fault::new(message, cure) }))
    }

    /// Something named that does not exist.
    pub fn not_found(field: &str, value: impl fmt::Display, message: impl Into<String>, cure: impl Into<String>) -> Self {
        Self::NotFound(Box::new(Fault { field: Some(field.to_owned()), value: Some(value.to_string()), ..Fault::new(message, cure) }))
    }

    /// A state that does not allow what was asked.
    pub fn conflict(message: impl Into<String>, cure: impl Into<String>) -> Self {
        Self::Conflict(Box::new(Fault::new(message, cure)))
    }

    /// A fault of the database or the artifact store.
    pub fn store(message: impl Into<String>, cure: impl Into<String>) -> Self {
        Self::Store(Box::new(Fault::new(message, cure)))
    }

    /// A fault of the place to run.
    pub fn backend(message: impl Into<String>, cure: impl Into<String>) -> Self {
        Self::Backend(Box::new(Fault::new(message, cure)))
    }
}

impl Error {
    /// The same for another who waited for the same thing. (A Python exception itself is carried to one only.)
    #[must_use]
    pub fn again(&self) -> Self {
        match self {
            Self::Invalid(fault) => Self::Invalid(fault.clone()),
            Self::NotFound(fault) => Self::NotFound(fault.clone()),
            Self::Conflict(fault) => Self::Conflict(fault.clone()),
            Self::Store(fault) => Self::Store(fault.clone()),
            Self::Backend(fault) => Self::Backend(fault.clone()),
            Self::Carried(carried) => Self::backend(carried.to_string(), "see the message"),
        }
    }

    /// The same, of something that may succeed later with nothing mended.
    #[must_use]
    pub fn passing(mut self) -> Self {
        if let Self::Store(fault) | Self::Backend(fault) = &mut self {
            fault.passing = true;
        }
        self
    }

    /// The same, with what it is called.
    #[must_use]
    pub fn because(mut self, cause: &'static str) -> Self {
        if let Self::Invalid(fault) | Self::NotFound(fault) | Self::Conflict(fault) | Self::Store(fault) | Self::Backend(fault) = &mut self {
            fault.cause = Some(cause);
        }
        self
    }

    /// Whether the same may succeed later with nothing mended.
    #[must_use]
    pub fn passes(&self) -> bool {
        self.fault().is_some_and(|fault| fault.passing)
    }

    /// The same, saying which of many things that were given is at fault.
    #[must_use]
    pub fn of_item(self, index: usize) -> Self {
        self.within(&format!("items[{index}]"))
    }

    /// The same, saying where what is at fault stands.
    #[must_use]
    pub fn within(mut self, place: &str) -> Self {
        if let Self::Invalid(fault) | Self::NotFound(fault) | Self::Conflict(fault) = &mut self {
            fault.message = format!("{place}: {}", fault.message);
        }
        self
    }

    /// The fault, where it is one of ours.
    #[must_use]
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Invalid(fault) | Self::NotFound(fault) | Self::Conflict(fault) | Self::Store(fault) | Self::Backend(fault) => Some(fault),
            Self::Carried(_) => None,
        }
    }
}

impl Fault {
    fn new(message: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { message: message.into(), cure: Some(cure.into()), ..Self::default() }
    }
}

/// The name in `known` that is closest to `given`, as the end of a sentence: ` (did you mean "job"?)`.
#[must_use]
pub fn did_you_mean<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    known
        .into_iter()
        .map(|name| (distance(given, name), name))
        .filter(|(distance, name)| *distance <= 1 + name.len() / 3)
        .min()
        .map(|(_, name)| format!(" (did you mean {name:?}?)"))
        .unwrap_or_default()
}

/// Levenshtein's distance, on characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelling_is_recognised_and_a_stranger_is_not() {
        assert_eq!(did_you_mean("jbo", ["job", "serve"]), " (did you mean \"job\"?)");
        assert_eq!(did_you_mean("pipeline", ["job", "serve"]), "");
    }
}
