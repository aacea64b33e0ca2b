//! Times, durations and values as people read and write them.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::error::{Error, Result};

const UNITS: [(&str, f64); 7] = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("min", 60.0), ("h", 3600.0), ("d", 86400.0), ("w", 7.0 * 86400.0)];

/// A duration as it is written on the command line: `90`, `90s`, `15m`, `12h`, `7d`, `2w`.
pub fn parse_duration(text: &str) -> Result<Duration> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = &text[number.len()..];
    let factor = if unit.is_empty() { Some(1.0) } else { UNITS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor) };
    factor
        .zip(number.parse::<f64>().ok())
        .and_then(|(factor, number)| Duration::try_from_secs_f64(number * factor).ok())
        .ok_or_else(|| Error::invalid("duration", text, format!("{text:?} is not a duration"), "write seconds, or a number with a unit: 30s, 15m, 12h, 7d, 2w"))
}

/// How long something took.
pub fn took(seconds: f64) -> String {
    if seconds < 1.0 {
        return format!("{seconds:.3} s");
    }
    if seconds < 60.0 {
        return format!("{seconds:.1} s");
    }
    let whole = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX).as_secs();
    let (days, hours, minutes, seconds) = (whole / 86400, whole / 3600 % 24, whole / 60 % 60, whole % 60);
    if days > 0 {
        format!("{days} d {hours} h")
    } else if hours > 0 {
        format!("{hours} h {minutes} min")
    } else {
        format!("{minutes} min {seconds} s")
    }
}

/// How long ago something was, in its largest unit.
pub fn ago(time: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(time).as_secs();
    match seconds {
        ..0 => "in the future".into(),
        0..60 => format!("{seconds} s ago"),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..86400 => format!("{} h ago", seconds / 3600),
        _ => format!("{} d ago", seconds / 86400),
    }
}

/// A time on the reader's clock.
pub fn local(time: Timestamp) -> String {
    time.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// A value in a line.
pub fn value(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A size in bytes.
pub fn bytes(size: u64) -> String {
    #[allow(clippy::cast_precision_loss)] // It is rounded anyway.
    let mut number = size as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if number < 1024.0 {
            return if unit == "B" { format!("{size} B") } else { format!("{number:.1} {unit}") };
        }
        number /= 1024.0;
    }
    format!("{number:.1} TiB")
}

/// `name=value`, as options take it.
pub fn pair(text: &str) -> Result<(String, String)> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(Error::invalid("option", text, format!("{text:?} has no name and value"), "write name=value")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_they_are_written() {
        for (text, seconds) in [("90", 90.0), ("1.5", 1.5), ("250ms", 0.25), ("90s", 90.0), ("15m", 900.0), ("12h", 43200.0), ("7d", 604_800.0), ("2w", 1_209_600.0), ("0", 0.0)] {
            assert!((parse_duration(text).expect(text).as_secs_f64() - seconds).abs() < 1e-9, "{text}");
        }
        for text in ["", "s", "-1", "1x", "nan", "inf", "1e400", "7 d", "soon"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_and_sizes_are_shown_in_their_largest_units() {
        for (seconds, text) in [(0.0421, "0.042 s"), (3.21, "3.2 s"), (61.0, "1 min 1 s"), (7260.0, "2 h 1 min"), (90_000.0, "1 d 1 h")] {
            assert_eq!(took(seconds), text);
        }
        assert_eq!((bytes(12), bytes(2048), bytes(3 << 40)), ("12 B".into(), "2.0 KiB".into(), "3.0 TiB".into()));
        let now = Timestamp::from_second(1_000_000).expect("a time");
        let before = |seconds: i64| Timestamp::from_second(1_000_000 - seconds).expect("a time");
        assert_eq!((ago(before(5), now), ago(before(120), now), ago(before(200_000), now)), ("5 s ago".into(), "2 min ago".into(), "2 d ago".into()));
    }

    #[test]
    fn a_pair_has_a_name() {
        assert_eq!(pair("a=b=c").expect("a pair"), ("a".into(), "b=c".into()));
        assert!(pair("a").is_err() && pair("=b").is_err());
    }
}
