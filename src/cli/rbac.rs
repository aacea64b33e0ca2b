//! `rbac`: the smallest Role that Runwright needs in a namespace, as YAML.

use std::fmt::Write as _;

use clap::Args;
use clap::builder::NonEmptyStringValueParser as Text;

use super::console::Console;
use super::{Outcome, SUCCESS};
use crate::backend::kubernetes::rights::{self, Rule};
use crate::error::{Error, Result};
use crate::model::task::names;

/// The API group of Roles, and its version.
const GROUP: &str = "rbac.authorization.k8s.io";

/// The options of `rbac`.
#[derive(Debug, Args)]
#[command(after_help = "To have it in force: runwright rbac job --namespace team --user ada | kubectl apply -f -")]
pub struct Rbac {
    /// What will run: job, deploy, of all kinds of functions (python.job: of one); autoscale, for services with autoscale=; doctor, for what `runwright doctor` looks at besides. All actions by default
    #[arg(value_name = "ACTION")]
    actions: Vec<String>,
    /// The namespace; that of kubectl's context by default
    #[arg(short, long, value_name = "NAMESPACE", value_parser = |text: &str| names::LABEL.check("--namespace", text).map(str::to_owned))]
    namespace: Option<String>,
    /// Bind the Role to a user
    #[arg(long, value_name = "NAME", value_parser = Text::new(), conflicts_with_all = ["group", "service_account"])]
    user: Option<String>,
    /// Bind the Role to a group
    #[arg(long, value_name = "NAME", value_parser = Text::new(), conflicts_with = "service_account")]
    group: Option<String>,
    /// Bind the Role to a service account, of the same namespace where none is named
    #[arg(long, value_name = "[NAMESPACE:]NAME")]
    service_account: Option<String>,
    /// What the Role and the RoleBinding are called
    #[arg(long, value_name = "NAME", default_value = "runwright", value_parser = |text: &str| names::OBJECT.check("--name", text).map(str::to_owned))]
    name: String,
}

impl Rbac {
    pub fn execute(&self, console: &mut Console) -> Outcome {
        console.line(self.manifest()?.trim_end())?;
        Ok(SUCCESS)
    }

    fn manifest(&self) -> Result<String> {
        let rules = rights::rules(&self.actions)?;
        let subject = self.subject()?;
        let what = if self.actions.is_empty() { "everything that it can execute".into() } else { self.actions.join(", ") };
        let mut text = format!("# What Runwright needs in a namespace for: {what}\n{}rules:\n", self.head("Role"));
        for rule in &rules {
            for reason in &rule.reasons {
                let _ = writeln!(text, "  # {reason}");
            }
            let _ = writeln!(text, "  - {}", in_flow(rule));
        }
        if let Some(subject) = subject {
            let name = quoted(&self.name);
            let _ = write!(text, "---\n{}roleRef: {{apiGroup: {GROUP}, kind: Role, name: {name}}}\nsubjects:\n  - {subject}\n", self.head("RoleBinding"));
        }
        Ok(text)
    }

    fn head(&self, kind: &str) -> String {
        let namespace = self.namespace.as_ref().map(|namespace| format!(", namespace: {}", quoted(namespace))).unwrap_or_default();
        format!("apiVersion: {GROUP}/v1\nkind: {kind}\nmetadata: {{name: {}{namespace}}}\n", quoted(&self.name))
    }

    fn subject(&self) -> Result<Option<String>> {
        let named = |kind: &str, name: &str| Some(format!("{{apiGroup: {GROUP}, kind: {kind}, name: {}}}", quoted(name)));
        if let Some(user) = &self.user {
            return Ok(named("User", user));
        }
        if let Some(group) = &self.group {
            return Ok(named("Group", group));
        }
        let Some(account) = &self.service_account else { return Ok(None) };
        let (namespace, name) = account.split_once(':').map_or((self.namespace.as_deref(), account.as_str()), |(namespace, name)| (Some(namespace), name));
        let Some(namespace) = namespace else {
            let cure = format!("write --service-account NAMESPACE:{name}, or give --namespace");
            return Err(Error::invalid("--service-account", account, format!("a service account is one of a namespace, and none is named with {name:?}"), cure));
        };
        let (namespace, name) = (names::LABEL.check("--service-account", namespace)?, names::OBJECT.check("--service-account", name)?);
        Ok(Some(format!("{{kind: ServiceAccount, name: {}, namespace: {}}}", quoted(name), quoted(namespace))))
    }
}

