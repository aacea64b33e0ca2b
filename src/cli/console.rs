//! What is printed, and where: results to standard output, all else to standard error.

use std::io::{ErrorKind, IsTerminal as _, Write as _};

use serde::Serialize;

use super::table::Table;
use super::{Failure, INTERRUPTED, OTHER, Outcome, SUCCESS, USAGE};
use crate::error::{Error, Fault};
use crate::model::state::State;

/// The terminal, the pipe or the file that this prints to.
pub struct Console {
    /// Somebody reads standard output on a terminal.
    pub is_terminal: bool,
    /// The same of standard error.
    pub errors_on_terminal: bool,
    colored: bool,
    /// What is said when Ctrl-C ends the command.
    parting: Option<String>,
}

/// How text stands out on a terminal.
#[derive(Debug, Clone, Copy)]
pub enum Style {
    Good,
    Bad,
    Going,
    Dim,
    Bold,
}

impl Style {
    /// Of a state.
    pub fn of(state: State) -> Self {
        match state {
            State::Completed => Self::Good,
            State::Error => Self::Bad,
            State::Stopped => Self::Dim,
            State::Created | State::Pending | State::Running | State::Resume => Self::Going,
        }
    }

    fn code(self) -> &'static str {
        match self {
            Self::Good => "32",
            Self::Bad => "31",
            Self::Going => "33",
            Self::Dim => "2",
            Self::Bold => "1",
        }
    }
}

impl Console {
    pub fn new() -> Self {
        let is_terminal = std::io::stdout().is_terminal();
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self { is_terminal, errors_on_terminal: std::io::stderr().is_terminal(), colored: is_terminal && !plain, parting: None }
    }

    /// How many columns a line has; None where lines may be of any length.
    pub fn width(&self) -> Option<usize> {
        self.is_terminal.then(|| usize::from(console::Term::stdout().size().1)).filter(|width| *width > 0)
    }

    pub fn paint(&self, style: Style, text: &str) -> String {
        if self.colored { format!("\x1b[{}m{text}\x1b[0m", style.code()) } else { text.to_owned() }
    }

    /// Prints a line, or several.
    #[allow(clippy::unused_self)] // Where it goes is the console's business.
    pub fn line(&mut self, text: &str) -> Result<(), Failure> {
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.write_all(b"\n")?;
        out.flush()?;
        Ok(())
    }

    /// Prints a table.
    pub fn table(&mut self, table: &Table) -> Result<(), Failure> {
        let text = table.render(self.width(), |style, text| self.paint(style, text));
        self.line(&text)
    }

    /// Prints the one document of `--json`.
    pub fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value).map_err(std::io::Error::from)?;
        self.line(&text)
    }

    /// Tells people something that is not the result.
    #[allow(clippy::unused_self)]
    pub fn tell(&self, text: &str) {
        // Standard error may be closed; the command goes on.
        let _ = writeln!(std::io::stderr(), "{text}");
    }

    /// What will be said if Ctrl-C ends the command from here on.
    pub fn on_interrupt(&mut self, text: String) {
        self.parting = Some(text);
    }

    /// Tells of an error, as `error: message` and `  → cure`.
    pub fn error(&self, error: &Error) {
        self.tell(&format!("error: {error}"));
    }

    /// The exit code of an outcome; what went wrong is told.
    pub fn end(&self, outcome: Outcome) -> i32 {
        match outcome {
            Ok(code) => code,
            Err(Failure::Interrupted) => {
                if let Some(text) = &self.parting {
                    self.tell(text);
                }
                INTERRUPTED
            }
            // `| head` has read enough.
            Err(Failure::Output(error)) if error.kind() == ErrorKind::BrokenPipe => SUCCESS,
            Err(Failure::Output(error)) => {
                self.error(&Error::Backend(Box::new(Fault { message: format!("standard output cannot be written: {error}"), ..Fault::default() })));
                OTHER
            }
            Err(Failure::Engine(error)) => {
                self.error(&error);
                if matches!(error, Error::Invalid(_)) { USAGE } else { OTHER }
            }
        }
    }
}
