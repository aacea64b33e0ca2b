//! Signature: the parameters a function takes, and the check of what a run gives it. The types are those of `docs/decisions/0003`.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Error, Result, did_you_mean};

/// All parameters, in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Signature(pub Vec<Parameter>);

/// One parameter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Parameter {
    pub name: String,
    pub kind: ParameterKind,
    #[serde(rename = "type")]
    pub of: Type,
    pub required: bool,
    #[serde(default)]
    pub default: Value,
    #[serde(default)]
    pub has_default: bool,
    /// The runner supplies it: `project`, `run`, `context`, `event`.
    #[serde(default)]
    pub inject: bool,
}

/// As in Python's `inspect.Parameter`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParameterKind {
    PositionalOnly,
    PositionalOrKeyword,
    VarPositional,
    KeywordOnly,
    VarKeyword,
}

/// What an annotation says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Type {
    Any,
    Int,
    Float,
    Str,
    Bool,
    None,
    Bytes,
    List { items: Box<Type> },
    Set { items: Box<Type> },
    Tuple { items: Box<Type> },
    Dict { values: Box<Type> },
    Literal { values: Vec<Value> },
    Union { of: Vec<Type> },
    Entity { entity: String },
    Object { name: String },
}

impl Type {
    /// Whether a JSON value is of this type. A whole number is a float too, as in Python.
    #[must_use]
    pub fn accepts(&self, value: &Value) -> bool {
        if let Some((tag, content)) = tagged(value) {
            return self.accepts_tagged(tag, content);
        }
        match self {
            Self::Any => true,
            // Text may be a key or a path; anything else cannot become such an object.
            Self::Entity { .. } | Self::Object { .. } | Self::Bytes => !matches!(value, Value::Bool(_)),
            Self::Int => value.is_i64() || value.is_u64(),
            Self::Float => value.is_number(),
            Self::Str => value.is_string(),
            Self::Bool => value.is_boolean(),
            Self::None => value.is_null(),
            Self::List { items } | Self::Set { items } | Self::Tuple { items } => value.as_array().is_some_and(|all| all.iter().all(|item| items.accepts(item))),
            Self::Dict { values } => value.as_object().is_some_and(|all| all.values().all(|item| values.accepts(item))),
            Self::Literal { values } => values.contains(value),
            Self::Union { of } => of.iter().any(|one| one.accepts(value)),
        }
    }

    fn accepts_tagged(&self, tag: &str, content: &Value) -> bool {
        let items = |of: &Type| content.as_array().is_some_and(|all| all.iter().all(|item| of.accepts(item)));
        match (self, tag) {
            (Self::Union { of }, _) => of.iter().any(|one| one.accepts_tagged(tag, content)),
            (Self::List { items: of } | Self::Tuple { items: of }, "$tuple") | (Self::Set { items: of }, "$set" | "$frozenset") => items(of),
            (Self::Literal { values }, _) => values.iter().any(|value| tagged(value).is_some_and(|(of, inner)| of == tag && inner == content)),
            (Self::Int, "$int")
            | (Self::Float, "$float" | "$int")
            | (Self::Str, "$str")
            | (Self::Bytes, "$bytes" | "$bytearray")
            | (Self::Dict { .. }, "$dict")
            | (Self::Any | Self::Object { .. }, _) => true,
            _ => false,
        }
    }

    /// As it would be written in Python.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Any => "any value".into(),
            Self::Int => "int".into(),
            Self::Float => "float".into(),
            Self::Str => "str".into(),
            Self::Bool => "bool".into(),
            Self::None => "None".into(),
            Self::Bytes => "bytes".into(),
            Self::List { items } => format!("list[{}]", items.describe()),
            Self::Set { items } => format!("set[{}]", items.describe()),
            Self::Tuple { items } => format!("tuple[{}, ...]", items.describe()),
            Self::Dict { values } => format!("dict[str, {}]", values.describe()),
            Self::Literal { values } => format!("one of {}", values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
            Self::Union { of } => of.iter().map(Self::describe).collect::<Vec<_>>().join(" | "),
            Self::Entity { entity } => format!("a {entity} or its key"),
            Self::Object { name } => name.clone(),
        }
    }
}

