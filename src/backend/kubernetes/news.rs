//! What is seen of a Job and its pods, as events of a run. Pure: what the record says already is not said again.

use super::diagnose::{Fault, Patience, ended, waiting};
use super::name::{self, MAIN};
use super::seen::{JobEnd, SeenJob, SeenPod, lists};
use super::watch::Sight;
use crate::engine::serve::UPDATED;
use crate::model::event::Event;
use crate::model::run::{Failure, Run, Transition};
use crate::model::state::State;

/// For how long a fault that may be mended may keep a run from beginning where it does not say so itself, in seconds.
const START_TIMEOUT: f64 = 300.0;

/// How the history says that a service answers.
pub const ANSWERS: &str = "it answers";

/// How a run stands in the cluster.
#[derive(Debug, PartialEq)]
pub enum Stand {
    /// There is no Job (yet).
    Absent,
    /// It is held back by a client that hands it over; what ended it, where that took too long.
    Held { end: Option<JobEnd> },
    /// It goes on.
    Open,
    /// It was stopped, and nothing of it runs any more. The last pod that was seen.
    Stopped { pod: Option<Box<SeenPod>> },
    /// It was given up before it began: its Job is suspended.
    GivenUp(Box<Failure>),
    /// It has ended, and its Job says so. The pod that decided, where there is one.
    Ended { pod: Option<Box<SeenPod>>, end: Option<JobEnd>, complete: bool },
    /// Its Job is gone. The last pod that was seen.
    Gone { pod: Option<Box<SeenPod>> },
}

/// The pods of a run, the oldest first: all of its Jobs, or those of its index.
pub fn pods<'a>(run: &Run, sight: &'a Sight) -> Vec<&'a SeenPod> {
    let index = name::gathered(run).map(|map| map.index);
    // Those from before it was stopped are another beginning's.
    let resumed = run.history.iter().any(|step| step.state == State::Resume);
    let before = |pod: &SeenPod| match &sight.job {
        Some(SeenJob { started: Some(started), .. }) => pod.created < *started,
        // It has not begun anew yet.
        Some(job) if !was_stopped(run, job) => true,
        _ => pod.gone,
    };
    let mut pods: Vec<&SeenPod> = sight.pods.values().filter(|pod| (index.is_none() || pod.index == index) && !(resumed && before(pod))).collect();
    pods.sort_by(|a, b| a.created.total_cmp(&b.created).then_with(|| a.name.cmp(&b.name)));
    pods
}

/// How it stands.
pub fn stand(run: &Run, sight: &Sight) -> Stand {
    let Some(job) = &sight.job else { return Stand::Absent };
    if job.held && !job.gone {
        return Stand::Held { end: job.end.clone() };
    }
    let pods: Vec<&SeenPod> = pods(run, sight).into_iter().filter(|pod| pod.job == job.name).collect();
    let last = || pods.last().map(|pod| Box::new((*pod).clone()));
    if let Some(map) = name::gathered(run) {
        if lists(&job.completed, map.index) {
            let pod = pods.iter().rev().find(|pod| pod.phase == "Succeeded").map(|pod| Box::new((*pod).clone()));
            return Stand::Ended { pod: pod.or_else(last), end: job.end.clone(), complete: true };
        }
        if lists(&job.failed, map.index) {
            return Stand::Ended { pod: last(), end: job.end.clone(), complete: false };
        }
    }
    match &job.end {
        Some(end) => {
            let decided = pods.iter().rev().find(|pod| (pod.phase == "Succeeded") == end.complete && pod.has_ended()).map(|pod| Box::new((*pod).clone()));
            Stand::Ended { pod: decided.or_else(last), end: Some(end.clone()), complete: end.complete }
        }
        None if job.gone => Stand::Gone { pod: last() },
        None if job.suspended && job.given_up.is_some() => Stand::GivenUp(Box::new(job.given_up.clone().unwrap_or_default())),
        None if was_stopped(run, job) && pods.iter().all(|pod| pod.has_ended()) => Stand::Stopped { pod: last() },
        None => Stand::Open,
    }
}

