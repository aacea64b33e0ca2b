//! What the API server does not take: from us, as an error of the request; from the Job's controller, as an event that it could not make a pod.

use super::Patience::{None as Never, Place, Start};
use super::{Fault, Patience, between};
use crate::backend::kubernetes::patience::{explain, is_full};
use crate::backend::kubernetes::target::Target;
use crate::error::Error;
use crate::model::resources::quantity;

/// What its words have in them, what that is called, how long it is waited for, and what to do.
type Row = (&'static str, &'static str, Patience, &'static str);

/// The reasons of admission. The first that fits counts.
const ADMISSION: [Row; 13] = [
    ("is being terminated", "NamespaceTerminating", Never, "the namespace is being deleted: use another one (namespace=)"),
    ("exceeded quota", "QuotaExceeded", Place, "ask for less (resources=), wait for others to end, or have the quota raised: kubectl describe quota"),
    ("failed quota", "QuotaExceeded", Never, "the namespace's quota demands that every run says what it uses: give resources={\"cpu\": …, \"mem\": …}"),
    ("violates PodSecurity", "PodSecurity", Never, "the namespace enforces a Pod Security Standard: leave out of the run what its words name, or use another namespace"),
    ("ValidatingAdmissionPolicy", "AdmissionDenied", Never, "the cluster's own policy refuses it: do as its words say, or ask who made the policy"),
    ("denied the request", "AdmissionDenied", Never, "the cluster's own policy refuses it: do as its words say, or ask who made the policy"),
    ("failed calling webhook", "AdmissionFailed", Start, "a program that the cluster asks about every pod does not answer: ask its administrators"),
    ("maximum ", "LimitRange", Never, "ask for less (resources=): kubectl describe limitrange"),
    ("minimum ", "LimitRange", Never, "ask for more (resources=): kubectl describe limitrange"),
    ("no PriorityClass", "AdmissionDenied", Never, "give a priority_class= that the cluster has: kubectl get priorityclass"),
    ("RuntimeClass", "AdmissionDenied", Never, "give a runtime_class= that the cluster has: kubectl get runtimeclass"),
    ("error looking up service account", "FailedCreate", Start, "make the service account, or leave it out of pod_template="),
    ("", "FailedCreate", Start, "see what it says; kubectl describe job shows more"),
];

/// Why a pod could not be made, in the words of an event `FailedCreate`.
pub fn pod(message: &str) -> Fault {
    let words = reason(message);
    let (_, cause, patience, cure) = *row(words);
    let never = cause == "QuotaExceeded" && asks_for_more_than_there_is(words);
    let (patience, cure) = if never { (Never, "the quota is smaller than what this run alone asks for: ask for less (resources=), or have it raised") } else { (patience, cure) };
    Fault::new(cause, format!("its pod is refused: {words}"), cure, patience)
}

fn row(words: &str) -> &'static Row {
    let last = &ADMISSION[ADMISSION.len() - 1];
    ADMISSION.iter().find(|(part, ..)| words.contains(part)).unwrap_or(last)
}

/// What follows `… is forbidden: `: before it is the name of a pod that never was, another each time.
fn reason(message: &str) -> &str {
    let message = message.strip_prefix("Error creating: ").unwrap_or(message);
    message.split_once(" is forbidden: ").map_or(message, |(_, words)| words)
}

/// Whether waiting is in vain: `requested: requests.cpu=2, used: requests.cpu=0, limited: requests.cpu=1`.
fn asks_for_more_than_there_is(words: &str) -> bool {
    let amounts = |before: &str, after: &str| -> Vec<(String, f64)> {
        let listed = between(words, before, after).unwrap_or_default();
        listed.split(',').filter_map(|pair| pair.trim().split_once('=')).filter_map(|(name, amount)| Some((name.to_owned(), quantity(amount)?))).collect()
    };
    let limited = amounts("limited: ", "\n");
    amounts("requested: ", ", used: ").iter().any(|(name, asked)| limited.iter().any(|(of, limit)| of == name && asked > limit))
}

/// The error of a request that the API server refused.
pub fn request(resource: &str, group: &str, verb: &str, name: &str, target: &Target, error: &kube::Error) -> Error {
    let kube::Error::Api(status) = error else {
        return Error::backend(
            format!("{verb} {resource} {name} in {target} failed: {}", explain(error)),
            "check the connection to the cluster: `runwright doctor --on kubernetes`",
        );
    };
    let message = format!("{verb} {resource} {name} in {target} was refused ({}): {}", status.code, status.message);
    match status.code {
        403 if let Some(cure) = rule(&status.message) => Error::backend(message, cure).because("Forbidden"),
        403 | 422 if row(&status.message).1 != "FailedCreate" => {
            let fault = pod(&status.message);
            Error::backend(message, fault.cure).because(fault.cause)
        }
        403 => Error::backend(
            message,
            format!("have this rule in a Role: apiGroups: [\"{group}\"], resources: [\"{resource}\"], verbs: [\"{}\"]", verb.split(' ').next().unwrap_or(verb)),
        )
        .because("Forbidden"),
        401 => Error::backend(message, "the credentials are not accepted any more: log in again").because("Unauthorized"),
        404 if status.message.contains("namespaces ") => {
            Error::backend(message, format!("there is no namespace {}: create it, or give namespace=", target.namespace)).because("NamespaceMissing")
        }
        400 | 422 => Error::invalid("manifest", name, message, "see what it says; runwright.run(dry_run=True) shows the manifest"),
        _ if is_full(&status.message) => Error::backend(
            message,
            "the cluster's database (etcd) is full: whoever runs the cluster has to make room in it, and to clear its alarm (etcdctl compact, defrag, alarm disarm)",
        )
        .because("StorageFull"),
        413 => Error::backend(message, "see what it says; runwright.run(dry_run=True) shows the manifest"),
        _ => Error::backend(message, "see what it says; `runwright doctor --on kubernetes` checks access and quota"),
    }
}

