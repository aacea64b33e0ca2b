//! Checked names: once parsed, they are known to be safe in keys, paths, labels and SQL.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::error::{Error, Result};

/// A name of a project, function, entity or kind: 1 to 63 letters, digits, `_`, `-`, `.`; it begins with a letter, digit or `_` and does not end with `.` or `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

impl Name {
    /// The checked name, or an error that names the field it was given for.
    pub fn parse(field: &str, value: &str) -> Result<Self> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let starts = value.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        let ends = !value.ends_with(['.', '-']);
        if starts && ends && value.len() <= 63 && value.chars().all(allowed) {
            return Ok(Self(value.to_owned()));
        }
        Err(Error::invalid(
            field,
            value,
            format!("{field} {value:?} is not a name"),
            "use 1 to 63 letters, digits, '_', '-' or '.', beginning with a letter, digit or '_' and not ending in '.' or '-'",
        ))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Name {
    type Error = Error;
    fn try_from(value: String) -> Result<Self> {
        Self::parse("name", &value)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The identity of a run: a UUID version 7, so that identities sort by age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RunId(pub Uuid);

impl RunId {
    /// A new identity; later ones of this process sort after it, whatever the clock does.
    #[must_use]
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// The identity of one run of a fan-out: that of the fan-out, whose last 4 bytes are zero, with the index in them. So each gives the other.
    #[must_use]
    pub fn of_item(map: Self, index: u32) -> Self {
        Self(Uuid::from_u128(map.map().0.as_u128() | u128::from(index)))
    }

    /// The identity of the fan-out that a run would belong to.
    #[must_use]
    pub fn map(self) -> Self {
        Self(Uuid::from_u128(self.0.as_u128() >> 32 << 32))
    }
}

impl Default for RunId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for RunId {
    type Err = Error;
    fn from_str(value: &str) -> Result<Self> {
        Uuid::try_parse(value)
            .map(Self)
            .map_err(|_| Error::invalid("run", value, format!("{value:?} is not the id of a run"), "ids look like 0190f3a2-…; `runwright runs` lists them"))
    }
}

/// A SHA-256 of canonical content, in lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(String);

impl Digest {
    /// The digest of bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(hex(&Sha256::digest(bytes)))
    }

    /// The digest of a JSON value in canonical form: keys sorted (`serde_json`'s own map order), no white space.
    #[must_use]
    pub fn of_json(value: &serde_json::Value) -> Self {
        Self::of(value.to_string().as_bytes())
    }

    /// A digest given as text: 64 hexadecimal digits, or a prefix of at least 6 to look one up by.
    pub fn parse(value: &str) -> Result<Self> {
        if (6..=64).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            return Ok(Self(value.to_owned()));
        }
        Err(Error::invalid("version", value, format!("{value:?} is not a version"), "a version is a content digest of 64 hexadecimal digits, or the first 6 or more of them"))
    }

    /// All digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 12 digits, for people.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_leave_their_place_are_refused() {
        for bad in ["", "a/b", "..", ".hidden", "a b", "é", "trailing.", "-x", &"x".repeat(64)] {
            assert!(Name::parse("name", bad).is_err(), "{bad}");
        }
        for good in ["train", "_private", "train_model", "vllmserve-text", "v1.2"] {
            assert!(Name::parse("name", good).is_ok(), "{good}");
        }
    }

    #[test]
    fn a_digest_does_not_depend_on_the_order_of_keys() {
        let a: serde_json::Value = serde_json::from_str(r#"{"a":1,"b":{"c":2,"d":3}}"#).expect("json");
        let b: serde_json::Value = serde_json::from_str(r#"{"b":{"d":3,"c":2},"a":1}"#).expect("json");
        assert_eq!(Digest::of_json(&a), Digest::of_json(&b));
        assert_eq!(Digest::of(b"").as_str(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
