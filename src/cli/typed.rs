//! What `-p name=value` means: typed by the function's signature.

use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::model::signature::{Signature, Type};

/// Parameters by name, each value as its parameter takes it. What fits nowhere stays text, and the engine's check says what is wrong with it.
pub fn parameters(signature: Option<&Signature>, given: &[(String, String)]) -> Result<Map<String, Value>> {
    let mut typed = Map::new();
    for (name, text) in given {
        let of = signature.and_then(|signature| signature.0.iter().find(|parameter| parameter.name == *name)).map_or(&Type::Any, |parameter| &parameter.of);
        if typed.insert(name.clone(), read(of, text)).is_some() {
            return Err(Error::invalid("-p", name, format!("-p {name}=… is given twice"), "give it once; a list is written as JSON: -p 'name=[1, 2]'"));
        }
    }
    Ok(typed)
}

/// JSON where it is JSON that the type accepts, else text.
fn read(of: &Type, text: &str) -> Value {
    let plain = || Value::String(text.to_owned());
    match (json(text), of) {
        // The shell has taken the quotes off already: what is left is meant.
        (_, Type::Str) | (None, _) => plain(),
        (Some(value), Type::Any) => value,
        // `str | None` given 8 is text, given null it is nothing.
        (Some(value), _) if takes_text(of) && !of.accepts(&value) => plain(),
        (Some(value), _) => value,
    }
}

/// A JSON value. Python's `True`, `False` and `None` are understood too.
fn json(text: &str) -> Option<Value> {
    match text {
        "True" => Some(Value::Bool(true)),
        "False" => Some(Value::Bool(false)),
        "None" => Some(Value::Null),
        _ => serde_json::from_str(text).ok(),
    }
}

fn takes_text(of: &Type) -> bool {
    of.accepts(&Value::String(String::new())) || matches!(of, Type::Literal { .. }) || matches!(of, Type::Union { of } if of.iter().any(takes_text))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_signature_decides_what_a_value_is() {
        let of = |value: Value| serde_json::from_value::<Type>(value).expect("a type");
        let (int, text, any, float, boolean) = (Type::Int, Type::Str, Type::Any, Type::Float, Type::Bool);
        let optional = of(json!({"type": "union", "of": [{"type": "str"}, {"type": "none"}]}));
        let number = of(json!({"type": "union", "of": [{"type": "str"}, {"type": "int"}]}));
        let list = of(json!({"type": "list", "items": {"type": "int"}}));
        let literal = of(json!({"type": "literal", "values": ["1", "auto"]}));
        for (of, given, expected) in [
            (&int, "8", json!(8)),
            (&text, "8", json!("8")),
            (&text, "\"8\"", json!("\"8\"")),
            (&text, "null", json!("null")),
            (&any, "8", json!(8)),
            (&any, "[1, 2]", json!([1, 2])),
            (&any, "x", json!("x")),
            (&float, "1e-3", json!(1e-3)),
            (&boolean, "true", json!(true)),
            (&boolean, "False", json!(false)),
            (&optional, "8", json!("8")),
            (&optional, "null", json!(null)),
            (&number, "8", json!(8)),
            (&number, "x", json!("x")),
            (&list, "[1, 2]", json!([1, 2])),
            (&literal, "1", json!("1")),
            (&literal, "auto", json!("auto")),
            // Wrong, and left to the engine to say so.
            (&int, "eight", json!("eight")),
            (&int, "true", json!(true)),
        ] {
            assert_eq!(read(of, given), expected, "{given} as {}", of.describe());
        }
    }

    #[test]
    fn a_name_given_twice_is_refused() {
        let twice = [("a".to_owned(), "1".to_owned()), ("a".to_owned(), "2".to_owned())];
        assert!(parameters(None, &twice).expect_err("twice").to_string().contains("-p a=… is given twice"));
    }
}