/// Whether its end was asked for. Who resumes it takes that back, an instant after the record says so: until then, whether it was asked for before.
pub fn was_stopped(run: &Run, job: &SeenJob) -> bool {
    if name::gathered(run).is_some_and(|map| lists(&job.stopped_indexes, map.index)) {
        return true;
    }
    let resumed = run.history.iter().rev().find(|step| step.state == State::Resume).map(|step| step.time.as_duration().as_secs_f64());
    job.suspended && job.stopped.is_some_and(|stopped| run.state != State::Resume || resumed.is_none_or(|resumed| stopped > resumed))
}

/// What the record does not say yet of the way to the end. `now`: in seconds.
pub fn events(run: &Run, sight: &Sight, now: f64) -> Vec<Event> {
    let Some(job) = &sight.job else { return Vec::new() };
    let mut events = Vec::new();
    if run.state == State::Created || run.state == State::Resume {
        events.push(Event::Pending { time: job.created });
    }
    let pods = pods(run, sight);
    for message in before(job, &pods) {
        if !run.history.iter().any(|step| step.message.as_ref() == Some(&message)) {
            events.push(Event::Notice { time: now, message });
        }
    }
    let started: Vec<f64> = pods.iter().filter_map(|pod| begun(pod)).collect();
    let mut begins = None;
    if let Some(time) = started.last() {
        let attempt = u32::try_from(started.len()).unwrap_or(u32::MAX);
        if matches!(run.state, State::Created | State::Pending | State::Resume) || run.attempts < attempt {
            begins = Some(Event::Running { time: *time, attempt, pid: None, python: None });
        }
    }
    if begins.is_none()
        && let Some(fault) = fault(run, sight)
        && !is_noticed(run, &fault)
    {
        events.push(Event::Notice { time: now, message: fault.notice() });
    }
    events.extend(begins);
    events
}

/// What keeps the run from beginning, or from beginning anew.
fn fault(run: &Run, sight: &Sight) -> Option<Fault> {
    waiting::fault(sight, pods(run, sight).last().copied(), &run.spec.resources)
}

/// What is said of the attempts that have failed: of those for which another Job was made, and of pods that the cluster took away.
fn before(job: &SeenJob, pods: &[&SeenPod]) -> Vec<String> {
    let mut said = job.before.clone();
    let replaced = pods.len().saturating_sub(1);
    for (at, pod) in pods[..replaced].iter().enumerate() {
        // One that is still there beside its successor has not failed.
        let failure = if pod.has_ended() { ended::found(&Sight::default(), Some(pod), None).error } else { ended::disrupted(pod) };
        if let Some(failure) = failure.filter(|_| pod.job == job.name) {
            said.push(format!("attempt {} failed ({}: {}); it is started anew", at + 1, failure.cause, failure.message));
        }
    }
    said
}

/// Whether the history says so already.
pub fn is_noticed(run: &Run, fault: &Fault) -> bool {
    since(run, fault, true).is_some()
}

/// When the fault was first noticed, by the history; since the run last began, failed, answered or was updated. `exactly`: in the same words, but for numbers in them.
fn since(run: &Run, fault: &Fault, exactly: bool) -> Option<f64> {
    let (words, cause) = (wordless(&fault.notice()), format!("{}: ", fault.cause));
    let of_before = |message: &String| ["attempt ", ANSWERS, UPDATED].iter().any(|beginning| message.starts_with(beginning));
    let of_now = |step: &&Transition| step.state == run.state && !step.message.as_ref().is_some_and(of_before);
    let known = |message: &String| if exactly { wordless(message) == words } else { message.starts_with(&cause) };
    let first = run.history.iter().rev().take_while(of_now).filter(|step| step.message.as_ref().is_some_and(known)).last();
    first.map(|step| step.time.as_duration().as_secs_f64())
}

/// Without its numbers: how many nodes lack what changes all the time.
fn wordless(message: &str) -> String {
    message.chars().filter(|c| !c.is_ascii_digit()).collect()
}

/// What is to become of a run that has not begun.
#[derive(Debug, Default, PartialEq)]
pub struct Verdict {
    /// It is given up, for this.
    pub over: Option<Failure>,
    /// It will be, in so many seconds, if nothing changes.
    pub due: Option<f64>,
}

