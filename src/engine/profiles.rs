//! Profiles: what many runs say of the place where they execute, under a name that a run gives. What the run says itself wins.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::Engine;
use super::record::{Request, check_numbers};
use crate::error::{Error, Result, did_you_mean};
use crate::model::fields::{Fields, not};
use crate::model::function::Function;
use crate::model::resources::Resources;
use crate::model::run::Profile;
use crate::model::task::{self, TaskParameters, names};

/// What a profile may say beside task parameters.
const OPTIONS: [&str; 5] = ["resources", "envs", "timeout", "grace", "labels"];
/// Lists of things that stand side by side: of the run's own and of its profile's, both.
const JOINED: [&str; 3] = ["volumes", "tolerations", "image_pull_secrets"];

/// The profiles that runs may name.
pub type Profiles = BTreeMap<String, Profile>;

/// Reads profiles as they were written: by name, what a run may say. An error names the profile, its field, and what would be right.
pub fn read(all: &Map<String, Value>) -> Result<Profiles> {
    all.iter().map(|(name, says)| Ok((name.clone(), profile(name, says)?))).collect()
}

fn profile(name: &str, says: &Value) -> Result<Profile> {
    const FORM: &str = "what a run may say, such as {\"resources\": {\"mem\": \"8Gi\"}, \"node_selector\": {\"pool\": \"large\"}}";
    names::OBJECT.check("profiles", name)?;
    let place = format!("profiles.{name}");
    let says = says.as_object().ok_or_else(|| not(&place, says, FORM))?;
    let known: Vec<&str> = OPTIONS.into_iter().chain(task::FIELDS).filter(|field| *field != "profile").collect();
    Fields::read("a profile", &place, says, &known)?;
    let profile = Profile { name: name.to_owned(), says: says.clone() };
    check(&profile).map_err(|error| error.within(&place))?;
    Ok(profile)
}

/// Checks it as if a run said all of it itself.
fn check(profile: &Profile) -> Result<()> {
    let mut request: Request = serde_json::from_value(serde_json::json!({"project": "p", "function": "f"}))
        .map_err(|error| Error::backend(format!("an empty request cannot be read: {error}"), "this is a fault of Runwright; please report it"))?;
    lay_under(profile, None, &mut request)?;
    check_numbers(&request)?;
    request.resources.check()?;
    task::check_labels(&request.labels)?;
    let mut extra = request.extra;
    extra.extend(profile.says.get("pod_template").map(|template| ("pod_template".to_owned(), template.clone())));
    TaskParameters::read(&extra).map(drop)
}

impl Engine {
    /// Lays the profile that a request names under what it says itself. Gives it as it is now, to be kept with the run.
    pub(super) fn under(&self, function: &Function, request: &mut Request) -> Result<Option<Profile>> {
        let Some(named) = request.extra.get("profile").filter(|named| !named.is_null()) else { return Ok(None) };
        let name = named.as_str().ok_or_else(|| not("profile", named, "the name of a profile"))?.to_owned();
        names::OBJECT.check("profile", &name)?;
        // A run that is done again has what it had.
        let known = request.profile.take().filter(|kept| kept.name == name).or_else(|| self.profiles.get(&name).cloned());
        let profile = known.ok_or_else(|| unknown(&name, &self.profiles))?;
        lay_under(&profile, Some(function), request)?;
        Ok(Some(profile))
    }
}

fn unknown(name: &str, profiles: &Profiles) -> Error {
    let known: Vec<&str> = profiles.keys().map(String::as_str).collect();
    let cure = if known.is_empty() {
        "leave it out, or say what it is: rw.use(profiles={…}), profiles.yaml in the home, or a file named by RUNWRIGHT_PROFILES".to_owned()
    } else {
        format!("use one of: {}", known.join(", "))
    };
    Error::invalid("profile", name, format!("there is no profile {name:?}{}", did_you_mean(name, known.iter().copied())), cure)
}

/// What the request does not say itself is what the profile says. Its pod template stays with it: templates are merged where all of them are known.
fn lay_under(profile: &Profile, function: Option<&Function>, request: &mut Request) -> Result<()> {
    for (field, said) in profile.says.iter().filter(|(_, said)| !said.is_null()) {
        match field.as_str() {
            "resources" => {
                let Resources { cpu, mem, gpu, disk } = option(field, said, "quantities by name, such as {\"cpu\": \"2\", \"mem\": \"4Gi\"}")?;
                let own = &mut request.resources;
                (own.cpu, own.mem) = (own.cpu.take().or(cpu), own.mem.take().or(mem));
                (own.gpu, own.disk) = (own.gpu.take().or(gpu), own.disk.take().or(disk));
            }
            "envs" => {
                let said: BTreeMap<String, String> = option(field, said, "text by name, such as {\"OMP_NUM_THREADS\": \"4\"}")?;
                for (name, value) in said {
                    request.envs.entry(name).or_insert(value);
                }
            }
            "labels" => {
                let said: Vec<String> = option(field, said, "a list of labels, such as [\"team=risk\"]")?;
                let fresh: Vec<String> = said.into_iter().filter(|label| !request.labels.contains(label)).collect();
                request.labels.extend(fresh);
            }
            "timeout" => request.timeout = request.timeout.or(Some(option(field, said, "a number of seconds")?)),
            "grace" => request.grace = request.grace.or(Some(option(field, said, "a number of seconds")?)),
            "pod_template" => {}
            // The function's own image was named, too.
            "image" if function.is_some_and(|function| function.spec.get("image").is_some_and(|image| !image.is_null())) => {}
            _ => {
                let own = request.extra.remove(field);
                request.extra.insert(field.clone(), parameter(field, own, said));
            }
        }
    }
    Ok(())
}

