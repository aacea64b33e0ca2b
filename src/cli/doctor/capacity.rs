//! What a namespace has left, and what it lets a container ask for. Pure: from its quotas and limits.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{LimitRange, LimitRangeItem, ResourceQuota};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::super::text;
use super::Check;
use crate::backend::kubernetes::SIDECAR;
use crate::model::resources::quantity;

type Amounts = BTreeMap<String, Quantity>;

/// Of what a run needs some: without it its objects or its pod are refused.
const NEEDED: [&str; 14] = [
    "pods",
    "count/pods",
    "count/jobs.batch",
    "configmaps",
    "count/configmaps",
    "secrets",
    "count/secrets",
    "cpu",
    "requests.cpu",
    "limits.cpu",
    "memory",
    "requests.memory",
    "limits.memory",
    "requests.ephemeral-storage",
];

/// What is left of the quotas.
pub fn quota(quotas: &[ResourceQuota], limits: &[LimitRange]) -> Check {
    const NAME: &str = "quota";
    if quotas.is_empty() {
        return Check::ok(NAME, "none: as much as the nodes have");
    }
    let (mut shown, mut used_up) = (Vec::new(), Vec::new());
    for quota in quotas {
        let status = quota.status.clone().unwrap_or_default();
        let (hard, used) = (status.hard.unwrap_or_default(), status.used.unwrap_or_default());
        // One with scopes counts only some pods.
        let scoped = quota.spec.as_ref().is_some_and(|spec| spec.scopes.as_ref().is_some_and(|scopes| !scopes.is_empty()) || spec.scope_selector.is_some());
        for (name, of) in &hard {
            let (Some(of), Some(used)) = (quantity(&of.0), quantity(used.get(name).map_or("0", |used| used.0.as_str()))) else { continue };
            let left = (of - used).max(0.0);
            shown.push(format!("{} of {} {name}{}", amount(name, left), amount(name, of), if scoped { " (of some pods)" } else { "" }));
            if left <= 0.0 && !scoped && NEEDED.contains(&name.as_str()) {
                used_up.push(name.clone());
            }
        }
    }
    let message = format!("left: {}", shown.join(", "));
    if !used_up.is_empty() {
        return Check::warn(NAME, message, format!("nothing is left of {}: runs wait until others end; ask for more, or stop some", used_up.join(", ")));
    }
    let undeclared = undeclared(quotas, limits);
    if undeclared.is_empty() {
        return Check::ok(NAME, message);
    }
    let asked = undeclared.iter().map(|name| format!("{name:?}: …")).collect::<Vec<_>>().join(", ");
    Check::warn(NAME, message, format!("pods that do not say how much they need are refused: give every run resources={{{asked}}}"))
}

/// Which of `cpu` and `mem` a run must ask for, because a quota counts them and no limit range gives a default.
fn undeclared(quotas: &[ResourceQuota], limits: &[LimitRange]) -> Vec<&'static str> {
    let counted = |names: [&str; 3]| quotas.iter().filter_map(|quota| quota.status.as_ref()?.hard.as_ref()).any(|hard| hard.keys().any(|name| names.contains(&name.as_str())));
    let defaulted = |name: &str| containers(limits).any(|item| [&item.default, &item.default_request].into_iter().flatten().any(|amounts| amounts.contains_key(name)));
    let mut names = Vec::new();
    if counted(["cpu", "requests.cpu", "limits.cpu"]) && !defaulted("cpu") {
        names.push("cpu");
    }
    if counted(["memory", "requests.memory", "limits.memory"]) && !defaulted("memory") {
        names.push("mem");
    }
    names
}

/// What a container may ask for. What refuses the container that brings results back refuses every run of a Python function.
pub fn limits(limits: &[LimitRange]) -> Check {
    const NAME: &str = "limits";
    let mut shown = Vec::new();
    for item in containers(limits) {
        let parts = [("at least", &item.min), ("at most", &item.max), ("by default", &item.default)];
        shown.extend(parts.into_iter().filter_map(|(word, amounts)| amounts.as_ref().filter(|amounts| !amounts.is_empty()).map(|amounts| format!("{word} {}", listed(amounts)))));
    }
    let refused: Vec<String> = containers(limits).flat_map(refuses).collect();
    if !refused.is_empty() {
        let asks: Vec<String> = SIDECAR.iter().map(|(name, request, limit)| format!("{request} to {limit} of {name}")).collect();
        return Check::fail(
            NAME,
            format!("a container has {}", shown.join("; ")),
            format!("the container that brings results back asks for {}, which is refused ({}): have the LimitRange changed", asks.join(" and "), refused.join("; ")),
        );
    }
    Check::ok(NAME, if shown.is_empty() { "none".to_owned() } else { format!("a container has {}", shown.join("; ")) })
}

