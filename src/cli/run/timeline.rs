//! The phases of a run as a small chart: when each began, and how long it took.

use super::super::text;
use crate::model::run::Run;
use crate::model::time;
use crate::model::timeline::timeline;

/// How many places the whole way has.
const WIDTH: f64 = 40.0;
/// Eighths of a place.
const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/// A phase, and how many seconds it took.
pub fn phases(run: &Run) -> Vec<(String, f64)> {
    timeline(run, time::now()).into_iter().map(|phase| (phase.name, phase.seconds)).collect()
}

/// A line a phase: its name; how long it took and a bar from where it began to where it ended.
pub fn chart(run: &Run) -> Vec<(String, String)> {
    let phases = timeline(run, time::now());
    let (Some(first), Some(last)) = (phases.first(), phases.last()) else { return Vec::new() };
    let at = |time: jiff::Timestamp| time.duration_since(first.start).as_secs_f64();
    let whole = at(last.start) + last.seconds;
    let line = |start: f64, seconds: f64| if whole > 0.0 { bar(start / whole * WIDTH, seconds / whole * WIDTH) } else { String::new() };
    let took: Vec<String> = phases.iter().map(|phase| text::took(phase.seconds)).collect();
    let width = took.iter().map(String::len).max().unwrap_or_default();
    phases.iter().zip(&took).map(|(phase, took)| (phase.name.clone(), format!("{took:>width$}  {}", line(at(phase.start), phase.seconds)).trim_end().to_owned())).collect()
}

/// Of so many places, after so many. Never nothing.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Both are from 0 to WIDTH.
fn bar(from: f64, places: f64) -> String {
    let eighths = ((places * 8.0).round() as usize).max(1);
    let before = (from.floor() as usize).min(WIDTH as usize - 1);
    format!("{}{}{}", " ".repeat(before), "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}

#[cfg(test)]
mod tests {
    use super::bar;

    #[test]
    fn bars_begin_where_they_begin_and_are_never_empty() {
        assert_eq!(bar(0.0, 2.0), "██");
        assert_eq!(bar(3.9, 1.5), "   █▌");
        assert_eq!(bar(40.0, 0.0).trim(), "▏");
    }
}
