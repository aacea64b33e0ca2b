//! Fields: a mapping that somebody wrote, read field by field. An error names the field with its place (`volumes[0].name`), its value and a cure.

use serde_json::{Map, Value};

use crate::error::{Error, Result, did_you_mean};

/// The fields of one mapping. `null` is the same as not given.
pub struct Fields<'a> {
    /// Where the mapping stands: empty, or `volumes[0]`.
    place: String,
    all: &'a Map<String, Value>,
}

impl<'a> Fields<'a> {
    /// The fields of `what` (`a volume`, for messages); none but the known ones.
    pub fn read(what: &str, place: impl Into<String>, all: &'a Map<String, Value>, known: &[&str]) -> Result<Self> {
        let fields = Self { place: place.into(), all };
        match all.keys().find(|field| !known.contains(&field.as_str())) {
            None => Ok(fields),
            Some(field) => Err(Error::invalid(
                &fields.place_of(field),
                &all[field],
                format!("{}{what} has no field {field:?}{}", fields.place_before(), did_you_mean(field, known.iter().copied())),
                format!("it has: {}", known.join(", ")),
            )),
        }
    }

    /// A field's whole name, as it is in errors.
    #[must_use]
    pub fn place_of(&self, field: &str) -> String {
        if self.place.is_empty() { field.to_owned() } else { format!("{}.{field}", self.place) }
    }

    /// Where the mapping stands, as the beginning of a message.
    fn place_before(&self) -> String {
        if self.place.is_empty() { String::new() } else { format!("{}: ", self.place) }
    }

    /// A field as it is.
    #[must_use]
    pub fn value(&self, field: &str) -> Option<&'a Value> {
        self.all.get(field).filter(|value| !value.is_null())
    }

    /// A field that `take` understands; `meaning` says what that is, with an example.
    pub fn get<T>(&self, field: &str, meaning: &str, take: impl FnOnce(&'a Value) -> Option<T>) -> Result<Option<T>> {
        self.value(field).map(|value| take(value).ok_or_else(|| not(&self.place_of(field), value, meaning))).transpose()
    }

    /// What was read of a field that must be there.
    pub fn required<T>(&self, field: &str, meaning: &str, read: Option<T>) -> Result<T> {
        read.ok_or_else(|| {
            let place = self.place_of(field);
            Error::invalid(&place, "", format!("{place} is missing"), format!("give {meaning}"))
        })
    }

    /// Text that is not empty.
    pub fn text(&self, field: &str, meaning: &str) -> Result<Option<&'a str>> {
        self.get(field, meaning, |value| value.as_str().filter(|text| !text.trim().is_empty()))
    }

    /// A whole number from `least` on.
    pub fn whole(&self, field: &str, least: i64, meaning: &str) -> Result<Option<i64>> {
        self.get(field, meaning, |value| value.as_i64().filter(|number| *number >= least))
    }

    /// One of some words.
    pub fn choice(&self, field: &str, words: &[&str]) -> Result<Option<&'a str>> {
        let Some(value) = self.value(field) else { return Ok(None) };
        let place = self.place_of(field);
        let given = value.as_str().unwrap_or_default();
        if words.contains(&given) {
            return Ok(value.as_str());
        }
        // Another case of the letters is the likeliest slip.
        let close = words.iter().find(|word| word.eq_ignore_ascii_case(given)).map(|word| format!(" (did you mean {word:?}?)"));
        let hint = close.unwrap_or_else(|| did_you_mean(given, words.iter().copied()));
        Err(Error::invalid(&place, value, format!("{place}={value} is none of its values{hint}"), format!("use one of: {}", words.join(", "))))
    }

    /// A list, each item read by `take` under its own name (`args[0]`).
    pub fn list<T>(&self, field: &str, meaning: &str, take: impl Fn(String, &'a Value) -> Result<T>) -> Result<Vec<T>> {
        let Some(items) = self.get(field, meaning, Value::as_array)? else { return Ok(Vec::new()) };
        let place = self.place_of(field);
        items.iter().enumerate().map(|(at, item)| take(format!("{place}[{at}]"), item)).collect()
    }

    /// A list of text.
    pub fn texts(&self, field: &str, meaning: &str) -> Result<Vec<String>> {
        self.list(field, meaning, |place, item| item.as_str().map(str::to_owned).ok_or_else(|| not(&place, item, "text")))
    }
}

/// The error of a value that is not what its field takes.
#[must_use]
pub fn not(field: &str, value: &Value, meaning: &str) -> Error {
    Error::invalid(field, value, format!("{field}={value} is not {meaning}"), format!("give {meaning}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn error(all: &Value, read: impl FnOnce(&Fields) -> Result<()>) -> String {
        let fields = Fields::read("a volume", "volumes[0]", all.as_object().expect("a mapping"), &["name", "size", "mode"]);
        fields.and_then(|fields| read(&fields)).expect_err("a fault").to_string()
    }

    #[test]
    fn an_error_names_the_field_with_its_place_and_what_would_be_right() {
        let unknown = error(&json!({"nmae": "x"}), |_| Ok(()));
        assert!(unknown.contains("did you mean \"name\"?"), "{unknown}");
        let wrong = error(&json!({"size": -1}), |fields| fields.whole("size", 0, "a number from 0 on").map(drop));
        assert_eq!(wrong, "volumes[0].size=-1 is not a number from 0 on\n  → give a number from 0 on");
        let missing = error(&json!({"name": null}), |fields| fields.required("name", "text", fields.text("name", "text")?).map(drop));
        assert_eq!(missing, "volumes[0].name is missing\n  → give text");
        let choice = error(&json!({"mode": "ALWAYS"}), |fields| fields.choice("mode", &["Always", "Never"]).map(drop));
        assert!(choice.contains("did you mean \"Always\"?"), "{choice}");
    }
}
