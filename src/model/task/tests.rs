//! Task parameters in every form they may have, and what is said of those that have none of them.

use serde_json::json;

use super::volume::{Claim, Files, Source};
use super::*;

fn read(all: &Value) -> Result<TaskParameters> {
    TaskParameters::read(all.as_object().expect("a mapping"))
}

#[test]
fn the_platforms_form_is_read() {
    let task = read(&json!({
        "node_selector": [{"key": "kubernetes.io/arch", "value": "amd64"}],
        "affinity": {"node_affinity": {"required_during_scheduling_ignored_during_execution": {"node_selector_terms": [{"match_expressions": [{"key": "gpu", "operator": "Exists"}]}]}}},
        "tolerations": [{"key": "gpu", "operator": "Equal", "value": "a100", "effect": "NoExecute", "toleration_seconds": 60}, {"operator": "Exists"}],
        "run_as_user": "8877",
        "fs_group": 8877,
        "service_ports": [{"port": 80, "target_port": 8080}, {"port": 443}],
        "service_type": "NodePort",
        "replicas": 3,
        "profile": null,
    }))
    .expect("parameters");
    assert_eq!(task.node_selector["kubernetes.io/arch"], "amd64");
    let terms = task.affinity.and_then(|affinity| affinity.node_affinity).and_then(|affinity| affinity.required_during_scheduling_ignored_during_execution).expect("terms");
    assert_eq!(terms.node_selector_terms[0].match_expressions.as_ref().expect("expressions")[0].key, "gpu");
    assert_eq!(task.tolerations[0].toleration_seconds, Some(60));
    assert_eq!((task.run_as_user, task.fs_group, task.replicas), (Some(8877), Some(8877), Some(3)));
    assert_eq!(task.service_ports, [ServicePort { port: 80, target_port: 8080 }, ServicePort { port: 443, target_port: 443 }]);
    assert_eq!((task.service_type, task.profile), (Some(ServiceType::NodePort), None));
    assert_eq!(read(&json!({"node_selector": {"a": "b"}})).expect("parameters").node_selector["a"], "b");
}

#[test]
fn every_type_of_volume_is_read() {
    let volume = |of: &str, spec: Value| {
        let all = json!({"volumes": [{"volume_type": of, "name": "data", "mount_path": "/data/", "spec": spec}]});
        let volume = read(&all).expect(of).volumes.remove(0);
        assert_eq!((volume.name.as_str(), volume.mount_path.as_str(), volume.read_only), ("data", "/data", false));
        volume.source
    };
    let size = Some("1Gi".to_owned());
    assert_eq!(volume("persistent_volume_claim", json!(null)), Source::PersistentVolumeClaim(Claim::Existing("data".into())));
    assert_eq!(volume("persistent_volume_claim", json!({"claim_name": "mine"})), Source::PersistentVolumeClaim(Claim::Existing("mine".into())));
    assert_eq!(volume("persistent_volume_claim", json!({"size": "1Gi"})), Source::PersistentVolumeClaim(Claim::Made { size: "1Gi".into(), storage_class: None }));
    assert_eq!(volume("empty_dir", json!({"size_limit": "1Gi", "medium": "Memory"})), Source::EmptyDir { size_limit: size, medium: Some("Memory".into()) });
    assert_eq!(volume("ephemeral", json!({"size": "1Gi", "storage_class": "fast"})), Source::Ephemeral { size: "1Gi".into(), storage_class: Some("fast".into()) });
    assert_eq!(volume("shared_volume", json!({"claimName": "team"})), Source::SharedVolume { claim_name: "team".into() });
    let items: BTreeMap<String, String> = [("ca.crt".to_owned(), "certs/ca.crt".to_owned())].into();
    assert_eq!(volume("config_map", json!({"name": "c", "items": items, "optional": true})), Source::ConfigMap(Files { object: "c".into(), items, optional: true }));
    assert_eq!(volume("secret", json!({"secret_name": "s"})), Source::Secret(Files { object: "s".into(), items: BTreeMap::new(), optional: false }));
}

