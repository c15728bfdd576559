//! The numbers that a path leads to, added up.

use super::number::Decimal;
use super::path::{Leaf, Lookups, Numbers, Path};
use crate::config::ConfigError;
use crate::json::{Kind, Value};

/// A path to numbers.
#[derive(Debug)]
pub(crate) struct Sum {
    path: Path,
    numbers: Numbers,
}

impl Sum {
    /// Compiles the path `text`, which stands at `at` (a JSON Pointer) in the configuration.
    ///
    /// # Errors
    /// It is no path.
    pub(crate) fn compile(text: &str, at: &str) -> Result<Self, ConfigError> {
        let path = Path::parse(text).map_err(|problem| problem.at(at))?;
        let mut numbers = Numbers::default();
        numbers.path(&path);
        Ok(Self { path, numbers })
    }

    /// The sum in units of 10^-`places`, each number rounded up; the largest `u64` stands for anything
    /// more. `None` where a value is missing, negative, no number, or read differently by different servers.
    pub(crate) fn of(&self, arguments: Option<Value<'_>>, places: u8) -> Option<u64> {
        let lookups = Lookups::new(arguments, &self.numbers);
        let mut sum = 0_u64;
        for leaf in lookups.find(&self.path, 0) {
            let Leaf::Found(value) = leaf else { return None };
            if value.kind() != Kind::Number {
                return None;
            }
            let number = Decimal::parse(value.raw())?;
            if number.is_negative() {
                return None;
            }
            sum = sum.saturating_add(number.units(places).unwrap_or(u64::MAX));
        }
        Some(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::Sum;
    use crate::json::{Document, Limits};

    #[test]
    fn adds_what_can_be_added() {
        for (path, arguments, sum) in [
            ("amount", r#"{"amount": 0.1}"#, Some(100)),
            ("amount", r#"{"amount": 0.10001}"#, Some(101)),
            ("amount", r#"{"amount": 1e300}"#, Some(u64::MAX)),
            ("items[*].n", r#"{"items": [{"n": 1}, {"n": 2.5}]}"#, Some(3500)),
            ("items[*].n", r#"{"items": [{"n": 1}, {}]}"#, None),
            ("items[*].n", r#"{"items": []}"#, None),
            ("amount", r#"{"amount": -1}"#, None),
            ("amount", r#"{"amount": "1"}"#, None),
            ("amount", r#"{"amount": 1, "Amount": 2}"#, None),
            ("amount", r#"{"amount": 1e999}"#, None),
            ("amount", "{}", None),
        ] {
            let document = Document::parse(arguments.as_bytes(), &Limits::default()).unwrap();
            assert_eq!(Sum::compile(path, "").unwrap().of(Some(document.root()), 3), sum, "{path} {arguments}");
        }
        assert_eq!(Sum::compile("amount", "").unwrap().of(None, 3), None);
    }
}