/// Whether a run has waited long enough for what does not come.
pub fn verdict(run: &Run, sight: &Sight, now: f64) -> Verdict {
    let Some(job) = &sight.job else { return Verdict::default() };
    // Of a fan-out the whole Job would be given up: not while others of it go on.
    let goes_on = sight.pods.values().any(|pod| !pod.has_ended() && begun(pod).is_some());
    if goes_on || job.waits || job.end.is_some() {
        return Verdict::default();
    }
    // The cluster's clock may be another: its times say how much later than others something was.
    let admitted = job.started.map_or(0.0, |started| (started - job.created).max(0.0));
    judge(run, sight, fault(run, sight), pods(run, sight).last().copied(), (now, admitted))
}

/// Whether it has waited long enough for a fault to pass, or to begin at all. `pod`: the one that waits. `clock`: the time, and how long a queue kept it.
pub fn judge(run: &Run, sight: &Sight, fault: Option<Fault>, pod: Option<&SeenPod>, clock: (f64, f64)) -> Verdict {
    let (now, queued) = clock;
    let task = run.spec.task().unwrap_or_default();
    let of_fault = fault.as_ref().and_then(|fault| {
        let waited = now - since(run, fault, false).unwrap_or(now);
        match fault.patience {
            Patience::None => Some((0.0, String::new())),
            Patience::Start => Some((task.start_timeout.unwrap_or(START_TIMEOUT) - waited, format!("; it stayed so for {waited:.0} s (start_timeout)"))),
            Patience::Place => None,
        }
    });
    let waited = now - run.created.as_duration().as_secs_f64() - queued;
    let of_place = task.pending_timeout.filter(|_| run.attempts == 0).map(|timeout| (timeout - waited, format!("; it waited for {waited:.0} s (pending_timeout)")));
    let Some((left, how_long)) = of_fault.into_iter().chain(of_place).min_by(|a, b| a.0.total_cmp(&b.0)) else { return Verdict::default() };
    if left > 0.0 {
        return Verdict { over: None, due: Some(left) };
    }
    let mut failure = fault.map_or_else(
        || Failure {
            cause: "PendingTimeout".into(),
            message: "it has not begun".into(),
            cure: Some("see kubectl describe job; give it more time with pending_timeout=".into()),
            ..Failure::default()
        },
        |fault| fault.failure(),
    );
    failure.message.push_str(&how_long);
    ended::evidence(&mut failure, sight, pod);
    Verdict { over: Some(failure), due: None }
}

/// Whether the code of a pod, or what comes before it, goes on.
pub fn prints(pod: &SeenPod) -> bool {
    !pod.has_ended() && pod.containers.iter().any(|container| (container.init || container.name == MAIN) && container.running.is_some() && container.ended.is_none())
}

