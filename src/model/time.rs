//! Times. Records hold RFC 3339 in UTC; the files that a runner writes hold seconds since the epoch.

use jiff::Timestamp;

/// Now, with microseconds (what both databases and Python keep).
#[must_use]
pub fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}

/// A time that a runner wrote, in seconds since the epoch. A time that is none becomes the epoch.
#[must_use]
#[allow(clippy::cast_possible_truncation)] // The cast saturates, and jiff refuses what is out of its range.
pub fn from_seconds(seconds: f64) -> Timestamp {
    Timestamp::from_microsecond((seconds * 1e6).round() as i64).unwrap_or(Timestamp::UNIX_EPOCH)
}
