//! Secrets: references in records, values only on their way to the process that needs them.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::model::project::Project;
use crate::model::run::Run;

/// The reference of a secret: the project's own, else an environment variable of that name.
pub fn reference(project: &Project, name: &str) -> Result<String> {
    let reference = project.secrets.get(name).and_then(Value::as_str).map_or_else(|| format!("env:{name}"), str::to_owned);
    // Known to be missing before anything is created.
    read(name, &reference)?;
    Ok(reference)
}

/// The values of a run's secrets, by the name of their environment variable.
pub fn values(run: &Run) -> Result<BTreeMap<String, String>> {
    run.spec.secrets.iter().map(|(name, reference)| Ok((name.clone(), read(name, reference)?))).collect()
}

/// Replaces the secrets of a run by `***`, as far as this process knows them: what a program of an image prints, nobody has looked at before.
#[derive(Debug, Clone, Default)]
pub struct Redactor(Vec<String>);

/// What stands for a secret.
const MASK: &str = "***";
/// A shorter one is no secret: a `1` or `true` would mask every log. And the same for one of several lines.
const SHORTEST: usize = 4;
const SHORTEST_LINE: usize = 8;

impl Redactor {
    pub fn of(run: &Run) -> Self {
        let mut forms = Vec::new();
        for value in run.spec.secrets.iter().filter_map(|(name, reference)| read(name, reference).ok()).filter(|value| value.len() >= SHORTEST) {
            let encoded = STANDARD.encode(&value);
            forms.extend(value.lines().map(str::trim).filter(|line| line.len() >= SHORTEST_LINE).map(str::to_owned));
            forms.push(url::form_urlencoded::byte_serialize(value.as_bytes()).collect());
            forms.extend([encoded.trim_end_matches('=').to_owned(), encoded, value]);
        }
        // One that holds another is masked whole.
        forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
        Self(forms)
    }

    pub fn text(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, form| if text.contains(form) { text.replace(form, MASK) } else { text })
    }

    pub fn bytes(&self, bytes: Vec<u8>) -> Vec<u8> {
        if self.0.is_empty() { bytes } else { self.text(&String::from_utf8_lossy(&bytes)).into_bytes() }
    }
}

fn read(name: &str, reference: &str) -> Result<String> {
    let found = match reference.split_once(':') {
        Some(("env", variable)) => std::env::var(variable).ok(),
        Some(("file", path)) => std::fs::read_to_string(path).ok().map(|text| text.trim_end_matches('\n').to_owned()),
        _ => None,
    };
    found.ok_or_else(|| {
        Error::invalid(
            "secrets",
            name,
            format!("the secret {name:?} is not to be had from {reference}"),
            format!("set the environment variable {name}, or save it with project.new_secret({name:?}, secret_value=…)"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_of_a_secret_is_masked() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("value");
        std::fs::write(&path, "first/secret line\nsecond line").expect("written");
        let mut run = crate::model::run::tests::run("0190aaaa-0000-7000-8000-000000000001", &serde_json::json!({}));
        run.spec.secrets.insert("A".into(), format!("file:{}", path.display()));
        run.spec.secrets.insert("GONE".into(), "file:/none".into());
        let redactor = Redactor::of(&run);
        for text in ["a first/secret line\nsecond line b", "a second line b", "a Zmlyc3Qvc2VjcmV0IGxpbmUKc2Vjb25kIGxpbmU= b", "a first%2Fsecret+line%0Asecond+line b"] {
            assert_eq!(redactor.text(text), "a *** b");
        }
        assert_eq!(redactor.bytes(b"\xff second line".to_vec()), "\u{fffd} ***".as_bytes());
        assert_eq!(Redactor::default().bytes(b"\xff".to_vec()), b"\xff");
    }
}
