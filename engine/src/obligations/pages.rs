//! Page loops: how many pages behind the first one a caller asks for.

use crate::config::ConfigError;
use crate::json::{Kind, Value};
use crate::state::{Change, Table, Unavailable};

/// So many pages in so long a time, counted from the first of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pages {
    most: u32,
    window_us: u64,
}

impl Pages {
    /// Reads `"20/hour"` or `"100/15m"`.
    ///
    /// # Errors
    /// Anything else.
    pub(super) fn compile(text: &str, at: &str) -> Result<Self, ConfigError> {
        rate(text).ok_or_else(|| {
            ConfigError::new(at, "is no number of pages in a time")
                .remedy("write it as `20/hour`, `5/minute` or `100/15m`")
        })
    }

    /// Counts one page of `key`; the seconds to wait where there were too many.
    ///
    /// # Errors
    /// [`Unavailable`] if it could not be counted.
    pub(crate) fn count(&self, table: &Table<'_>, key: &[u8], now_us: u64) -> Result<Option<u64>, Unavailable> {
        let outcome = table.update(key, now_us, |old| {
            let (began, count) = match old.map(decode) {
                None => (now_us, 0),
                Some(Some((began, count))) if now_us < began.saturating_add(self.window_us) => (began, count),
                Some(Some(_)) => (now_us, 0),
                Some(None) => return (Change::Keep, Err(Unavailable)),
            };
            let ends = began.saturating_add(self.window_us);
            if count >= self.most {
                return (Change::Keep, Ok(Some(ends.saturating_sub(now_us).div_ceil(1_000_000))));
            }
            (Change::Set(encode(began, count + 1), ends), Ok(None))
        });
        outcome?
    }
}

/// Whether a call asks for a page behind the first one.
pub(crate) fn continues(params: Option<Value<'_>>, arguments: Option<Value<'_>>) -> bool {
    let cursor = params.and_then(|params| params.get("cursor"));
    if cursor.is_some_and(|cursor| cursor.kind() != Kind::Null) {
        return true;
    }
    arguments.is_some_and(|arguments| {
        arguments.members().any(|(key, value)| key.as_str().is_some_and(|key| is_page(&key, value)))
    })
}

/// Whether an argument leads behind the first page.
fn is_page(key: &str, value: Value<'_>) -> bool {
    let key: String = key.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase();
    let number = || match value.kind() {
        Kind::String => value.as_str().and_then(|text| text.trim().parse::<f64>().ok()),
        _ => value.as_f64(),
    };
    let empty = value.kind() == Kind::Null || value.is_str("");
    if NUMBERED.contains(&key.as_str()) {
        // What is no number may well be a page.
        let first = if key.starts_with("page") || key == "p" { 1.0 } else { 0.0 };
        return !empty && number().is_none_or(|number| number > first);
    }
    !empty && TOKENS.contains(&key.as_str())
}

fn encode(began: u64, count: u32) -> Vec<u8> {
    let mut out = vec![VERSION];
    out.extend_from_slice(&began.to_le_bytes());
    out.extend_from_slice(&count.to_le_bytes());
    out
}

fn decode(bytes: &[u8]) -> Option<(u64, u32)> {
    let (version, rest) = bytes.split_first()?;
    let (began, rest) = rest.split_first_chunk::<8>()?;
    let count: [u8; 4] = rest.try_into().ok()?;
    (*version == VERSION).then(|| (u64::from_le_bytes(*began), u32::from_le_bytes(count)))
}

fn rate(text: &str) -> Option<Pages> {
    let (count, time) = text.split_once('/')?;
    let digits = time.find(|c: char| !c.is_ascii_digit()).unwrap_or(time.len());
    let (factor, unit) = time.split_at_checked(digits)?;
    let factor: u64 = if factor.is_empty() { 1 } else { factor.parse().ok()? };
    let seconds = match unit {
        "s" | "second" => 1,
        "m" | "minute" => 60,
        "h" | "hour" => 3600,
        "d" | "day" => 86_400,
        _ => return None,
    };
    let window_us = factor.checked_mul(seconds)?.checked_mul(1_000_000)?;
    let most = count.trim().parse().ok()?;
    (window_us > 0 && window_us <= MAX_WINDOW_US).then_some(Pages { most, window_us })
}

/// Arguments that number pages or rows.
const NUMBERED: [&str; 9] = ["page", "pagenumber", "pageindex", "pageno", "p", "offset", "skip", "start", "startindex"];

/// Arguments that hold what the last page said leads to the next.
const TOKENS: [&str; 12] = [
    "cursor",
    "nextcursor",
    "after",
    "startafter",
    "pagetoken",
    "nextpagetoken",
    "nexttoken",
    "continuation",
    "continuationtoken",
    "bookmark",
    "marker",
    "scrollid",
];

/// First byte of an entry: its form.
const VERSION: u8 = 1;
/// Longest time counted over: 31 days.
const MAX_WINDOW_US: u64 = 31 * 86_400_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Document, Limits};
    use crate::state::MemoryStore;

    #[test]
    fn rates() {
        for (text, expected) in [
            ("20/hour", Some((20, 3600))),
            ("100/15m", Some((100, 900))),
            ("0/day", Some((0, 86_400))),
            ("5/minute", Some((5, 60))),
            ("5", None),
            ("5/", None),
            ("-5/minute", None),
            ("5/0s", None),
            ("5/99d", None),
        ] {
            let pages = rate(text).map(|pages| (pages.most, pages.window_us / 1_000_000));
            assert_eq!(pages, expected, "{text}");
        }
    }

    #[test]
    fn pages_behind_the_first() {
        for (arguments, expected) in [
            (r#"{"q":"x"}"#, false),
            (r#"{"page":1}"#, false),
            (r#"{"page":2}"#, true),
            (r#"{"pageToken":"abc"}"#, true),
            (r#"{"page_token":""}"#, false),
            (r#"{"offset":0}"#, false),
            (r#"{"offset":"100"}"#, true),
            (r#"{"cursor":null}"#, false),
            (r#"{"after":"x"}"#, true),
        ] {
            let document = Document::parse(arguments.as_bytes(), &Limits::default()).unwrap();
            assert_eq!(continues(None, Some(document.root())), expected, "{arguments}");
        }
    }

    #[test]
    fn counts_until_the_window_ends() {
        let store = MemoryStore::default();
        let table = Table::new(&store, "pages");
        let pages = rate("2/minute").unwrap();
        let count = |now_s: u64| pages.count(&table, b"k", now_s * 1_000_000).unwrap();
        assert_eq!([count(1), count(2), count(3), count(60)], [None, None, Some(58), Some(1)]);
        assert_eq!([count(61), count(62), count(63)], [None, None, Some(58)]);
    }
}