#[test]
fn every_wrong_parameter_is_named() {
    let volume = |more: Value| {
        let mut volume = json!({"volume_type": "empty_dir", "name": "data", "mount_path": "/data"});
        volume.as_object_mut().expect("a mapping").extend(more.as_object().expect("a mapping").clone());
        json!({"volumes": [volume]})
    };
    let cases = [
        (json!({"tolerances": []}), "a run has no field \"tolerances\" (did you mean \"tolerations\"?)"),
        (json!({"profile": "a b"}), "profile=\"a b\" is not a name"),
        (json!({"node_selector": {"a b": "c"}}), "node_selector.a b=\"a b\" is not a key"),
        (json!({"node_selector": {"a": 1}}), "node_selector.a=1 is not a value"),
        (json!({"node_selector": [{"key": "a"}]}), "node_selector[0].value is missing"),
        (json!({"node_selector": "a=b"}), "node_selector=\"a=b\" is not a mapping"),
        (json!({"affinity": {"nodeAfinity": {}}}), "did you mean \"nodeAffinity\"?"),
        (json!({"affinity": []}), "affinity=[] is not a mapping"),
        (json!({"tolerations": {}}), "tolerations={} is not a list"),
        (json!({"tolerations": [{"key": "a", "operator": "equal"}]}), "did you mean \"Equal\"?"),
        (json!({"tolerations": [{"operator": "Equal"}]}), "tolerations[0].key=null: without a key"),
        (json!({"tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]}), "tolerations[0].value=\"b\": operator \"Exists\""),
        (json!({"tolerations": [{"key": "a", "effect": "NoSchedule", "toleration_seconds": 1}]}), "tolerations[0].toleration_seconds=1: "),
        (json!({"tolerations": [{"key": "a", "seconds": 1}]}), "tolerations[0].seconds is no field"),
        (json!({"queue": "Team A"}), "queue=\"Team A\" is not a name"),
        (json!({"run_as_user": -1}), "run_as_user=-1 is not an id"),
        (json!({"fs_group": 1.5}), "fs_group=1.5 is not an id"),
        (json!({"security_context": {"runAsRoot": true}}), "security_context.runAsRoot is no field"),
        (json!({"image": "A/B"}), "image=\"A/B\" is not an image"),
        (json!({"image_pull_policy": "IfNotPresnt"}), "did you mean \"IfNotPresent\"?"),
        (json!({"image_pull_secrets": "x"}), "image_pull_secrets=\"x\" is not a list"),
        (json!({"image_pull_secrets": ["X"]}), "image_pull_secrets[0]=\"X\" is not a name"),
        (json!({"annotations": {"a": 1}}), "annotations.a=1 is not text"),
        (json!({"annotations": {"runwright.dev/run": "x"}}), "are Runwright's own"),
        (json!({"pod_template": "x"}), "pod_template=\"x\" is not a mapping"),
        (json!({"pod_template": {"spec": {"hostNetwork": "yes"}}}), "pod_template.spec.hostNetwork is not right"),
        (json!({"backoff_limit": -1}), "backoff_limit=-1 is not a number"),
        (json!({"ttl": 2.5}), "ttl=2.5 is not a whole number"),
        (json!({"start_timeout": -1}), "start_timeout=-1 is not a number of seconds"),
        (json!({"pending_timeout": "1h"}), "pending_timeout=\"1h\" is not a number of seconds"),
        (json!({"recover": true}), "recover=true is not what to do after a fault"),
        (json!({"recover": {"oom": {}}}), "recovery has no field \"oom\""),
        (json!({"recover": {"out_of_memory": {"factor": 1, "limit": "1Gi"}}}), "recover.out_of_memory.factor=1 is not a number greater than 1"),
        (json!({"recover": {"out_of_memory": {"factor": 2}}}), "recover.out_of_memory.limit is missing"),
        (json!({"recover": {"out_of_memory": {"limit": "8GB"}}}), "recover.out_of_memory.limit=\"8GB\" is not a size"),
        (json!({"recover": {"disruption": 3}}), "recover.disruption=3 is not true or false"),
        (json!({"replicas": 3_000_000_000_u64}), "replicas=3000000000 is too large"),
        (json!({"service_ports": [80]}), "service_ports[0]=80 is not a port"),
        (json!({"service_ports": [{"port": 70000}]}), "service_ports[0].port=70000 is not a number of a port"),
        (json!({"service_ports": [{"port": 80}, {"port": 80}]}), "service_ports[1].port=80 is there twice"),
        (json!({"service_type": "ExternalName"}), "service_type=\"ExternalName\" is none of its values"),
        (json!({"service_name": "1st"}), "service_name=\"1st\" is not a name of a service"),
        (json!({"volumes": ["data"]}), "volumes[0]=\"data\" is not a volume"),
        (volume(json!({"volume_type": "emptyDir"})), "did you mean \"empty_dir\"?"),
        (volume(json!({"name": "My Data"})), "volumes[0].name=\"My Data\" is not a name"),
        (volume(json!({"mount_path": "data"})), "volumes[0].mount_path=\"data\" is not an absolute path"),
        (volume(json!({"mount_path": "/a/../b"})), "volumes[0].mount_path=\"/a/../b\" is not"),
        (volume(json!({"mount_path": "/runwright/home"})), "Runwright has its own files"),
        (volume(json!({"spec": {"size": "1Gi"}})), "volumes[0].spec: a volume of type empty_dir has no field \"size\""),
        (volume(json!({"spec": {"size_limit": "1GB"}})), "volumes[0].spec.size_limit=\"1GB\" is not a size"),
        (volume(json!({"volume_type": "ephemeral"})), "volumes[0].spec.size is missing"),
        (volume(json!({"volume_type": "persistent_volume_claim", "spec": {"size": "1Gi", "claim_name": "x"}})), "contradict each other"),
        (volume(json!({"volume_type": "secret", "spec": {"items": {"a": "../b"}}})), "volumes[0].spec.items.a=\"../b\" is not a relative path"),
        (volume(json!({"mode": 1})), "a volume has no field \"mode\""),
    ];
    for (all, expected) in cases {
        let error = read(&all).expect_err(&all.to_string());
        let (text, fault) = (error.to_string(), error.fault().expect("a fault"));
        assert!(text.contains(expected), "{all}: {text}");
        assert!(fault.field.is_some() && fault.value.is_some() && fault.cure.is_some(), "{all}: {fault:?}");
    }
}

#[test]
fn more_memory_needs_some_to_begin_with() {
    use crate::model::resources::Resources;
    let recover = read(&json!({"recover": {"out_of_memory": {"limit": "1Gi"}}})).expect("parameters").recover;
    let of = |mem: Option<&str>| recover.check(&Resources { mem: mem.map(str::to_owned), ..Resources::default() });
    assert!(of(Some("512Mi")).is_ok() && recover.disruption);
    for (mem, field) in [(None, "recover.out_of_memory"), (Some("1Gi"), "recover.out_of_memory.limit"), (Some("2Gi"), "recover.out_of_memory.limit")] {
        let error = of(mem).expect_err("a fault");
        assert_eq!(error.fault().and_then(|fault| fault.field.as_deref()), Some(field));
    }
}

#[test]
fn no_two_volumes_have_one_name_or_one_folder() {
    for (one, two) in [(("a", "/a"), ("a", "/b")), (("a", "/a"), ("b", "/a/"))] {
        let volumes: Vec<Value> = [one, two].iter().map(|(name, path)| json!({"volume_type": "empty_dir", "name": name, "mount_path": path})).collect();
        let error = read(&json!({"volumes": volumes})).expect_err("a fault").to_string();
        assert!(error.starts_with("volumes[1]."), "{error}");
    }
}

#[test]
fn labels_are_words_or_words_with_a_value() {
    assert!(check_labels(&["nightly".into(), "team=risk".into(), "example.com/a=".into()]).is_ok());
    for bad in ["", "two words", "a=b=c", "=x"] {
        let error = check_labels(&["good".into(), bad.into()]).expect_err(bad).to_string();
        assert!(error.starts_with("labels[1]="), "{error}");
    }
}
