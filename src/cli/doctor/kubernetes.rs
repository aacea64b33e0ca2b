//! A namespace of a cluster: is it reached, who is this there, what is allowed, what is left.

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::version::Info;

use super::super::rbac::in_flow;
use super::super::{Facts, Failure, text};
use super::{Check, Report, capacity};
use crate::backend::kubernetes::inspect::{Answer, Inspection, Server};
use crate::backend::kubernetes::{python_image, rights};
use crate::error::Result;

/// The first version (1.x) whose native sidecars are on by default: results come back by one.
const OLDEST: u32 = 29;
/// From here on they are stable.
const STABLE: u32 = 33;
/// By how many seconds the clocks may differ before times of runs look wrong.
const SKEW: f64 = 5.0;
/// By how many before presigned URLs are refused.
const REFUSED: f64 = 900.0;
/// The label with the Pod Security Standard that a namespace enforces.
const STANDARD: &str = "pod-security.kubernetes.io/enforce";
const QUEUES: &str = "kueue.x-k8s.io";

/// Adds what there is to say of it. False where the cluster is not reached, and nothing else can be asked.
pub async fn look(report: &mut Report<'_>, inspection: Result<Inspection>, facts: &Facts) -> std::result::Result<bool, Failure> {
    let inspection = match inspection {
        Ok(inspection) => inspection,
        Err(error) => {
            report.add(Check::error("cluster", &error))?;
            return Ok(false);
        }
    };
    let server = match inspection.server().await {
        Ok(server) => server,
        Err(error) => {
            report.add(Check::error("cluster", &error))?;
            return Ok(false);
        }
    };
    report.add(version(&inspection, &server))?;
    report.add(clock(&server))?;
    report.add(user(&inspection).await)?;
    for check in namespace(&inspection).await {
        report.add(check)?;
    }
    report.add(allowed(&inspection, "job").await)?;
    report.add(allowed(&inspection, "deploy").await)?;
    for check in room(&inspection).await {
        report.add(check)?;
    }
    report.add(groups(&inspection).await)?;
    report.add(image(facts))?;
    Ok(true)
}

fn version(inspection: &Inspection, server: &Server) -> Check {
    let place = inspection.context().map_or_else(|| "this pod's service account".to_owned(), |context| format!("context {context}"));
    let message = format!("{} at {} ({place}), answered in {}", server.version.git_version, inspection.address, text::took(server.seconds));
    match minor(&server.version) {
        Some(minor) if minor < OLDEST => Check::fail("cluster", message, format!("results come back by a native sidecar, which Kubernetes has from 1.{OLDEST} on")),
        Some(minor) if minor < STABLE => {
            Check::warn("cluster", message, format!("native sidecars are stable from Kubernetes 1.{STABLE} on; where they were switched off, runs fail"))
        }
        _ => Check::ok("cluster", message),
    }
}

/// The x of version 1.x; clusters of some providers say `29+`.
fn minor(version: &Info) -> Option<u32> {
    version.minor.trim_end_matches(|c: char| !c.is_ascii_digit()).parse().ok().filter(|_| version.major == "1")
}

fn clock(server: &Server) -> Check {
    let Some(ahead) = server.ahead else { return Check::ok("clock", "the API server does not tell its time") };
    // Its time has whole seconds.
    if ahead.abs() < 1.0 {
        return Check::ok("clock", "the API server's shows the same as this machine's");
    }
    let message = format!("the API server's is {} {} this machine's", text::took(ahead.abs()), if ahead > 0.0 { "ahead of" } else { "behind" });
    let cure = "set both (timedatectl set-ntp true)";
    match ahead.abs() {
        REFUSED.. => Check::fail("clock", message, format!("{cure}: object stores refuse what pods send by presigned URLs")),
        SKEW.. => Check::warn("clock", message, format!("{cure}: times of runs are of either clock")),
        _ => Check::ok("clock", message),
    }
}

async fn user(inspection: &Inspection) -> Check {
    match inspection.user().await {
        Ok(Some((name, groups))) => {
            let groups: Vec<String> = groups.into_iter().filter(|group| group != "system:authenticated").collect();
            let groups = if groups.is_empty() { String::new() } else { format!(" (groups: {})", groups.join(", ")) };
            Check::ok("user", format!("{name}{groups}"))
        }
        Ok(None) => Check::ok("user", "the API server does not say who this is"),
        Err(error) => Check::error("user", &error),
    }
}

/// Whether it is there, and which Pod Security Standard holds.
async fn namespace(inspection: &Inspection) -> Vec<Check> {
    let name = inspection.namespace();
    match inspection.of_namespace().await {
        Ok(Answer::Told(namespace)) => vec![phase(name, &namespace), security(&namespace)],
        Ok(Answer::Forbidden) => vec![
            Check::ok("namespace", format!("{name} (this user may not look at it; the trial below tells whether it is there)")),
            Check::ok("security", "not to be seen; runs pass every Pod Security Standard, `restricted` included"),
        ],
        Ok(Answer::Missing) => {
            vec![Check::fail(
                "namespace",
                format!("there is no namespace {name}"),
                format!("create it (kubectl create namespace {name}), or name another: --on kubernetes:CONTEXT/NAMESPACE"),
            )]
        }
        Err(error) => vec![Check::error("namespace", &error)],
    }
}

