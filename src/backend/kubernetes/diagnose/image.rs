//! Why an image cannot be had: the words of the container runtime, in plain ones.

use super::{Fault, Patience};

/// What the runtime says, in words, and what to do.
const REASONS: [(&str, &str, &str); 10] = [
    ("not found", "the registry has no such image", "correct its name or tag, or push it"),
    ("manifest unknown", "the registry has no such image", "correct its name or tag, or push it"),
    ("no match for platform", "it is not made for the node's processor", "build it for that, too: docker buildx build --platform"),
    ("401 ", "the registry wants other credentials", "name a secret with them: image_pull_secrets=[…]; kubectl create secret docker-registry makes one"),
    ("403 ", "the registry wants other credentials", "name a secret with them: image_pull_secrets=[…]; kubectl create secret docker-registry makes one"),
    ("denied", "the registry wants other credentials", "name a secret with them: image_pull_secrets=[…]; kubectl create secret docker-registry makes one"),
    ("429 ", "the registry has had too many requests", "wait, pull with credentials (image_pull_secrets=[…]), or use a mirror"),
    ("no such host", "there is no such registry", "correct the name of the registry in the image's name"),
    ("no space left", "the node has no room for it", "wait until it is cleaned up, or use a smaller image"),
    ("", "", "check that the node reaches the registry; a fault that passes is tried again by itself"),
];

/// The fault of an image that cannot be pulled.
pub fn pull(image: &str, message: &str) -> Fault {
    let said = cause(message);
    let (_, words, cure) = REASONS.iter().find(|(part, ..)| said.contains(part)).unwrap_or(&REASONS[REASONS.len() - 1]);
    let words = match (words.is_empty(), said.is_empty()) {
        (true, true) => String::new(),
        (true, false) => format!(": {said}"),
        (false, _) => format!(": {words} ({said})"),
    };
    Fault::new("ImagePull", format!("the image {image} cannot be pulled{words}"), *cure, Patience::Start)
}

/// What is at the root of it: the runtime wraps it in all that it did, and the kubelet once more while it waits.
fn cause(message: &str) -> &str {
    let mut said = message.trim().trim_end_matches('.');
    for wrap in ["ErrImagePull: ", "rpc error: code = ", " desc = ", "failed to do request: ", "failed to resolve reference "] {
        if let Some((_, inner)) = said.split_once(wrap) {
            said = inner;
        }
    }
    // `"registry/image:1": what`: the image has been named.
    if let Some((quoted, inner)) = said.split_once("\": ")
        && said.starts_with('"')
        && !quoted[1..].contains('"')
    {
        said = inner;
    }
    // Only that it waits; what for was said before.
    if said.starts_with("Back-off pulling image") { "" } else { said }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_of_a_failed_pull() {
        const MISSING: &str =
            "failed to pull and unpack image \"10.244.0.1:5000/nothing:1\": failed to resolve reference \"10.244.0.1:5000/nothing:1\": 10.244.0.1:5000/nothing:1: not found";
        for (said, words) in [
            (format!("rpc error: code = NotFound desc = {MISSING}"), "the registry has no such image (10.244.0.1:5000/nothing:1: not found)"),
            (
                format!("Back-off pulling image \"10.244.0.1:5000/nothing:1\": ErrImagePull: rpc error: code = NotFound desc = {MISSING}"),
                "the registry has no such image (10.244.0.1:5000/nothing:1: not found)",
            ),
            (
                "failed to pull and unpack image \"nowhere.test/x:1\": failed to resolve reference \"nowhere.test/x:1\": failed to do request: Head \"https://nowhere.test/v2/x/manifests/1\": dial tcp: lookup nowhere.test on 10.96.0.10:53: no such host".into(),
                "there is no such registry (Head \"https://nowhere.test/v2/x/manifests/1\": dial tcp: lookup nowhere.test on 10.96.0.10:53: no such host)",
            ),
            (
                "failed to resolve reference \"r/x:1\": pulling from host r failed with status code [manifests 1]: 401 Unauthorized".into(),
                "the registry wants other credentials (pulling from host r failed with status code [manifests 1]: 401 Unauthorized)",
            ),
            (
                "failed to do request: Head \"https://r/v2/\": dial tcp 10.244.0.1:5999: connect: connection refused".into(),
                "Head \"https://r/v2/\": dial tcp 10.244.0.1:5999: connect: connection refused",
            ),
        ] {
            assert_eq!(pull("x:1", &said).message, format!("the image x:1 cannot be pulled: {words}"));
        }
        assert_eq!(pull("x:1", "Back-off pulling image \"x:1\"").message, "the image x:1 cannot be pulled");
    }
}