/// A rule in one line, as YAML.
pub(super) fn in_flow(rule: &Rule) -> String {
    let group = if rule.group.is_empty() { "\"\"" } else { rule.group };
    format!("{{apiGroups: [{group}], resources: [{}], verbs: [{}]}}", rule.resource, rule.verbs.join(", "))
}

/// A name, whatever is in it: text of JSON is text of YAML.
fn quoted(text: &str) -> String {
    let plain = !text.is_empty() && text.parse::<f64>().is_err() && text.bytes().all(|b| b.is_ascii_lowercase() || matches!(b, b'-' | b'.'));
    if plain && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&text) && text.starts_with(|c: char| c.is_ascii_lowercase()) {
        return text.to_owned();
    }
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::{Value, json};

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        rbac: Rbac,
    }

    fn parsed(line: &str) -> std::result::Result<Rbac, String> {
        Line::try_parse_from(std::iter::once("rbac").chain(line.split(' ').filter(|word| !word.is_empty()))).map(|line| line.rbac).map_err(|error| error.to_string())
    }

    fn documents(line: &str) -> Vec<Value> {
        let text = parsed(line).expect(line).manifest().expect(line);
        text.split("---\n").map(|document| serde_saphyr::from_str(document).expect(document)).collect()
    }

    #[test]
    fn it_is_the_yaml_of_a_role_and_a_binding() {
        let documents = documents("container.job --namespace team-a --user ada:lovelace@example.org --name 7");
        let [role, binding] = documents.as_slice() else { panic!("{documents:?}") };
        assert_eq!(role["metadata"], json!({"name": "7", "namespace": "team-a"}));
        assert_eq!(role["rules"][0], json!({"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create", "get", "list", "watch", "patch", "delete"]}));
        assert!(role["rules"].as_array().is_some_and(|rules| rules.iter().any(|rule| rule["apiGroups"] == json!([""]) && rule["resources"] == json!(["pods/log"]))));
        assert_eq!(binding["roleRef"], json!({"apiGroup": GROUP, "kind": "Role", "name": "7"}));
        assert_eq!(binding["subjects"], json!([{"apiGroup": GROUP, "kind": "User", "name": "ada:lovelace@example.org"}]));
    }

    #[test]
    fn a_service_account_has_a_namespace() {
        let subject = |line: &str| documents(line)[1]["subjects"][0].clone();
        assert_eq!(subject("--service-account ci:robot --namespace team"), json!({"kind": "ServiceAccount", "name": "robot", "namespace": "ci"}));
        assert_eq!(subject("--service-account robot --namespace team"), json!({"kind": "ServiceAccount", "name": "robot", "namespace": "team"}));
        let error = parsed("--service-account robot").expect("parsed").manifest().expect_err("no namespace").to_string();
        assert!(error.contains("NAMESPACE:robot"), "{error}");
    }

    #[test]
    fn without_a_subject_it_is_a_role_alone() {
        let documents = documents("");
        assert_eq!((documents.len(), &documents[0]["metadata"]), (1, &json!({"name": "runwright"})));
    }

    #[test]
    fn mistakes_are_told() {
        for (line, words) in [("--namespace A_b", "--namespace"), ("--user a --group b", "cannot be used with"), ("--user= ", "a value is required"), ("--name a/b", "--name")] {
            let error = parsed(line).expect_err(line);
            assert!(error.contains(words), "{line}: {error}");
        }
    }
}
