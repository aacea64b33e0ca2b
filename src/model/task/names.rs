//! Names: what Kubernetes takes as the name of an object, a label, its value.
//!
//! Source of the rules: <https://kubernetes.io/docs/concepts/overview/working-with-objects/names/> and `…/labels/`.

use serde_json::Value;

use crate::error::{Error, Result};

/// A kind of name: what it is called, whether a text is one, and what would be right.
pub struct Syntax {
    is: fn(&str) -> bool,
    what: &'static str,
    cure: &'static str,
}

/// A name of 63 characters without dots: of a volume, a queue.
pub const LABEL: Syntax =
    Syntax { is: is_label, what: "a name as Kubernetes has them", cure: "use 1 to 63 lower-case letters, digits and '-', beginning and ending with a letter or digit" };
/// The same, beginning with a letter: of a service.
pub const SERVICE: Syntax = Syntax {
    is: |text| is_label(text) && text.starts_with(|c: char| c.is_ascii_lowercase()),
    what: "a name of a service",
    cure: "use 1 to 63 lower-case letters, digits and '-', beginning with a letter and ending with a letter or digit",
};
/// The name of most objects.
pub const OBJECT: Syntax = Syntax {
    is: is_object,
    what: "a name of an object in Kubernetes",
    cure: "use up to 253 lower-case letters, digits, '-' and '.', each part beginning and ending with a letter or digit",
};
/// The key of a label, an annotation, a taint.
pub const KEY: Syntax = Syntax {
    is: is_key,
    what: "a key of a label or annotation",
    cure: "write it as in \"team\" or \"example.com/team\": up to 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit",
};
/// The value of a label.
pub const VALUE: Syntax = Syntax {
    is: |text| text.is_empty() || is_qualified(text),
    what: "a value of a label",
    cure: "use up to 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit",
};
/// A key in a config map or a secret.
pub const FILE: Syntax = Syntax {
    is: |text| (1..=253).contains(&text.len()) && !matches!(text, "." | "..") && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')),
    what: "a key of a config map or secret",
    cure: "use up to 253 letters, digits, '-', '_' and '.'",
};

impl Syntax {
    /// The text, or an error that names its field.
    pub fn check<'a>(&self, field: &str, text: &'a str) -> Result<&'a str> {
        if (self.is)(text) { Ok(text) } else { Err(Error::invalid(field, text, format!("{field}={text:?} is not {}", self.what), self.cure)) }
    }

    /// The same of a value that may be no text at all.
    pub fn check_value<'a>(&self, field: &str, value: &'a Value) -> Result<&'a str> {
        match value {
            Value::String(text) => self.check(field, text),
            other => Err(Error::invalid(field, other, format!("{field}={other} is not {}", self.what), self.cure)),
        }
    }
}

fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len()) && is_part(text)
}

/// Of any length, nothing included.
fn is_part(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') && !text.starts_with('-') && !text.ends_with('-')
}

fn is_object(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(|part| !part.is_empty() && is_part(part))
}

fn is_qualified(text: &str) -> bool {
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let inner = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    text.len() <= 63 && inner && ends(text.chars().next()) && ends(text.chars().next_back())
}

fn is_key(text: &str) -> bool {
    match text.split_once('/') {
        Some((prefix, name)) => is_object(prefix) && is_qualified(name),
        None => is_qualified(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_syntax_tells_names_from_others() {
        let long = "a".repeat(64);
        let cases: [(&Syntax, &[&str], &[&str]); 6] = [
            (&LABEL, &["a", "1a", "a-b"], &["", "A", "a.b", "-a", "a-", "a_b", &long]),
            (&SERVICE, &["a", "a1"], &["1a", ""]),
            (&OBJECT, &["a", "a.b-c.1", &long], &["", "A", "a..b", ".a", "a-.b", "a_b"]),
            (&KEY, &["team", "example.com/Team_1", "a.b"], &["", "a/b/c", "/a", "a/", "-a", "a b", "Example.com/a", &long]),
            (&VALUE, &["", "v1.2", "A_b"], &["-a", "a.", "a b", "é", &long]),
            (&FILE, &["a.b_c", "_x", &long], &["", "..", "a/b"]),
        ];
        for (syntax, good, bad) in cases {
            for text in good {
                assert!((syntax.is)(text), "{text:?} is {}", syntax.what);
            }
            for text in bad {
                let error = syntax.check("field", text).expect_err(text).to_string();
                assert!(error.contains("field=") && error.contains("→"), "{error}");
            }
        }
    }
}
