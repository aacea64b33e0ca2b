//! How code, parameters and files are packed to travel in objects: small, and the same bytes each time.
//!
//! The formats are those of `docs/decisions/0005-a-run-in-a-pod.md`.

use std::io::{Cursor, Read as _, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use serde_json::{Map, Value};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::error::{Error, Result};

/// Up to this size JSON stays readable in an annotation.
const READABLE: usize = 16 * 1024;

/// What is put before a compressed annotation.
const COMPRESSED: &str = "z:";

/// JSON as an annotation: as it is where it is short, else compressed.
pub fn annotation(json: &Value) -> Result<String> {
    let text = json.to_string();
    if text.len() <= READABLE {
        return Ok(text);
    }
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    let bytes = encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish()).map_err(|error| unpackable("parameters", &error))?;
    Ok(format!("{COMPRESSED}{}", STANDARD.encode(bytes)))
}

/// The JSON of an annotation. None where it is none of ours.
#[must_use]
pub fn read_annotation(text: &str) -> Option<Value> {
    let Some(packed) = text.strip_prefix(COMPRESSED) else { return serde_json::from_str(text).ok() };
    let bytes = STANDARD.decode(packed).ok()?;
    serde_json::from_reader(flate2::read::ZlibDecoder::new(&bytes[..])).ok()
}

/// Bytes (a zip) as an annotation.
#[must_use]
pub fn binary_annotation(bytes: &[u8]) -> String {
    format!("{COMPRESSED}{}", STANDARD.encode(bytes))
}

/// The code of a function version as a zip: `source` is the spec's, with `files` (text) and `binary` (base64).
pub fn code(source: &Value) -> Result<Bytes> {
    let mut files: Vec<(&str, Vec<u8>)> = Vec::new();
    for (name, text) in source.get("files").and_then(Value::as_object).into_iter().flatten() {
        files.push((name, text.as_str().unwrap_or_default().as_bytes().to_vec()));
    }
    for (name, text) in source.get("binary").and_then(Value::as_object).into_iter().flatten() {
        let bytes = STANDARD.decode(text.as_str().unwrap_or_default()).map_err(|error| unpackable(name, &error))?;
        files.push((name, bytes));
    }
    files.sort();
    zip(files.into_iter().map(|(name, bytes)| Ok((name.to_owned(), bytes))))
}

/// The files of a version's source, from the annotation that holds its code.
#[must_use]
pub fn read_code(annotation: &str) -> Option<Map<String, Value>> {
    let bytes = STANDARD.decode(annotation.strip_prefix(COMPRESSED)?).ok()?;
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).ok()?;
    let (mut files, mut binary) = (Map::new(), Map::new());
    for at in 0..archive.len() {
        let mut file = archive.by_index(at).ok()?;
        let (name, mut content) = (file.name().ok()?.into_owned(), Vec::new());
        file.read_to_end(&mut content).ok()?;
        match String::from_utf8(content) {
            Ok(text) => drop(files.insert(name, text.into())),
            Err(error) => drop(binary.insert(name, STANDARD.encode(error.into_bytes()).into())),
        }
    }
    let mut source = Map::from_iter([("files".to_owned(), files.into())]);
    if !binary.is_empty() {
        source.insert("binary".into(), binary.into());
    }
    Some(source)
}

/// A zip with the same bytes for the same files: no times, no owners.
pub fn zip(files: impl Iterator<Item = Result<(String, Vec<u8>)>>) -> Result<Bytes> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated).last_modified_time(zip::DateTime::default()).unix_permissions(0o644);
    for file in files {
        let (name, bytes) = file?;
        writer.start_file(name.as_str(), options).map_err(|error| unpackable(&name, &error))?;
        writer.write_all(&bytes).map_err(|error| unpackable(&name, &error))?;
    }
    writer.finish().map(|cursor| cursor.into_inner().into()).map_err(|error| unpackable("the archive", &error))
}

fn unpackable(what: &str, error: &dyn std::error::Error) -> Error {
    Error::backend(format!("{what} cannot be packed: {error}"), "if it comes again, please report it")
}

/// The value of each digit of RFC 1924; 85 for what is none.
const BASE85: [u8; 256] = {
    let digits = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";
    let mut values = [85; 256];
    let mut at = 0;
    while at < 85 {
        #[allow(clippy::cast_possible_truncation)] // It is below 85.
        let value = at as u8;
        values[digits[at] as usize] = value;
        at += 1;
    }
    values
};

/// Python's `base64.b85encode`, backwards. None where it is none.
#[must_use]
pub fn base85(text: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len() / 5 * 4 + 4);
    for group in text.chunks(5) {
        let mut number: u64 = 0;
        for at in 0..5 {
            // A last group that is short was padded with the highest digit.
            let digit = group.get(at).map_or(84, |byte| BASE85[usize::from(*byte)]);
            if digit == 85 {
                return None;
            }
            number = number * 85 + u64::from(digit);
        }
        let bytes = u32::try_from(number).ok()?.to_be_bytes();
        decoded.extend_from_slice(&bytes[..group.len() - 1]);
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn base85_is_pythons() {
        // base64.b85encode(bytes(range(7))), b"hello world", b"".
        assert_eq!(base85(b"009C61O)~"), Some(vec![0, 1, 2, 3, 4, 5, 6]));
        assert_eq!(base85(b"Xk~0{Zy<MXa%^M"), Some(b"hello world".to_vec()));
        assert_eq!(base85(b""), Some(Vec::new()));
        assert_eq!(base85(b"~~~~~"), None, "more than 32 bits");
        assert_eq!(base85(b"ab\"cd"), None);
    }

    #[test]
    fn an_annotation_gives_its_json_back() {
        for json in [json!({"a": 1}), json!({"a": "x".repeat(100_000)})] {
            let text = annotation(&json).expect("text");
            assert!(text.len() < 20_000);
            assert_eq!(read_annotation(&text), Some(json));
        }
        assert_eq!(read_annotation("z:?"), None);
    }

    #[test]
    fn the_same_code_gives_the_same_bytes() {
        let source = json!({"files": {"b.py": "2", "a.py": "1"}, "binary": {"c": "AAE="}});
        assert_eq!(code(&source).expect("a zip"), code(&source).expect("a zip"));
    }
}