/// A value that JSON has no word for, as the materializers write it: an object with one key that begins with `$`.
fn tagged(value: &Value) -> Option<(&str, &Value)> {
    let object = value.as_object().filter(|object| object.len() == 1)?;
    object.iter().next().filter(|(key, _)| key.starts_with('$')).map(|(key, content)| (key.as_str(), content))
}

impl Signature {
    /// Checks the parameters and inputs of a run: nothing missing, nothing unknown, every JSON value of its type.
    pub fn check(&self, function: &str, parameters: &Map<String, Value>, inputs: &BTreeSet<&str>) -> Result<()> {
        let open = self.0.iter().any(|p| p.kind == ParameterKind::VarKeyword);
        let named: Vec<&Parameter> = self.0.iter().filter(|p| !matches!(p.kind, ParameterKind::VarKeyword | ParameterKind::VarPositional)).collect();
        let known = || named.iter().filter(|p| !p.inject).map(|p| p.name.as_str());
        for name in parameters.keys().map(String::as_str).chain(inputs.iter().copied()) {
            if !open && !named.iter().any(|p| p.name == name) {
                let takes = known().collect::<Vec<_>>().join(", ");
                let takes = if takes.is_empty() { "no parameters".into() } else { takes };
                return Err(Error::invalid(name, "", format!("{function} has no parameter {name:?}{}", did_you_mean(name, known())), format!("it takes {takes}")));
            }
        }
        for parameter in named {
            let name = parameter.name.as_str();
            match (parameters.get(name), inputs.contains(name)) {
                (Some(_), true) => {
                    return Err(Error::invalid(name, "", format!("{name:?} of {function} is given twice"), "give it in `inputs` or in `parameters`, not in both"));
                }
                (Some(value), false) if !parameter.of.accepts(value) => {
                    let expected = parameter.of.describe();
                    return Err(Error::invalid(name, shorten(value), format!("{function}: {name}={} is not {expected}", shorten(value)), format!("give {name} as {expected}")));
                }
                (None, false) if parameter.required && !parameter.inject => {
                    return Err(Error::invalid(name, "", format!("{function} needs {name:?}, which is not given"), format!("give {name}=… ({})", parameter.of.describe())));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// A value as it is shown in a message: as Python writes it.
fn shorten(value: &Value) -> String {
    let text = written(value);
    match text.char_indices().nth(80) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

fn written(value: &Value) -> String {
    let all = |items: &[Value]| items.iter().map(written).collect::<Vec<_>>().join(", ");
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Array(items) => format!("[{}]", all(items)),
        Value::Object(map) => match map.iter().next() {
            // As `materialize/values.py` marks them.
            Some((mark, Value::Array(items))) if map.len() == 1 && mark == "$tuple" => format!("({}{})", all(items), if items.len() == 1 { "," } else { "" }),
            Some((mark, Value::Array(items))) if map.len() == 1 && mark == "$set" => format!("{{{}}}", all(items)),
            _ => format!("{{{}}}", map.iter().map(|(name, value)| format!("{name:?}: {}", written(value))).collect::<Vec<_>>().join(", ")),
        },
        Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn signature() -> Signature {
        serde_json::from_value(json!([
            {"name": "di", "kind": "positional_or_keyword", "type": {"type": "entity", "entity": "dataitem"}, "required": true},
            {"name": "depth", "kind": "positional_or_keyword", "type": {"type": "int"}, "required": false, "default": 5, "has_default": true},
            {"name": "run", "kind": "positional_or_keyword", "type": {"type": "any"}, "required": true, "inject": true},
        ]))
        .expect("a signature")
    }

    fn check(parameters: &Value, inputs: &[&str]) -> Result<()> {
        signature().check("train", parameters.as_object().expect("an object"), &inputs.iter().copied().collect())
    }

    #[test]
    fn what_fits_is_accepted() {
        check(&json!({"depth": 8}), &["di"]).expect("fits");
        check(&json!({"di": "store://demo/dataitem/table/x"}), &[]).expect("a key is a value");
    }

    #[test]
    fn what_does_not_fit_names_field_value_and_cure() {
        for (parameters, inputs, words) in [
            (json!({"depht": 8}), &["di"][..], "did you mean \"depth\""),
            (json!({"depth": "8"}), &["di"][..], "give depth as int"),
            (json!({"depth": true}), &["di"][..], "give depth as int"),
            (json!({"depth": null}), &["di"][..], "depth=None is not int"),
            (json!({"depth": [true, {"a": {"$set": [1, 2]}}]}), &["di"][..], "depth=[True, {\"a\": {1, 2}}] is not int"),
            (json!({"depth": {"$tuple": [1]}}), &["di"][..], "depth=(1,) is not int"),
            (json!({}), &[][..], "needs \"di\""),
            (json!({"di": 1}), &["di"][..], "given twice"),
        ] {
            let error = check(&parameters, inputs).expect_err(words).to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn each_type_takes_its_values_only() {
        let list = json!({"type": "list", "items": {"type": "int"}});
        let either = json!({"type": "union", "of": [{"type": "int"}, {"type": "none"}]});
        for (of, good, bad) in [
            (json!({"type": "any"}), json!([null, true, 1, "x", [], {}]), json!([])),
            (json!({"type": "int"}), json!([0, -1, 18_446_744_073_709_551_615_u64, {"$int": "1e99"}]), json!([1.5, true, "1", null, {"$float": "NaN"}])),
            (json!({"type": "float"}), json!([1, 1.5, {"$float": "NaN"}, {"$int": "9"}]), json!([true, "1.5", null])),
            (json!({"type": "str"}), json!(["", {"$str": "x"}]), json!([1, null, ["x"]])),
            (json!({"type": "bool"}), json!([true]), json!([1, "true", null])),
            (json!({"type": "none"}), json!([null]), json!([0, "", false])),
            (list.clone(), json!([[], [1], {"$tuple": [1]}]), json!([["1"], 1, {"$set": [1]}, {"a": 1}])),
            (json!({"type": "set", "items": {"type": "int"}}), json!([{"$set": [1]}, {"$frozenset": []}, [1]]), json!([{"$set": ["a"]}, {"$tuple": [1]}])),
            (json!({"type": "tuple", "items": {"type": "str"}}), json!([["a"], {"$tuple": ["a"]}]), json!([{"$tuple": [1]}])),
            (json!({"type": "dict", "values": list}), json!([{}, {"a": [1]}, {"a": [], "b": [2]}]), json!([{"a": 1}, [[1]], null])),
            (json!({"type": "literal", "values": ["a", 1]}), json!(["a", 1]), json!(["b", 2, null])),
            (either, json!([1, null]), json!(["x", 1.5])),
            (json!({"type": "bytes"}), json!([{"$bytes": "YQ=="}, {"$bytearray": ""}]), json!([true, {"$set": []}])),
            (json!({"type": "entity", "entity": "dataitem"}), json!(["store://p/dataitem/table/x"]), json!([true])),
            (json!({"type": "object", "name": "pandas.DataFrame"}), json!(["x", {"$tuple": []}]), json!([false])),
        ] {
            let parsed: Type = serde_json::from_value(of.clone()).expect("a type");
            for value in good.as_array().expect("a list") {
                assert!(parsed.accepts(value), "{value} is {}", parsed.describe());
            }
            for value in bad.as_array().expect("a list") {
                assert!(!parsed.accepts(value), "{value} is not {}", parsed.describe());
            }
            assert_eq!(serde_json::to_value(&parsed).expect("JSON"), of);
        }
    }

    #[test]
    fn open_ends_take_more_and_injected_ones_nothing() {
        let parameter = |name: &str, kind: &str, inject: bool| json!({"name": name, "kind": kind, "type": {"type": "any"}, "required": true, "inject": inject});
        let closed: Signature = serde_json::from_value(json!([parameter("x", "keyword_only", false), parameter("run", "keyword_only", true)])).expect("a signature");
        let open: Signature = serde_json::from_value(json!([parameter("args", "var_positional", false), parameter("kwargs", "var_keyword", false)])).expect("a signature");
        let given = json!({"x": 1, "y": 2}).as_object().expect("an object").clone();
        open.check("f", &given, &BTreeSet::from(["z"])).expect("anything goes");
        let error = closed.check("f", &given, &BTreeSet::new()).expect_err("no y").to_string();
        assert!(error.contains("it takes x") && !error.contains("run"), "{error}");
    }
}
