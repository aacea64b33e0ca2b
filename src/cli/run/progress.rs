//! Progress on a terminal, while somebody waits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::engine::Engine;
use crate::error::Result;
use crate::model::run::Run;

/// How long one look waits for news: the spinner's text is never older.
const LOOK: Duration = Duration::from_secs(1);

/// Waits for the end, `timeout` at most. Gives the newest record.
pub async fn wait(engine: &Arc<Engine>, mut run: Run, timeout: Option<Duration>) -> Result<Run> {
    let began = Instant::now();
    let bar = ProgressBar::new_spinner();
    // The template is ours; if it were wrong, the default would do.
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    while run.is_awaited() {
        bar.set_message(message(&run));
        let left = timeout.map_or(LOOK, |timeout| timeout.saturating_sub(began.elapsed()));
        if left.is_zero() {
            break;
        }
        run = engine.next_change(&run, left.min(LOOK)).await?;
    }
    bar.finish_and_clear();
    Ok(run)
}

fn message(run: &Run) -> String {
    let attempt = if run.attempts > 1 { format!(" (attempt {})", run.attempts) } else { String::new() };
    let metrics: Vec<String> = run.metrics.iter().filter_map(|(name, points)| points.last().map(|point| format!("{name}={}", point.value))).take(3).collect();
    format!("{} {}{attempt} {}", run.function, run.state, metrics.join(" ")).trim_end().to_owned()
}
