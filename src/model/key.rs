//! Keys: `store://<project>/<type>/<kind>/<name>:<id>`, and for a run `store://<project>/run/<kind>/<id>`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::name::Name;
use crate::error::{Error, Result};

/// What a key names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyType {
    Run,
    Function,
    Artifact,
    Dataitem,
    Model,
}

impl KeyType {
    const ALL: [Self; 5] = [Self::Run, Self::Function, Self::Artifact, Self::Dataitem, Self::Model];

    /// As it stands in a key.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Function => "function",
            Self::Artifact => "artifact",
            Self::Dataitem => "dataitem",
            Self::Model => "model",
        }
    }
}

/// A parsed key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Key {
    pub project: Name,
    pub of: KeyType,
    pub kind: Name,
    /// The name; for a run, its id.
    pub name: Name,
    /// The version; a key without one means the newest. Runs have none.
    pub id: Option<String>,
}

impl Key {
    /// The key of a run.
    #[must_use]
    pub fn run(project: &Name, kind: &Name, id: super::name::RunId) -> String {
        format!("store://{project}/run/{kind}/{id}")
    }
}

impl FromStr for Key {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = |why: String| {
            Error::invalid(
                "key",
                text,
                format!("{text:?} is not a key: {why}"),
                "keys look like store://<project>/<type>/<kind>/<name>:<id>, and of runs store://<project>/run/<kind>/<id>",
            )
        };
        let rest = text.strip_prefix("store://").ok_or_else(|| bad("it does not begin with store://".into()))?;
        let parts: Vec<&str> = rest.split('/').collect();
        let [project, of, kind, last] = parts[..] else {
            return Err(bad(format!("it has {} parts after store://, not 4", parts.len())));
        };
        let of = KeyType::ALL
            .into_iter()
            .find(|known| known.as_str() == of)
            .ok_or_else(|| bad(format!("{of:?} is not a type{}", crate::error::did_you_mean(of, KeyType::ALL.map(KeyType::as_str)))))?;
        let (name, id) = match last.split_once(':') {
            Some((name, id)) => (name, Some(id)),
            None => (last, None),
        };
        if id.is_some_and(|id| id.is_empty() || id.len() > 64 || !id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')) {
            return Err(bad("its id may have letters, digits and '-' only".into()));
        }
        let part = |field: &str, value: &str| Name::parse(field, value).map_err(|_| bad(format!("its {field} {value:?} is not a name")));
        Ok(Self { project: part("project", project)?, of, kind: part("kind", kind)?, name: part("name", name)?, id: id.map(str::to_owned) })
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "store://{}/{}/{}/{}", self.project, self.of.as_str(), self.kind, self.name)?;
        match &self.id {
            Some(id) => write!(f, ":{id}"),
            None => Ok(()),
        }
    }
}

impl TryFrom<String> for Key {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Key> for String {
    fn from(key: Key) -> Self {
        key.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_survive_the_round_trip() {
        for text in [
            "store://demo/dataitem/table/raw:0190f3a2-0000-7000-8000-000000000000",
            "store://demo/model/sklearn/forest",
            "store://demo/run/python/0190f3a2-0000-7000-8000-000000000000",
        ] {
            assert_eq!(text.parse::<Key>().expect(text).to_string(), text);
        }
    }

    #[test]
    fn a_bad_key_says_which_part_is_wrong() {
        for (text, part) in [
            ("demo/dataitem/table/x", "store://"),
            ("store://demo/dataitem/x", "3 parts"),
            ("store://demo/dataitm/table/x", "dataitem"),
            ("store://demo/dataitem/table/..:1", "name"),
            ("store://demo/dataitem/table/x:../../etc", "parts"),
            ("store://demo/dataitem/table/x:a b", "id"),
        ] {
            let error = text.parse::<Key>().expect_err(text).to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
