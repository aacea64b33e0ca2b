//! Strict: what somebody wrote in Kubernetes' own form, read as its type. Unlike a plain read, no field is dropped that Kubernetes does not know, and every
//! error has its place. A field's name may be written as in Python (`node_affinity`), too.

use serde::de::{DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};
use serde_json::{Map, Value};

use crate::error::{Error, Result, did_you_mean};

/// The value of a field as a type of Kubernetes'.
pub fn read<'a, T: Deserialize<'a>>(field: &str, value: &'a Value) -> Result<T> {
    T::deserialize(Strict { place: field.to_owned(), value }).map_err(|Wrong { place, value, message, cure }| {
        let (place, value) = if place.is_empty() { (field.to_owned(), value) } else { (place, value) };
        Error::invalid(&place, value, format!("{place}{message}"), cure.unwrap_or_else(|| "write it as Kubernetes has it: `kubectl explain pod.spec` shows it".into()))
    })
}

/// A value and where it stands.
struct Strict<'a> {
    place: String,
    value: &'a Value,
}

/// What is wrong, and where. What the type itself says has no place until the value around it adds one.
#[derive(Debug)]
struct Wrong {
    place: String,
    value: String,
    message: String,
    cure: Option<String>,
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Wrong {}

impl serde::de::Error for Wrong {
    fn custom<M: std::fmt::Display>(message: M) -> Self {
        Self { place: String::new(), value: String::new(), message: format!(" is not right: {message}"), cure: None }
    }
}

impl<'a> Strict<'a> {
    /// Runs `read` on the value itself; an error of it that has no place yet has this one.
    fn plain<T>(self, read: impl FnOnce(&'a Value) -> serde_json::Result<T>) -> std::result::Result<T, Wrong> {
        read(self.value).map_err(|error| Wrong { place: self.place, value: self.value.to_string(), ..Wrong::custom(error) })
    }

    /// The name under which the type knows a field.
    fn known(place: &str, key: &str, value: &Value, fields: &'static [&'static str]) -> std::result::Result<&'static str, Wrong> {
        let camel = camel(key);
        fields.iter().find(|field| **field == key || **field == camel).copied().ok_or_else(|| Wrong {
            place: format!("{place}.{key}"),
            value: value.to_string(),
            message: format!(" is no field that Kubernetes knows there{}", did_you_mean(&camel, fields.iter().copied())),
            cure: Some(if fields.is_empty() { "leave it out".into() } else { format!("there are: {}", fields.join(", ")) }),
        })
    }
}

impl<'de> Deserializer<'de> for Strict<'de> {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> std::result::Result<V::Value, Wrong> {
        match self.value {
            Value::Array(items) => visitor.visit_seq(Items { place: self.place, rest: items.iter().enumerate() }),
            Value::Object(all) => visitor.visit_map(Members { place: self.place, rest: all.iter(), fields: None, next: None }),
            _ => self.plain(|value| value.deserialize_any(visitor)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> std::result::Result<V::Value, Wrong> {
        if self.value.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> std::result::Result<V::Value, Wrong> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(self, name: &'static str, fields: &'static [&'static str], visitor: V) -> std::result::Result<V::Value, Wrong> {
        match self.value {
            Value::Object(all) => visitor.visit_map(Members { place: self.place, rest: all.iter(), fields: Some(fields), next: None }),
            value => Err(Wrong { place: self.place, value: value.to_string(), message: format!("={value} is not a mapping (Kubernetes' {name})"), cure: None }),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// The items of a list.
struct Items<'de> {
    place: String,
    rest: std::iter::Enumerate<std::slice::Iter<'de, Value>>,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Wrong;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> std::result::Result<Option<S::Value>, Wrong> {
        self.rest.next().map(|(at, value)| placed(seed, format!("{}[{at}]", self.place), value)).transpose()
    }
}

/// The members of a mapping; `fields` are those that its type has, None where the keys are the user's.
struct Members<'de> {
    place: String,
    rest: serde_json::map::Iter<'de>,
    fields: Option<&'static [&'static str]>,
    next: Option<(&'de str, &'de Value)>,
}

impl<'de> MapAccess<'de> for Members<'de> {
    type Error = Wrong;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> std::result::Result<Option<S::Value>, Wrong> {
        let Some((key, value)) = self.rest.next() else { return Ok(None) };
        self.next = Some((key, value));
        let name = match self.fields {
            Some(fields) => Strict::known(&self.place, key, value, fields)?,
            None => key,
        };
        seed.deserialize(IntoDeserializer::<Wrong>::into_deserializer(name)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> std::result::Result<S::Value, Wrong> {
        let (key, value) = self.next.take().ok_or_else(|| Wrong::custom("a value without a key"))?;
        placed(seed, format!("{}.{key}", self.place), value)
    }
}

/// Reads a value that stands at a place; an error that has none yet has this one.
fn placed<'de, S: DeserializeSeed<'de>>(seed: S, place: String, value: &'de Value) -> std::result::Result<S::Value, Wrong> {
    seed.deserialize(Strict { place: place.clone(), value }).map_err(|wrong| if wrong.place.is_empty() { Wrong { place, value: value.to_string(), ..wrong } } else { wrong })
}

/// `node_affinity` as `nodeAffinity`.
fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| {
        let mut letters = word.chars();
        name + &letters.next().map(|letter| letter.to_ascii_uppercase()).into_iter().collect::<String>() + letters.as_str()
    })
}

/// A mapping's keys as Python writes them: `claimName` as `claim_name`.
#[must_use]
pub fn snake(all: &Map<String, Value>) -> Map<String, Value> {
    let name = |key: &str| key.chars().flat_map(|letter| letter.is_ascii_uppercase().then_some('_').into_iter().chain([letter.to_ascii_lowercase()])).collect::<String>();
    all.iter().map(|(key, value)| (name(key), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::{Affinity, PodTemplateSpec};
    use serde_json::json;

    use super::*;

    #[test]
    fn both_spellings_are_read_and_a_users_own_keys_left_alone() {
        let written = json!({
            "pod_affinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{
                "label_selector": {"match_labels": {"my_app": "x"}}, "topologyKey": "kubernetes.io/hostname"
            }]}
        });
        let affinity: Affinity = read("affinity", &written).expect("an affinity");
        let term = &affinity.pod_affinity.and_then(|affinity| affinity.required_during_scheduling_ignored_during_execution).expect("terms")[0];
        assert_eq!(term.label_selector.as_ref().and_then(|selector| selector.match_labels.as_ref()).expect("labels")["my_app"], "x");
    }

    #[test]
    fn an_error_has_its_place() {
        let error = |value: &Value| read::<PodTemplateSpec>("pod_template", value).expect_err("a fault").to_string();
        let unknown = error(&json!({"spec": {"containers": [{"name": "main", "comand": ["x"]}]}}));
        assert!(unknown.starts_with("pod_template.spec.containers[0].comand is no field that Kubernetes knows there (did you mean \"command\"?)"), "{unknown}");
        let wrong = error(&json!({"spec": {"terminationGracePeriodSeconds": "ten"}}));
        assert!(wrong.starts_with("pod_template.spec.terminationGracePeriodSeconds is not right: "), "{wrong}");
        let list = error(&json!({"spec": []}));
        assert!(list.starts_with("pod_template.spec="), "{list}");
        let quantity = json!({"spec": {"containers": [{"name": "x", "resources": {"limits": {"cpu": 2, "memory": "1Gi"}}, "ports": [{"containerPort": 80}]}]}});
        assert!(read::<PodTemplateSpec>("pod_template", &quantity).is_ok());
    }
}