fn containers(limits: &[LimitRange]) -> impl Iterator<Item = &LimitRangeItem> {
    limits.iter().filter_map(|range| range.spec.as_ref()).flat_map(|spec| &spec.limits).filter(|item| item.type_ == "Container")
}

/// Why it refuses the results' container.
fn refuses(item: &LimitRangeItem) -> Vec<String> {
    let of = |amounts: &Option<Amounts>, name: &str| amounts.as_ref().and_then(|amounts| quantity(&amounts.get(name)?.0));
    let mut reasons = Vec::new();
    for (name, request, limit) in SIDECAR {
        let (Some(asks), Some(most)) = (quantity(request), quantity(limit)) else { continue };
        if let Some(least) = of(&item.min, name).filter(|least| *least > asks) {
            reasons.push(format!("at least {} of {name}", amount(name, least)));
        }
        if let Some(max) = of(&item.max, name).filter(|max| *max < most) {
            reasons.push(format!("at most {} of {name}", amount(name, max)));
        }
        if let Some(ratio) = of(&item.max_limit_request_ratio, name).filter(|ratio| *ratio < most / asks) {
            reasons.push(format!("a limit of at most {ratio} times the request of {name}"));
        }
    }
    reasons
}

fn listed(amounts: &Amounts) -> String {
    amounts.iter().map(|(name, amount)| format!("{} {name}", amount.0)).collect::<Vec<_>>().join(", ")
}

/// A number as people read it: memory and storage in bytes.
fn amount(name: &str, number: f64) -> String {
    if name.contains("memory") || (name.contains("storage") && !name.starts_with("count/")) {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // It is positive, and shown rounded.
        return text::bytes(number as u64);
    }
    format!("{}", (number * 1000.0).round() / 1000.0)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::Status;
    use super::*;

    fn quotas(hard: &Value, used: &Value) -> Vec<ResourceQuota> {
        vec![serde_json::from_value(json!({"status": {"hard": hard, "used": used}})).expect("a quota")]
    }

    fn ranges(item: &Value) -> Vec<LimitRange> {
        vec![serde_json::from_value(json!({"spec": {"limits": [item]}})).expect("a range")]
    }

    #[test]
    fn what_is_left_is_told() {
        let check = quota(&quotas(&json!({"pods": "10", "count/jobs.batch": "3"}), &json!({"pods": "4", "count/jobs.batch": "2"})), &[]);
        assert_eq!((check.status, check.message.as_str()), (Status::Ok, "left: 1 of 3 count/jobs.batch, 6 of 10 pods"));
        let check = quota(&quotas(&json!({"pods": "4", "services": "1"}), &json!({"pods": "4", "services": "1"})), &[]);
        assert_eq!(check.status, Status::Warn);
        assert!(check.cure.is_some_and(|cure| cure.contains("of pods:")));
    }

    #[test]
    fn what_must_be_asked_for_is_told_unless_it_has_a_default() {
        let counted = quotas(&json!({"requests.cpu": "4", "limits.memory": "8Gi"}), &json!({"requests.cpu": "500m", "limits.memory": "2Gi"}));
        let check = quota(&counted, &[]);
        assert_eq!((check.status, check.message.as_str()), (Status::Warn, "left: 6.0 GiB of 8.0 GiB limits.memory, 3.5 of 4 requests.cpu"));
        assert!(check.cure.is_some_and(|cure| cure.contains("{\"cpu\": …, \"mem\": …}")));
        let defaults = ranges(&json!({"type": "Container", "default": {"cpu": "1", "memory": "1Gi"}}));
        assert_eq!(quota(&counted, &defaults).status, Status::Ok);
    }

    #[test]
    fn a_range_that_refuses_every_run_fails() {
        for (item, refused) in [
            (json!({"type": "Container", "min": {"cpu": "10m"}}), true),
            (json!({"type": "Container", "max": {"memory": "48Mi"}}), true),
            (json!({"type": "Container", "maxLimitRequestRatio": {"cpu": "10"}}), true),
            (json!({"type": "Pod", "max": {"memory": "48Mi"}}), false),
            (json!({"type": "Container", "min": {"cpu": "1m"}, "max": {"cpu": "8", "memory": "16Gi"}, "default": {"cpu": "1"}}), false),
        ] {
            assert_eq!(limits(&ranges(&item)).status == Status::Fail, refused, "{item}");
        }
    }
}
