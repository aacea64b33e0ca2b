//! What this backend's requests need to be allowed, in one table: `runwright rbac` prints it as a Role, `runwright doctor` asks for each of its verbs.
//!
//! Who adds a request adds its verb here, with the reason. `tests/python/kubernetes/test_rbac.py` holds the table to the requests that are really made.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::error::{Error, Result, did_you_mean};

/// Some verbs on one kind of object, and what they are for.
#[derive(Debug, Clone, Copy)]
pub struct Right {
    /// For what: `kind.action`, [`AUTOSCALE`] or [`DOCTOR`].
    pub needed_for: &'static [&'static str],
    /// The API group; empty for the core.
    pub group: &'static str,
    /// In the plural, with its subresource: `pods/log`.
    pub resource: &'static str,
    pub verbs: &'static [&'static str],
    pub reason: &'static str,
}

/// What `runwright doctor` looks at besides; nothing that runs needs it.
pub const DOCTOR: &str = "doctor";
/// What services with `autoscale=` need besides.
pub const AUTOSCALE: &str = "autoscale";
const JOBS: &[&str] = &["python.job", "python.build", "container.job", "container.build"];
const PYTHON: &[&str] = &["python.job", "python.serve", "python.build", "container.build"];
const SERVICES: &[&str] = &["python.serve", "container.deploy", "container.serve"];
const ALL: &[&str] = &["python.job", "python.serve", "python.build", "container.job", "container.build", "container.deploy", "container.serve"];

/// THE table. Reasons end up as comments in the Role.
pub const RIGHTS: &[Right] = &[
    Right {
        needed_for: JOBS,
        group: "batch",
        resource: "jobs",
        verbs: &["create", "get", "list", "watch", "patch", "delete"],
        reason: "a run is a Job: made, found again, watched, stopped and let go on (patch), deleted",
    },
    Right {
        needed_for: SERVICES,
        group: "apps",
        resource: "deployments",
        verbs: &["create", "get", "list", "watch", "patch", "delete"],
        reason: "what runs until it is stopped is a Deployment: made, found again, watched, changed, deleted",
    },
    Right { needed_for: SERVICES, group: "", resource: "services", verbs: &["create", "get"], reason: "the name and the ports by which others reach it" },
    Right { needed_for: SERVICES, group: "", resource: "services/proxy", verbs: &["create", "get"], reason: "to ask it (GET and POST) from outside the cluster: run.invoke()" },
    Right {
        needed_for: &[AUTOSCALE],
        group: "autoscaling",
        resource: "horizontalpodautoscalers",
        verbs: &["create", "get"],
        reason: "how many of a service there are follows its use: autoscale=",
    },
    Right { needed_for: ALL, group: "", resource: "pods", verbs: &["delete", "list", "watch"], reason: "how far a run is, and why it failed; to end one run of a fan-out" },
    Right {
        needed_for: &["python.build", "container.build"],
        group: "",
        resource: "pods",
        verbs: &["create"],
        reason: "to ask, without making any, whether a pod with a BuildKit would be admitted",
    },
    Right { needed_for: ALL, group: "", resource: "pods/log", verbs: &["get"], reason: "its log; larger results come back by one, too" },
    Right { needed_for: ALL, group: "", resource: "events", verbs: &["list", "watch"], reason: "why it waits: no node, no image, a quota" },
    Right { needed_for: PYTHON, group: "", resource: "configmaps", verbs: &["create", "get", "patch"], reason: "the runner, and code and inputs that are too large for a Job" },
    Right { needed_for: PYTHON, group: "", resource: "configmaps", verbs: &["list", "delete"], reason: "`runwright gc` removes the runner once no run needs it" },
    Right { needed_for: ALL, group: "", resource: "secrets", verbs: &["create"], reason: "the secrets of a run; none is ever read" },
    Right { needed_for: &[DOCTOR], group: "", resource: "namespaces", verbs: &["get"], reason: "its Pod Security Standard" },
    Right { needed_for: &[DOCTOR], group: "", resource: "resourcequotas", verbs: &["list"], reason: "what is left of the quota" },
    Right { needed_for: &[DOCTOR], group: "", resource: "limitranges", verbs: &["list"], reason: "what a container may ask for" },
];

