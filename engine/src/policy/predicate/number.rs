//! Numbers compared by their digits: an `f64` takes 9007199254740993 for 9007199254740992.

use std::cmp::Ordering;

/// A decimal number, exact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decimal {
    negative: bool,
    /// Significant digits without leading and trailing zeros; empty for zero.
    digits: String,
    /// The value is 0.digits × 10^magnitude.
    magnitude: i64,
}

impl Decimal {
    /// Reads a JSON number. `None` for one outside of what every server can hold: beyond the range
    /// of a double some read infinity or zero, others refuse.
    pub(crate) fn parse(raw: &str) -> Option<Self> {
        let (negative, unsigned) = raw.strip_prefix('-').map_or((false, raw), |rest| (true, rest));
        let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        let digits = all.trim_start_matches('0');
        let leading = all.len() - digits.len();
        let digits = digits.trim_end_matches('0');
        if digits.is_empty() {
            return Some(Self { negative: false, digits: String::new(), magnitude: 0 });
        }
        let exponent = exponent.strip_prefix('+').unwrap_or(exponent);
        let exponent: i64 = exponent.parse().ok()?;
        let magnitude = exponent.checked_add(whole.len() as i64)?.checked_sub(leading as i64)?;
        MAGNITUDES.contains(&magnitude).then(|| Self { negative, digits: digits.to_owned(), magnitude })
    }

    /// Without a fractional part, however it is spelled (`1.0`, `1e2`).
    pub(crate) fn is_integer(&self) -> bool {
        self.digits.len() as i64 <= self.magnitude || self.digits.is_empty()
    }

    /// True where this is a whole multiple of `step`; `None` for a step of zero or of more than 18 digits.
    pub(crate) fn is_multiple_of(&self, step: &Self) -> Option<bool> {
        let divisor: u128 = step.digits.parse::<u64>().ok().filter(|_| step.digits.len() <= 18)?.into();
        if self.digits.is_empty() {
            return Some(true);
        }
        // Both as digits × 10^exponent.
        let exponent = |number: &Self| number.magnitude - number.digits.len() as i64;
        let Ok(zeros) = usize::try_from(exponent(self) - exponent(step)) else {
            // The last digit is not zero, so that no power of ten divides the digits.
            return Some(false);
        };
        let digits = self.digits.bytes().map(|digit| u128::from(digit - b'0'));
        let rest = digits.fold(0, |rest, digit| (rest * 10 + digit) % divisor);
        // The zeros behind them may be thousands of millions (`1e2000000000`): 10^zeros by squaring.
        let (mut power, mut base, mut left) = (1 % divisor, 10 % divisor, zeros);
        while left > 0 {
            if left % 2 == 1 {
                power = power * base % divisor;
            }
            base = base * base % divisor;
            left /= 2;
        }
        Some(rest * power % divisor == 0)
    }

    /// Less than zero.
    pub(crate) fn is_negative(&self) -> bool {
        self.negative
    }

    /// How many units of 10^-`places` it comes to, rounded up; `None` for a negative number and for more
    /// than a `u64` holds.
    pub(crate) fn units(&self, places: u8) -> Option<u64> {
        if self.negative {
            return None;
        }
        let whole = self.magnitude + i64::from(places);
        let (mut units, mut rest) = (0_u64, false);
        for (position, digit) in (0_i64..).zip(self.digits.bytes()) {
            if position < whole {
                units = units.checked_mul(10)?.checked_add(u64::from(digit.wrapping_sub(b'0')))?;
            } else {
                rest = true;
            }
        }
        for _ in (self.digits.len() as i64)..whole {
            if units == 0 {
                break;
            }
            units = units.checked_mul(10)?;
        }
        units.checked_add(u64::from(rest))
    }

    /// The sign as -1, 0 or 1.
    fn sign(&self) -> i8 {
        match (self.digits.is_empty(), self.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        }
    }
}

// === impl Decimal ===

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let sizes = || self.magnitude.cmp(&other.magnitude).then_with(|| self.digits.cmp(&other.digits));
        self.sign().cmp(&other.sign()).then_with(|| if self.negative { sizes().reverse() } else { sizes() })
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Inside the range of normal doubles (2.2e-308 to 1.8e308).
const MAGNITUDES: std::ops::RangeInclusive<i64> = -306..=308;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_whatever_the_spelling() {
        for (a, b) in [
            ("1", "1.0"),
            ("100", "1e2"),
            ("100", "1E+2"),
            ("0.001", "1e-3"),
            ("0.10", "0.1"),
            ("-0", "0"),
            ("0e999999999999999999999", "0.000"),
            ("12300", "1.23e4"),
            ("0.00123", "123e-5"),
        ] {
            assert_eq!(Decimal::parse(a), Decimal::parse(b), "{a} {b}");
        }
    }

    #[test]
    fn ordered_by_value() {
        let ascending = [
            "-1e300",
            "-9007199254740993",
            "-9007199254740992",
            "-1.5",
            "-1",
            "-0.1",
            "0",
            "1e-300",
            "0.09",
            "0.1",
            "0.11",
            "1",
            "1.05",
            "1.5",
            "9.99",
            "10",
            "9007199254740992",
            "9007199254740993",
            "18446744073709551616",
            "1e300",
        ];
        let parsed: Vec<_> = ascending.iter().map(|raw| Decimal::parse(raw).unwrap()).collect();
        assert!(parsed.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn units_are_rounded_up() {
        for (raw, units) in [
            ("0", Some(0)),
            ("1", Some(1_000_000)),
            ("0.1", Some(100_000)),
            ("0.30000000000000004", Some(300_001)),
            ("1e-300", Some(1)),
            ("12.5e2", Some(1_250_000_000)),
            ("-0", Some(0)),
            ("-1", None),
            ("18446744073709.551615", Some(u64::MAX)),
            ("18446744073709.5516151", None),
            ("1e300", None),
        ] {
            assert_eq!(Decimal::parse(raw).unwrap().units(6), units, "{raw}");
        }
    }

    #[test]
    fn out_of_range_is_no_number() {
        for raw in ["1e309", "-1e400", "1e-400", "1e99999999999999999999", "1e-99999999999999999999"] {
            assert_eq!(Decimal::parse(raw), None, "{raw}");
        }
        let long = format!("1{}", "0".repeat(400));
        assert_eq!(Decimal::parse(&long), None);
    }
}
