//! Presigned URLs: who has one may read or write what it names, so none is shown.

use serde_json::Value;

/// The parts of a frozen run that hold URLs of ours.
const PARTS: [&str; 2] = ["inputs", "pod"];

/// A frozen run as it may be shown: its URLs end in `?***`.
pub fn hide(frozen: &mut Value) {
    for part in PARTS {
        if let Some(part) = frozen.get_mut(part) {
            cut(part);
        }
    }
}

fn cut(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Some((address, _)) = text.split_once('?').filter(|(address, _)| address.starts_with("http://") || address.starts_with("https://")) {
                *text = format!("{address}?***");
            }
        }
        Value::Array(values) => values.iter_mut().for_each(cut),
        Value::Object(fields) => fields.values_mut().for_each(cut),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn what_signs_is_hidden_where_it_is_ours() {
        let mut frozen = json!({
            "parameters": {"page": "https://example.org/?q=1"},
            "inputs": {"x": {"url": "https://store/x?X-Amz-Signature=1", "format": "npy"}},
            "pod": {"slots": ["https://store/0?sig=1", {"url": "https://store/1?sig=2", "headers": {"a": "b"}}], "luggage": 0},
        });
        super::hide(&mut frozen);
        let expected = json!({
            "parameters": {"page": "https://example.org/?q=1"},
            "inputs": {"x": {"url": "https://store/x?***", "format": "npy"}},
            "pod": {"slots": ["https://store/0?***", {"url": "https://store/1?***", "headers": {"a": "b"}}], "luggage": 0},
        });
        assert_eq!(frozen, expected);
    }
}
