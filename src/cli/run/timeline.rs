//! The phases of a run, from its history and the runner's own marks.

use crate::model::run::Run;
use crate::model::state::State;

/// The runner's marks, in the order in which they happen, as people call them.
const MARKS: [(&str, &str); 4] = [("requirements", "requirements"), ("import", "import"), ("call", "user code"), ("outputs", "outputs")];

/// A phase, and how many seconds it took.
pub fn phases(run: &Run) -> Vec<(String, f64)> {
    let mut phases = Vec::new();
    // A retry is told in a message of the state that it happened in, not in a state of its own.
    let steps: Vec<_> = run.history.iter().filter(|step| !step.message.as_deref().is_some_and(|message| message.starts_with("attempt "))).collect();
    for pair in steps.windows(2) {
        let [step, following] = pair else { continue };
        let name = match step.state {
            State::Created => "client",
            State::Pending | State::Resume => "queue",
            State::Running => {
                phases.push(("run".into(), super::seconds(run).unwrap_or_default()));
                phases.extend(MARKS.iter().filter_map(|(mark, name)| run.marks.get(*mark).map(|seconds| (format!("  {name}"), *seconds))));
                continue;
            }
            State::Completed | State::Error | State::Stopped => continue,
        };
        phases.push((name.into(), following.time.duration_since(step.time).as_secs_f64()));
    }
    phases
}
