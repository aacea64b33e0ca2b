//! The code of a function version, unpacked once into `code/<digest>/`.

use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::model::function::Function;
use crate::model::name::Digest;

#[derive(Deserialize)]
struct Source {
    #[serde(default)]
    files: std::collections::BTreeMap<String, String>,
    #[serde(default)]
    binary: std::collections::BTreeMap<String, String>,
}

/// Where the code of a version lies. None for kinds without code.
pub fn path(home: &Path, function: &Function) -> Option<PathBuf> {
    function.spec.get("source").map(|source| home.join("code").join(Digest::of_json(source).as_str()))
}

/// Puts it there, whole or not at all, and gives the folder.
pub fn place(home: &Path, function: &Function) -> Result<Option<PathBuf>> {
    let (Some(target), Some(source)) = (path(home, function), function.spec.get("source")) else { return Ok(None) };
    if target.exists() {
        return Ok(Some(target));
    }
    let partial = target.with_extension(format!("{}.partial", uuid::Uuid::now_v7().simple()));
    unpack(source, &partial)
        .and_then(|()| match std::fs::rename(&partial, &target) {
            // Another client was faster with the same content.
            Err(error) if matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::DirectoryNotEmpty) => std::fs::remove_dir_all(&partial),
            other => other,
        })
        .map_err(|error| {
            let _ = std::fs::remove_dir_all(&partial);
            Error::backend(format!("the code of {} cannot be written to {}: {error}", function.name, target.display()), "check the disk and its free room")
        })?;
    Ok(Some(target))
}

fn unpack(source: &Value, folder: &Path) -> std::io::Result<()> {
    let source: Source = Source::deserialize(source)?;
    std::fs::create_dir_all(folder)?;
    let mut files: Vec<(String, Vec<u8>)> = source.files.into_iter().map(|(name, text)| (name, text.into_bytes())).collect();
    for (name, text) in source.binary {
        files.push((name, decode_base64(&text)?));
    }
    for (name, content) in files {
        // Capture checked this already; the store may have been written by others.
        if !Path::new(&name).components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(std::io::Error::new(ErrorKind::InvalidData, format!("{name:?} would leave the folder")));
        }
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, content)?;
    }
    Ok(())
}

/// RFC 4648, section 4, with padding.
fn decode_base64(text: &str) -> std::io::Result<Vec<u8>> {
    let bad = || std::io::Error::new(ErrorKind::InvalidData, "not base64");
    let mut decoded = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0u32, 0u32);
    for byte in text.bytes().filter(|byte| *byte != b'=') {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return Err(bad()),
        };
        bits = (bits << 6 | u32::from(value)) & 0xFFFF;
        held += 6;
        if held >= 8 {
            held -= 8;
            decoded.push(u8::try_from(bits >> held & 0xFF).map_err(|_| bad())?);
        }
    }
    Ok(decoded)
}