/// The rule of a Role that would allow it, where the words are those of an authorizer: `User "ada" cannot create resource "jobs" in API group "batch" in …`.
pub fn rule(message: &str) -> Option<String> {
    let verb = between(message, " cannot ", " ")?;
    let resource = between(message, " resource \"", "\"")?;
    let group = between(message, " in API group \"", "\"").unwrap_or_default();
    let who = between(message, "User \"", "\"").map(|user| format!(" for {user}")).unwrap_or_default();
    Some(format!("have a Role with this rule{who}: apiGroups: [\"{group}\"], resources: [\"{resource}\"], verbs: [\"{verb}\"]; `runwright rbac` prints the whole Role"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_of_a_pod_has_its_cause_and_the_policys_words() {
        let pods = |words: &str| pod(&format!("Error creating: pods \"rw-0190-x4k2p\" is forbidden: {words}"));
        for (words, cause, patience) in [
            ("exceeded quota: small, requested: requests.cpu=800m, used: requests.cpu=800m, limited: requests.cpu=1", "QuotaExceeded", Place),
            ("exceeded quota: small, requested: requests.cpu=2, used: requests.cpu=0, limited: requests.cpu=1", "QuotaExceeded", Never),
            (
                "exceeded quota: q, requested: limits.memory=64Mi,requests.cpu=1, used: limits.memory=1Gi,requests.cpu=0, limited: limits.memory=1Gi,requests.cpu=2",
                "QuotaExceeded",
                Place,
            ),
            ("failed quota: small: must specify requests.cpu for: main", "QuotaExceeded", Never),
            (
                "violates PodSecurity \"restricted:latest\": allowPrivilegeEscalation != false (container \"main\" must set securityContext.allowPrivilegeEscalation=false)",
                "PodSecurity",
                Never,
            ),
            ("ValidatingAdmissionPolicy 'p' with binding 'p' denied request: every pod must say whose it is (label team)", "AdmissionDenied", Never),
            ("maximum memory usage per Container is 512Mi, but limit is 600Mi", "LimitRange", Never),
            ("no PriorityClass with name absent was found", "AdmissionDenied", Never),
            ("pod rejected: RuntimeClass \"absent\" not found", "AdmissionDenied", Never),
            ("error looking up service account ns/absent: serviceaccount \"absent\" not found", "FailedCreate", Start),
            ("unable to create new content in namespace x because it is being terminated", "NamespaceTerminating", Never),
        ] {
            let fault = pods(words);
            assert_eq!((fault.cause, fault.patience), (cause, patience), "{words}");
            assert_eq!(fault.message, format!("its pod is refused: {words}"));
        }
        let webhook = pod("Error creating: Internal error occurred: failed calling webhook \"a.b.c\": failed to call webhook: connection refused");
        assert_eq!((webhook.cause, webhook.patience), ("AdmissionFailed", Start));
        let webhook = pod("Error creating: admission webhook \"a.b.c\" denied the request: no latest tags");
        assert_eq!((webhook.cause, webhook.message.as_str()), ("AdmissionDenied", "its pod is refused: admission webhook \"a.b.c\" denied the request: no latest tags"));
    }

    #[test]
    fn what_is_forbidden_names_the_rule() {
        for (message, rule_of) in [
            (
                "jobs.batch is forbidden: User \"ada\" cannot create resource \"jobs\" in API group \"batch\" in the namespace \"n\"",
                "for ada: apiGroups: [\"batch\"], resources: [\"jobs\"], verbs: [\"create\"]",
            ),
            (
                "pods \"p\" is forbidden: User \"system:serviceaccount:n:s\" cannot get resource \"pods/log\" in API group \"\" in the namespace \"n\"",
                "for system:serviceaccount:n:s: apiGroups: [\"\"], resources: [\"pods/log\"], verbs: [\"get\"]",
            ),
        ] {
            let cure = rule(message).expect(message);
            assert!(cure.contains(rule_of), "{cure}");
        }
        assert_eq!(rule("pods \"p\" is forbidden: exceeded quota: small"), None);
    }
}
