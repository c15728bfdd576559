//! `100/hour` and `10m` as numbers.

use crate::policy::Decimal;

/// How much in which time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limit {
    /// In units of 10^-[`PLACES`].
    pub(super) units: u64,
    /// In microseconds.
    pub(super) window_us: u64,
}

impl Limit {
    /// Reads `100/hour`, `20/15m`, `999.50/day`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let (count, time) = text.split_once('/').ok_or("is no limit")?;
        let (count, time) = (count.trim(), time.trim());
        let plain = !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let whole = count.split_once('.').map_or(count, |(whole, _)| whole);
        if !plain || whole.is_empty() || count.ends_with('.') || count.matches('.').count() > 1 {
            return Err("does not begin with a number");
        }
        if count.split_once('.').is_some_and(|(_, fraction)| fraction.len() > usize::from(PLACES)) {
            return Err("has more than six decimal places");
        }
        let units = Decimal::parse(count).and_then(|count| count.units(PLACES)).unwrap_or(u64::MAX);
        if units == 0 {
            return Err("lets nothing through");
        }
        if units > MAX_COUNT * UNITS {
            return Err("is too large");
        }
        let window_us = match time {
            "second" => SECOND_US,
            "minute" => 60 * SECOND_US,
            "hour" => 3600 * SECOND_US,
            "day" => DAY_US,
            other => duration(other).ok_or("does not end with a time")?,
        };
        if !(SECOND_US..=31 * DAY_US).contains(&window_us) {
            return Err("is out of range");
        }
        Ok(Self { units, window_us })
    }

    /// Whether the calendar day is a whole number of such windows.
    pub(super) fn divides_a_day(self) -> bool {
        DAY_US.is_multiple_of(self.window_us)
    }
}

/// Reads `30s`, `10m`, `2h`, `7d` as microseconds.
pub(crate) fn duration(text: &str) -> Option<u64> {
    let unit = match text.as_bytes().last()? {
        b's' => SECOND_US,
        b'm' => 60 * SECOND_US,
        b'h' => 3600 * SECOND_US,
        b'd' => DAY_US,
        _ => return None,
    };
    let number = text.get(..text.len() - 1)?;
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    number.parse::<u64>().ok()?.checked_mul(unit)
}

/// How a limit is to be written.
pub(super) const LIMIT_FORM: &str = "write it as `100/hour`, `5/minute` or `20/15m`";
/// Decimal places that amounts are counted in.
pub(super) const PLACES: u8 = 6;
/// Units of one.
pub(super) const UNITS: u64 = 1_000_000;
/// Largest limit.
pub(super) const MAX_COUNT: u64 = 1_000_000_000_000;
const SECOND_US: u64 = 1_000_000;
const DAY_US: u64 = 86_400 * SECOND_US;

#[cfg(test)]
mod tests {
    use super::{DAY_US, Limit, SECOND_US, duration};

    #[test]
    fn reads_limits() {
        for (text, units, window_us) in [
            ("100/hour", 100_000_000, 3600 * SECOND_US),
            ("1/second", 1_000_000, SECOND_US),
            ("0.25/day", 250_000, DAY_US),
            ("20/15m", 20_000_000, 900 * SECOND_US),
            (" 5 / 7d ", 5_000_000, 7 * DAY_US),
        ] {
            assert_eq!(Limit::parse(text), Ok(Limit { units, window_us }), "{text}");
        }
        for text in [
            "",
            "100",
            "/hour",
            "x/hour",
            "-1/hour",
            "1e3/hour",
            "1./hour",
            ".5/hour",
            "1.2.3/hour",
            "1.1234567/hour",
            "0/hour",
            "0.0/hour",
            "1/",
            "1/week",
            "1/0s",
            "1/99d",
            "1/1.5h",
            "1/m",
            "9999999999999/hour",
        ] {
            assert!(Limit::parse(text).is_err(), "{text}");
        }
        assert_eq!(duration("99999999999999999999s"), None);
        assert_eq!(duration("99999999999999999d"), None);
        assert_eq!(duration("é"), None);
    }
}
