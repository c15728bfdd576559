//! Times as the store keeps them and as people write them. The clock is read here and nowhere else.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::failure::Failure;

/// Now, in microseconds since the Unix epoch.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}

/// Microseconds since the epoch as RFC 3339 in UTC, with six decimals: as records have it, so that times sort as text.
pub(crate) fn rfc3339(time: u64) -> String {
    // What the calendar of the crate ends with.
    let time = Duration::from_micros(time.min(253_402_300_799_000_000));
    humantime::format_rfc3339_micros(UNIX_EPOCH + time).to_string()
}

/// A point in time as people write it: RFC 3339, a date, or how long ago (`90s`, `15m`, `2h`, `7d`).
pub(crate) fn parse(text: &str, now: u64) -> Result<u64, Failure> {
    if let Ok(ago) = humantime::parse_duration(text) {
        return Ok(now.saturating_sub(u64::try_from(ago.as_micros()).unwrap_or(u64::MAX)));
    }
    let full = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    humantime::parse_rfc3339_weak(&full)
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
        .and_then(|since| u64::try_from(since.as_micros()).ok())
        .ok_or_else(|| {
            Failure::new(format!(
                "`{text}` is no time: write 2026-11-21T14:00:00Z, 2026-11-21, or 15m for a quarter of an hour ago"
            ))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_times_as_people_write_them() {
        let now = 1_795_270_000_000_000;
        assert_eq!(parse("15m", now).unwrap(), now - 900_000_000);
        assert_eq!(rfc3339(parse("2026-11-21", now).unwrap()), "2026-11-21T00:00:00.000000Z");
        assert_eq!(rfc3339(parse("2026-11-21T14:00:00Z", now).unwrap()), "2026-11-21T14:00:00.000000Z");
        for bad in ["", "yesterday", "2026-13-01", "-5m"] {
            assert!(parse(bad, now).is_err(), "{bad}");
        }
        assert_eq!(rfc3339(u64::MAX), "9999-12-31T23:59:59.000000Z");
    }
}