fn phase(name: &str, namespace: &Namespace) -> Check {
    match namespace.status.as_ref().and_then(|status| status.phase.as_deref()) {
        Some("Terminating") => Check::fail("namespace", format!("{name} is being deleted"), "use another"),
        _ => Check::ok("namespace", name),
    }
}

fn security(namespace: &Namespace) -> Check {
    let level = namespace.metadata.labels.as_ref().and_then(|labels| labels.get(STANDARD));
    Check::ok(
        "security",
        match level.map(String::as_str) {
            None => "no Pod Security Standard is enforced by a label; runs pass every one".to_owned(),
            Some("privileged") => "`privileged`: everything is allowed".to_owned(),
            Some(level) => format!("`{level}` is enforced; runs pass it, unless their pod_template or volumes ask for more"),
        },
    )
}

/// What the Role of an action has that is missing here.
async fn allowed(inspection: &Inspection, action: &str) -> Check {
    let rules = match rights::rules(&[action.to_owned()]) {
        Ok(rules) => rules,
        Err(error) => return Check::error("rights", &error),
    };
    match inspection.missing(&rules).await {
        Ok(missing) if missing.is_empty() => Check::ok("rights", format!("{action}: everything it needs")),
        Ok(missing) => {
            let what: Vec<String> = missing.iter().map(|rule| format!("{} {}", rule.verbs.join(", "), rule.resource)).collect();
            let lines: Vec<String> = missing.iter().map(|rule| format!("- {}", in_flow(rule))).collect();
            let (namespace, indent) = (inspection.namespace(), "\n        ");
            let cure = format!(
                "have this in a Role of the namespace {namespace}:{indent}{}\n        the whole of it: runwright rbac {action} --namespace {namespace} --user NAME | kubectl apply -f -",
                lines.join(indent)
            );
            let message = format!("{action}: not allowed: {}", what.join("; "));
            // Who only runs jobs needs no more.
            if action == "job" { Check::fail("rights", message, cure) } else { Check::warn("rights", message, cure) }
        }
        Err(error) => Check::error("rights", &error),
    }
}

async fn room(inspection: &Inspection) -> Vec<Check> {
    const UNSEEN: &str = "not to be seen by this user (`runwright rbac doctor` prints what allows it)";
    let (quotas, limits) = match (inspection.quotas().await, inspection.limits().await) {
        (Ok(quotas), Ok(limits)) => (quotas, limits),
        (Err(error), _) | (_, Err(error)) => return vec![Check::error("quota", &error)],
    };
    let ranges = if let Answer::Told(ranges) = &limits { ranges.as_slice() } else { &[] };
    vec![
        if let Answer::Told(quotas) = &quotas { capacity::quota(quotas, ranges) } else { Check::ok("quota", UNSEEN) },
        if let Answer::Told(ranges) = &limits { capacity::limits(ranges) } else { Check::ok("limits", UNSEEN) },
    ]
}

async fn groups(inspection: &Inspection) -> Check {
    match inspection.groups().await {
        Ok(groups) if groups.iter().any(|group| group == QUEUES) => Check::ok("queues", "Kueue is there: queue= names one of its local queues"),
        Ok(_) => Check::ok("queues", "Kueue is not there: a run with queue= would wait for ever"),
        Err(error) => Check::error("queues", &error),
    }
}

fn image(facts: &Facts) -> Check {
    let of_version = python_image(&facts.version);
    let image = facts.image.as_deref().unwrap_or(&of_version);
    Check::ok("image", format!("{image}, for Python functions that name none (RUNWRIGHT_IMAGE)"))
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    fn server(minor: &str, ahead: Option<f64>) -> Server {
        Server { version: Info { major: "1".into(), minor: minor.into(), ..Info::default() }, seconds: 0.1, ahead }
    }

    #[test]
    fn versions_are_told_apart_whatever_providers_add() {
        for (minor_, number) in [("28", Some(28)), ("29+", Some(29)), ("35", Some(35)), ("", None)] {
            assert_eq!(minor(&server(minor_, None).version), number);
        }
    }

    #[test]
    fn clocks_may_differ_a_little() {
        for (ahead, status) in [(0.4, Status::Ok), (-3.0, Status::Ok), (20.0, Status::Warn), (-20.0, Status::Warn), (1000.0, Status::Fail)] {
            assert_eq!(clock(&server("35", Some(ahead))).status, status, "{ahead}");
        }
        assert!(clock(&server("35", Some(-20.0))).message.contains("20.0 s behind"));
    }

    #[test]
    fn a_namespace_that_goes_is_no_place_to_run() {
        let of = |phase: &str| serde_json::from_value::<Namespace>(serde_json::json!({"status": {"phase": phase}, "metadata": {"labels": {STANDARD: "baseline"}}})).expect("one");
        assert_eq!((phase("a", &of("Active")).status, phase("a", &of("Terminating")).status), (Status::Ok, Status::Fail));
        assert!(security(&of("Active")).message.contains("`baseline`"));
    }
}
