//! A line of a container's log, as the kubelet gives it, and as a line of a run's log.

use jiff::Timestamp;

use crate::backend::LogLine;

/// What the runner's own lines begin with.
const OURS: &str = "runwright: ";

/// A line with its time: `2026-01-01T00:00:00.123456789Z text`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub time: Timestamp,
    pub text: Vec<u8>,
}

impl Line {
    /// None for one without a time: what remains of a line that was too long.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let end = bytes.iter().position(|byte| *byte == b' ').unwrap_or(bytes.len());
        let time = std::str::from_utf8(&bytes[..end]).ok()?.parse().ok()?;
        Some(Self { time, text: bytes.get(end + 1..).unwrap_or_default().to_vec() })
    }

    /// As it stands in the run's log, with its line break. `container`: of another container than the main one. `pod`: of one of several.
    pub fn write(&self, attempt: u32, container: Option<&str>, pod: Option<&str>) -> Vec<u8> {
        let text = String::from_utf8_lossy(&self.text);
        let (stream, message) = text.strip_prefix(OURS).map_or(("stdout", text.as_ref()), |message| ("runner", message));
        let message = message.trim_end_matches('\r').to_owned();
        written(&LogLine {
            time: self.time.as_duration().as_secs_f64(),
            stream: stream.into(),
            attempt,
            message,
            level: None,
            logger: None,
            container: container.map(str::to_owned),
            pod: pod.map(str::to_owned),
        })
    }
}

/// A line that nobody printed: what is to be known of the log itself.
pub fn remark(time: Timestamp, attempt: u32, message: &str) -> Vec<u8> {
    let time = time.as_duration().as_secs_f64();
    written(&LogLine { time, stream: "runner".into(), attempt, message: message.into(), level: None, logger: None, container: None, pod: None })
}

fn written(line: &LogLine) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(line).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_and_what_is_not_one() {
        let line = Line::read(b"2026-01-01T00:00:00.5Z two words\r").expect("a line");
        assert_eq!(String::from_utf8(line.write(1, None, None)).expect("text"), "{\"t\":1767225600.5,\"s\":\"stdout\",\"a\":1,\"m\":\"two words\"}\n");
        let ours = Line::read(b"2026-01-01T00:00:00Z runwright: waiting").expect("a line").write(2, Some("prepare"), Some("rw-1-x"));
        assert_eq!(String::from_utf8(ours).expect("text"), "{\"t\":1767225600.0,\"s\":\"runner\",\"a\":2,\"m\":\"waiting\",\"c\":\"prepare\",\"p\":\"rw-1-x\"}\n");
        assert_eq!(Line::read(b"2026-01-01T00:00:00Z").expect("an empty line").text, b"");
        assert_eq!(Line::read(b"2026-01-01T00:00:00Z \xff").expect("a line").text, b"\xff");
        assert_eq!(Line::read(b"no time"), None);
    }
}
