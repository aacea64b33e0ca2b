//! Image: the reference of a container image, checked before anything is created.
//!
//! Source of the grammar: <https://pkg.go.dev/github.com/distribution/reference>.

use crate::error::{Error, Result};

/// What to give, for errors.
pub const AN_IMAGE: &str = "an image, such as \"busybox:1.36\"";

/// An error names the field and what would be right.
pub fn check(field: &str, image: &str) -> Result<()> {
    match fault(image) {
        None => Ok(()),
        Some(fault) => Err(Error::invalid(
            field,
            image,
            format!("{field}={image:?} is not an image: {fault}"),
            "write it as in \"python:3.12\" or \"registry.example.com:5000/team/name:tag\", with \"@sha256:…\" at its end for exactly one content",
        )),
    }
}

/// What is wrong with a reference.
fn fault(image: &str) -> Option<&'static str> {
    if image.contains("://") {
        return Some("it is a URL");
    }
    let (name, digest) = image.split_once('@').map_or((image, None), |(name, digest)| (name, Some(digest)));
    if digest.is_some_and(|digest| !is_digest(digest)) {
        return Some("what follows the '@' is not a digest such as sha256: and 64 hexadecimal digits");
    }
    // A ':' before the last '/' belongs to the registry's port.
    let last = name.rfind('/').map_or(0, |slash| slash + 1);
    let (path, tag) = name[last..].find(':').map_or((name, None), |colon| (&name[..last + colon], Some(&name[last + colon + 1..])));
    if tag.is_some_and(|tag| !is_tag(tag)) {
        return Some("a tag has 1 to 128 letters, digits, '_', '.' or '-' and begins with none of the last two");
    }
    let path = path.split_once('/').filter(|(registry, _)| is_registry(registry)).map_or(path, |(_, path)| path);
    if path.len() > 255 {
        return Some("its name is longer than 255 characters");
    }
    path.split('/').find_map(|part| {
        if part.is_empty() {
            Some("a part of its name is empty")
        } else if part.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Some("its name has upper-case letters")
        } else {
            (!is_part(part)).then_some("its name has parts of lower-case letters and digits, with single '.', '-' or '_' between them")
        }
    })
}

/// The first part of a name is a registry where it could not be part of a path, or is this machine.
fn is_registry(name: &str) -> bool {
    let (host, port) = name.split_once(':').map_or((name, None), |(host, port)| (host, Some(port)));
    let is_host = host.split('.').all(|label| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'));
    is_host && port.is_none_or(|port| port.parse::<u16>().is_ok()) && (name.contains(['.', ':']) || name == "localhost")
}

fn is_part(part: &str) -> bool {
    let is_alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    // What stands between: one '.', one or two '_', any number of '-'.
    let between = |text: &str| matches!(text, "." | "_" | "__") || (!text.is_empty() && text.bytes().all(|byte| byte == b'-'));
    let ends = part.bytes().next().is_some_and(is_alphanumeric) && part.bytes().last().is_some_and(is_alphanumeric);
    ends && part.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit()).all(|text| text.is_empty() || between(text))
}

fn is_tag(tag: &str) -> bool {
    (1..=128).contains(&tag.len()) && tag.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-')) && !tag.starts_with(['.', '-'])
}

fn is_digest(digest: &str) -> bool {
    let hexadecimal = |text: &str, least: usize| text.len() >= least && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    digest.split_once(':').is_some_and(|(algorithm, digits)| match algorithm {
        "sha256" => digits.len() == 64 && hexadecimal(digits, 64),
        "sha512" => digits.len() == 128 && hexadecimal(digits, 128),
        _ => algorithm.starts_with(|c: char| c.is_ascii_alphabetic()) && hexadecimal(digits, 32),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_told_from_slips() {
        let digest = format!("busybox@sha256:{}", "0".repeat(64));
        let tagged = format!("r.example.com:5000/a/b:1@sha256:{}", "a".repeat(64));
        for good in ["busybox", "python:3.12-slim", "localhost/x", "localhost:5000/team/x:V1", "10.244.0.1:5000/a__b/c-d.e", "Registry.example.com/x", &digest, &tagged] {
            assert_eq!(fault(good), None, "{good}");
        }
        let short = "x@sha256:abc";
        for bad in ["", "Python:3", "a b", "docker://busybox", "x:", "x:-1", "x:a:b", short, "/x", "x/", "a//b", "-x", "a..b", "a___b", "$IMAGE", "x\n", "Team/x"] {
            assert!(fault(bad).is_some(), "{bad:?}");
        }
    }
}