fn option<T: for<'a> Deserialize<'a>>(field: &str, said: &Value, meaning: &str) -> Result<T> {
    serde_json::from_value(said.clone()).map_err(|_| not(field, said, meaning))
}

/// A task parameter: mappings are joined member by member, some lists item by item; of the rest the run's own counts.
fn parameter(field: &str, own: Option<Value>, said: &Value) -> Value {
    match (own, said) {
        (None | Some(Value::Null), said) => said.clone(),
        (Some(Value::Object(mut own)), Value::Object(said)) => {
            for (name, value) in said {
                own.entry(name.clone()).or_insert_with(|| value.clone());
            }
            own.into()
        }
        (Some(Value::Array(mut own)), Value::Array(said)) if JOINED.contains(&field) => {
            let alike = |one: &Value, other: &Value| one == other || (one.get("name").is_some() && one.get("name") == other.get("name"));
            let fresh: Vec<Value> = said.iter().filter(|item| !own.iter().any(|one| alike(one, item))).cloned().collect();
            own.extend(fresh);
            own.into()
        }
        (Some(own), _) => own,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn laid(says: &Value, own: &Value) -> Request {
        let profile = profile("gpu", says).expect("a profile");
        let mut request: Value = json!({"project": "p", "function": "f"});
        request.as_object_mut().expect("a mapping").extend(own.as_object().expect("a mapping").clone());
        let mut request: Request = serde_json::from_value(request).expect("a request");
        lay_under(&profile, None, &mut request).expect("laid");
        request
    }

    #[test]
    fn what_the_run_says_itself_wins_field_by_field() {
        let says = json!({
            "resources": {"cpu": "2", "mem": "8Gi", "gpu": "1"}, "envs": {"A": "profile", "B": "profile"}, "timeout": 60.0, "labels": ["team=risk", "gpu"],
            "node_selector": {"pool": "gpu", "zone": "a"}, "tolerations": [{"key": "gpu", "operator": "Exists"}], "priority_class": "high", "image": "x:1",
            "volumes": [{"name": "cache", "volume_type": "empty_dir", "mount_path": "/cache"}],
        });
        let alone = laid(&says, &json!({}));
        assert_eq!((alone.resources.mem.as_deref(), alone.timeout, alone.extra["priority_class"].as_str()), (Some("8Gi"), Some(60.0), Some("high")));
        let own = laid(
            &says,
            &json!({
                "resources": {"mem": "1Gi"}, "envs": {"A": "run"}, "timeout": 5.0, "labels": ["gpu"],
                "extra": {"node_selector": {"zone": "b"}, "tolerations": [{"key": "spot", "operator": "Exists"}], "priority_class": "low",
                          "volumes": [{"name": "cache", "volume_type": "empty_dir", "mount_path": "/mine"}]},
            }),
        );
        assert_eq!((own.resources.cpu.as_deref(), own.resources.mem.as_deref(), own.resources.gpu.as_deref()), (Some("2"), Some("1Gi"), Some("1")));
        assert_eq!((own.envs["A"].as_str(), own.envs["B"].as_str(), own.timeout), ("run", "profile", Some(5.0)));
        assert_eq!(own.labels, ["gpu", "team=risk"]);
        assert_eq!(own.extra["node_selector"], json!({"zone": "b", "pool": "gpu"}));
        assert_eq!(own.extra["tolerations"].as_array().map(Vec::len), Some(2));
        assert_eq!((own.extra["priority_class"].as_str(), own.extra["volumes"][0]["mount_path"].as_str()), (Some("low"), Some("/mine")));
        assert_eq!(own.extra["volumes"].as_array().map(Vec::len), Some(1));
    }

    #[test]
    fn mistakes_name_the_profile_and_the_field() {
        for (says, words) in [
            (json!({"resorces": {}}), "profiles.gpu: a profile has no field \"resorces\" (did you mean \"resources\"?)"),
            (json!({"resources": {"mem": "8GB"}}), "profiles.gpu: resources.mem \"8GB\" is not a quantity"),
            (json!({"resources": {"memory": "8Gi"}}), "profiles.gpu: resources={\"memory\":\"8Gi\"} is not quantities"),
            (json!({"profile": "small"}), "profiles.gpu: a profile has no field \"profile\""),
            (json!({"tolerations": [{"operator": "Equal"}]}), "profiles.gpu: tolerations[0].key"),
            (json!({"timeout": -1.0}), "profiles.gpu: "),
            (json!({"pod_template": {"spec": {"hostNetwrk": true}}}), "profiles.gpu: pod_template"),
            (json!("small"), "profiles.gpu=\"small\" is not what a run may say"),
        ] {
            let error = profile("gpu", &says).expect_err(words).to_string();
            assert!(error.starts_with(words), "{error}");
        }
        assert!(profile("a b", &json!({})).is_err());
    }

    #[test]
    fn an_unknown_one_is_told_with_those_there_are() {
        let profiles = read(json!({"gpu-small": {}, "cpu": {}}).as_object().expect("a mapping")).expect("profiles");
        let error = unknown("gpu-smal", &profiles).to_string();
        assert!(error.contains("did you mean \"gpu-small\"?") && error.contains("cpu, gpu-small"), "{error}");
        assert!(unknown("gpu", &Profiles::new()).to_string().contains("RUNWRIGHT_PROFILES"));
    }
}