/// When the code of a pod began.
pub fn begun(pod: &SeenPod) -> Option<f64> {
    let main = pod.container(MAIN)?;
    main.running.or_else(|| main.ended.as_ref().and_then(|ended| ended.started))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::backend::kubernetes::seen::SeenContainer;
    use crate::model::event::fold;

    const ID: &str = "0190aaaa-0000-7000-8000-000000000001";

    fn run(spec: &Value) -> Run {
        crate::model::run::tests::run(ID, spec)
    }

    fn job() -> String {
        format!("rw-{ID}")
    }

    fn pod(name: &str, created: f64) -> SeenPod {
        SeenPod { name: name.into(), job: job(), created, phase: "Pending".into(), ..SeenPod::default() }
    }

    fn sight(pods: Vec<SeenPod>) -> Sight {
        let pods = pods.into_iter().map(|pod| (pod.name.clone(), pod)).collect();
        Sight { job: Some(SeenJob { name: job(), attempt: 1, ..SeenJob::default() }), pods, ..Sight::default() }
    }

    /// A pod whose image cannot be pulled.
    fn without_image(said: &str) -> SeenPod {
        let waiting = Some(("ImagePullBackOff".to_owned(), said.to_owned()));
        SeenPod { containers: vec![SeenContainer { name: MAIN.into(), image: "x:1".into(), waiting, ..SeenContainer::default() }], ..pod("a", 1.0) }
    }

    /// What is noted of a sight, at a time.
    fn look(run: &mut Run, sight: &Sight, now: f64) {
        for event in events(run, sight, now) {
            fold(run, event).expect("an event");
        }
    }

    fn notices(run: &Run) -> Vec<&str> {
        run.history.iter().filter_map(|step| step.message.as_deref()).collect()
    }

    #[test]
    fn what_a_run_waits_for_is_said_once() {
        let mut run = run(&json!({}));
        let free = |nodes: u32| SeenPod { unschedulable: Some(format!("0/9 nodes are available: {nodes} Insufficient cpu.")), ..pod("a", 1.0) };
        for nodes in [9, 9, 8, 9, 7] {
            look(&mut run, &sight(vec![free(nodes)]), 2.0);
        }
        assert_eq!(notices(&run), ["Unschedulable: no node takes it: 9 of 9 with too little cpu left"]);
        look(&mut run, &sight(vec![without_image("x:1: not found")]), 3.0);
        look(&mut run, &sight(vec![free(9)]), 4.0);
        assert_eq!(notices(&run).len(), 2);
    }

    #[test]
    fn a_fault_that_may_be_mended_ends_the_run_after_its_time() {
        for (spec, patience) in [(json!({}), START_TIMEOUT), (json!({"extra": {"start_timeout": 5}}), 5.0)] {
            let mut run = run(&spec);
            look(&mut run, &sight(vec![without_image("connection refused")]), 10.0);
            // Another reason does not begin it anew.
            look(&mut run, &sight(vec![without_image("i/o timeout")]), 10.0 + patience / 2.0);
            let now = sight(vec![without_image("i/o timeout")]);
            assert_eq!(verdict(&run, &now, 10.0 + patience - 1.0), Verdict { over: None, due: Some(1.0) });
            let failure = verdict(&run, &now, 10.0 + patience).over.expect("the end");
            assert_eq!(failure.cause, "ImagePull");
            assert!(failure.message.contains("i/o timeout") && failure.message.contains("(start_timeout)"), "{failure:?}");
        }
    }

    #[test]
    fn what_never_passes_ends_the_run_at_once() {
        let waiting = Some(("InvalidImageName".to_owned(), "no".to_owned()));
        let broken = SeenPod { containers: vec![SeenContainer { name: MAIN.into(), image: "X".into(), waiting, ..SeenContainer::default() }], ..pod("a", 1.0) };
        assert_eq!(verdict(&run(&json!({})), &sight(vec![broken.clone()]), 2.0).over.expect("the end").cause, "InvalidImageName");
        // Not while another of the fan-out goes on.
        let running = SeenPod { containers: vec![SeenContainer { name: MAIN.into(), running: Some(1.0), ..SeenContainer::default() }], ..pod("b", 1.0) };
        assert_eq!(verdict(&run(&json!({})), &sight(vec![broken, running]), 2.0), Verdict::default());
    }

    #[test]
    fn waiting_for_a_node_ends_only_where_it_was_asked_for() {
        let waits = sight(vec![SeenPod { unschedulable: Some("0/1 nodes are available: 1 Insufficient cpu.".into()), ..pod("a", 1.0) }]);
        assert_eq!(verdict(&run(&json!({})), &waits, 1e9), Verdict::default());
        let asked = run(&json!({"extra": {"pending_timeout": 10}}));
        assert_eq!(verdict(&asked, &waits, 6.0).due, Some(5.0));
        assert_eq!(verdict(&asked, &waits, 11.0).over.expect("the end").cause, "Unschedulable");
        assert_eq!(verdict(&asked, &sight(Vec::new()), 11.0).over.expect("the end").cause, "PendingTimeout");
        let held = Sight { job: Some(SeenJob { waits: true, suspended: true, ..SeenJob::default() }), ..Sight::default() };
        assert_eq!(verdict(&asked, &held, 1e9), Verdict::default());
    }

    #[test]
    fn a_pod_that_was_taken_away_is_an_attempt() {
        let main = |running: f64| vec![SeenContainer { name: MAIN.into(), running: Some(running), ..SeenContainer::default() }];
        let lost = SeenPod { containers: main(2.0), gone: true, disrupted: Some(("PreemptionByScheduler".into(), "a higher one".into())), ..pod("a", 1.0) };
        let mut run = run(&json!({}));
        for _ in 0..2 {
            look(&mut run, &sight(vec![lost.clone(), pod("b", 3.0)]), 4.0);
        }
        look(&mut run, &sight(vec![lost, SeenPod { containers: main(5.0), ..pod("b", 3.0) }]), 6.0);
        assert_eq!(run.attempts, 2);
        assert_eq!(notices(&run).len(), 1);
        assert!(notices(&run)[0].starts_with("attempt 1 failed (Preempted: it was preempted"), "{:?}", run.history);
    }
}
