//! Timestamps and durations, in microseconds: the texts of RFC 3339, and of Go's durations (langdef, "Timestamps
//! and Durations"). Finer parts than a microsecond are cut off.

/// A part of a timestamp or a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Year,
    /// From 0.
    Month,
    /// Of the month, from 1.
    Date,
    /// From 0.
    DayOfMonth,
    /// From 0.
    DayOfYear,
    /// From 0, a Sunday.
    DayOfWeek,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
}

impl Part {
    /// This part of a timestamp, `offset` seconds east of UTC.
    pub(super) fn of_time(self, time: i64, offset: i64) -> i64 {
        let local = time + offset * SECOND;
        let days = local.div_euclid(DAY);
        let of_day = local.rem_euclid(DAY);
        let (year, month, day) = civil(days);
        match self {
            Self::Year => year,
            Self::Month => month - 1,
            Self::Date => day,
            Self::DayOfMonth => day - 1,
            Self::DayOfYear => days - days_from_civil(year, 1, 1),
            Self::DayOfWeek => (days + 4).rem_euclid(7),
            Self::Hours => of_day / (3600 * SECOND),
            Self::Minutes => of_day / (60 * SECOND) % 60,
            Self::Seconds => of_day / SECOND % 60,
            Self::Milliseconds => of_day / 1000 % 1000,
        }
    }

    /// A whole duration in this unit; of milliseconds those beside the seconds.
    pub(super) fn of_span(self, span: i64) -> Option<i64> {
        match self {
            Self::Hours => Some(span / (3600 * SECOND)),
            Self::Minutes => Some(span / (60 * SECOND)),
            Self::Seconds => Some(span / SECOND),
            Self::Milliseconds => Some(span / 1000 % 1000),
            _ => None,
        }
    }
}

/// A timestamp, if it lies in the years 1 to 9999.
pub(super) fn in_range(time: i64) -> Option<i64> {
    (MIN_TIME..=MAX_TIME).contains(&time).then_some(time)
}

/// A duration, if it is not longer than implementations allow.
pub(super) fn span_in_range(span: i64) -> Option<i64> {
    (-MAX_SPAN..=MAX_SPAN).contains(&span).then_some(span)
}

/// `2026-11-21T12:00:00.5+01:00` (RFC 3339).
pub(super) fn parse_time(text: &str) -> Option<i64> {
    let (date, rest) = text.split_at_checked(10)?;
    let mut date = date.splitn(3, '-');
    let (year, month, day) = (digits(date.next()?, 4)?, digits(date.next()?, 2)?, digits(date.next()?, 2)?);
    let rest = rest.strip_prefix(['T', 't'])?;
    let (clock, rest) = rest.split_at_checked(8)?;
    let mut clock = clock.splitn(3, ':');
    let (hour, minute, second) = (digits(clock.next()?, 2)?, digits(clock.next()?, 2)?, digits(clock.next()?, 2)?);
    let (fraction, zone) = match rest.strip_prefix('.') {
        Some(rest) => {
            let length = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (fraction, zone) = rest.split_at_checked(length)?;
            (micros(fraction)?, zone)
        }
        None => (0, rest),
    };
    let offset = match zone {
        "Z" | "z" => 0,
        zone => self::offset(zone)?,
    };
    let valid = (1..=12).contains(&month) && day >= 1 && day <= days_in(year, month) && hour < 24 && minute < 60;
    if !valid || second > 59 || year < 1 {
        return None;
    }
    let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset;
    in_range(seconds * SECOND + fraction)
}

/// `1h30m`, `-1.5s`, `100ms`.
pub(super) fn parse_span(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let whole = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, behind) = rest.split_at_checked(whole)?;
        let (fraction, behind) = match behind.strip_prefix('.') {
            Some(behind) => behind.split_at_checked(behind.bytes().take_while(u8::is_ascii_digit).count())?,
            None => ("", behind),
        };
        if number.is_empty() && fraction.is_empty() {
            return None;
        }
        let letters = behind.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(behind.len());
        let (unit, behind) = behind.split_at_checked(letters)?;
        let nanos: i128 = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, nanos)| i128::from(*nanos))?;
        let number: i128 = if number.is_empty() { 0 } else { number.parse::<u64>().ok()?.into() };
        total += number * nanos;
        let mut share = nanos;
        for digit in fraction.bytes().take(18) {
            share /= 10;
            total += i128::from(digit - b'0') * share;
        }
        rest = behind;
    }
    let total = i64::try_from(total / 1000).ok()?;
    span_in_range(if negative { -total } else { total })
}

/// Seconds east of UTC: `UTC`, `+02:00`, `-05:30`. Names of places need a database that is not here.
pub(super) fn zone(text: &str) -> Option<i64> {
    match text {
        "UTC" | "Z" | "GMT" | "Etc/UTC" => Some(0),
        _ => offset(text).or_else(|| offset(&format!("+{text}"))),
    }
}

/// A timestamp in UTC.
pub(super) fn show_time(time: i64) -> String {
    let (year, month, day) = civil(time.div_euclid(DAY));
    let part = |part: Part| part.of_time(time, 0);
    let (hours, minutes, seconds) = (part(Part::Hours), part(Part::Minutes), part(Part::Seconds));
    let fraction = fraction(time.rem_euclid(SECOND));
    format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}{fraction}Z")
}

/// A duration in seconds.
pub(super) fn show_span(span: i64) -> String {
    let sign = if span < 0 { "-" } else { "" };
    let span = span.unsigned_abs() as i64;
    format!("{sign}{}{}s", span / SECOND, fraction(span % SECOND))
}

fn fraction(micros: i64) -> String {
    if micros == 0 {
        return String::new();
    }
    format!(".{micros:06}").trim_end_matches('0').to_owned()
}

fn offset(zone: &str) -> Option<i64> {
    let (sign, rest) = zone.split_at_checked(1)?;
    let (hours, minutes) = rest.split_once(':')?;
    let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
    let seconds = (hours < 24 && minutes < 60).then_some(hours * 3600 + minutes * 60)?;
    match sign {
        "+" => Some(seconds),
        "-" => Some(-seconds),
        _ => None,
    }
}

fn micros(fraction: &str) -> Option<i64> {
    let mut value = 0;
    for place in 0..6 {
        let digit = fraction.as_bytes().get(place).map_or(0, |digit| digit - b'0');
        value = value * 10 + i64::from(digit);
    }
    (!fraction.is_empty() && fraction.len() <= 9).then_some(value)
}

fn digits(text: &str, length: usize) -> Option<i64> {
    (text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

fn days_in(year: i64, month: i64) -> i64 {
    let next = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    days_from_civil(next.0, next.1, 1) - days_from_civil(year, month, 1)
}

/// Days since 1970-01-01 of a date of the proleptic Gregorian calendar. Years are counted from March here: the
/// leap day comes last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month and day of a day since 1970-01-01.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + i64::from(month <= 2), month, day)
}

/// Units of durations, in nanoseconds.
const UNITS: [(&str, i64); 7] = [
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1000),
    ("µs", 1000),
    ("ns", 1),
];

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;
/// 0001-01-01T00:00:00Z
const MIN_TIME: i64 = -62_135_596_800 * SECOND;
/// 9999-12-31T23:59:59.999999Z
const MAX_TIME: i64 = 253_402_300_800 * SECOND - 1;
/// Of a duration: what other implementations can count in nanoseconds, about 292 years.
const MAX_SPAN: i64 = i64::MAX / 1000;