/// The order in which verbs are written.
const VERBS: [&str; 6] = ["create", "get", "list", "watch", "patch", "delete"];

/// A rule of a Role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rule {
    #[serde(skip)]
    pub reasons: Vec<&'static str>,
    pub group: &'static str,
    pub resource: &'static str,
    pub verbs: Vec<&'static str>,
}

/// Everything that may be asked for, the actions before what is no action.
#[must_use]
pub fn known() -> Vec<&'static str> {
    [ALL, &[AUTOSCALE, DOCTOR]].concat()
}

/// The rules for some actions, one a kind of object. `asked` has actions (`job`, `container.deploy`) [`AUTOSCALE`] and [`DOCTOR`]; none means all actions.
pub fn rules(asked: &[String]) -> Result<Vec<Rule>> {
    let uses = uses(asked)?;
    let mut rules: Vec<Rule> = Vec::new();
    for right in RIGHTS.iter().filter(|right| right.needed_for.iter().any(|use_| uses.contains(use_))) {
        let place = rules.iter().position(|rule| (rule.group, rule.resource) == (right.group, right.resource)).unwrap_or_else(|| {
            rules.push(Rule { reasons: Vec::new(), group: right.group, resource: right.resource, verbs: Vec::new() });
            rules.len() - 1
        });
        rules[place].reasons.push(right.reason);
        rules[place].verbs.extend(right.verbs);
        rules[place].verbs.sort_by_key(|verb| VERBS.iter().position(|known| known == verb));
        rules[place].verbs.dedup();
    }
    Ok(rules)
}

/// What some actions stand for: `job` for that of every kind.
fn uses(asked: &[String]) -> Result<Vec<&'static str>> {
    if asked.is_empty() {
        return Ok(ALL.to_vec());
    }
    let mut uses = Vec::new();
    for action in asked {
        let found: Vec<&str> = known().into_iter().filter(|known| known == action || known.split_once('.').is_some_and(|(_, of_kind)| of_kind == action)).collect();
        if found.is_empty() {
            let short: BTreeSet<&str> = known().into_iter().map(|known| known.split_once('.').map_or(known, |(_, action)| action)).collect();
            let names: Vec<&str> = short.into_iter().chain(ALL.iter().copied()).collect();
            return Err(Error::invalid(
                "action",
                action,
                format!("there is no action {action:?} on Kubernetes{}", did_you_mean(action, names.iter().copied())),
                format!("use some of: {}", names.join(", ")),
            ));
        }
        uses.extend(found);
    }
    Ok(uses)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn asked(actions: &[&str]) -> Result<Vec<Rule>> {
        rules(&actions.iter().map(|action| (*action).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn rules_are_one_a_kind_of_object_and_no_more_than_asked_for() {
        let of = |actions: &[&str]| asked(actions).expect("rules").into_iter().map(|rule| (rule.resource, rule.verbs)).collect::<BTreeMap<_, _>>();
        let python = of(&["python.job"]);
        assert_eq!(python["configmaps"], ["create", "get", "list", "patch", "delete"]);
        assert!(!python.contains_key("deployments"));
        let containers = of(&["container.job"]);
        assert!(!containers.contains_key("configmaps") && containers.contains_key("jobs"));
        assert_eq!(of(&["job"]), python);
        assert!(!of(&["deploy"]).contains_key("jobs"));
        assert_eq!(of(&[]), of(&["job", "deploy", "build"]));
        assert_eq!(of(&["job", "doctor"]).len(), python.len() + 3);
        assert!(!of(&[]).contains_key("horizontalpodautoscalers") && of(&["serve", "autoscale"])["horizontalpodautoscalers"] == ["create", "get"]);
    }

    #[test]
    fn an_action_that_is_none_is_named_with_what_would_be_right() {
        let error = asked(&["jbo"]).expect_err("no action").to_string();
        assert!(error.contains("did you mean \"job\"?") && error.contains("container.deploy"), "{error}");
    }

    #[test]
    fn every_verb_has_its_place_in_the_order() {
        assert!(RIGHTS.iter().flat_map(|right| right.verbs).all(|verb| VERBS.contains(verb)));
    }
}
