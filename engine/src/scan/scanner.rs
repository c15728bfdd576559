//! The compiled scanners and their one pass over a text.

use super::{Context, Finding, Located, ScanConfigError, ScannersConfig};
use crate::json::Value;

/// All scanners of a configuration, compiled: shared by every message.
#[derive(Debug)]
pub struct Scanners {}

impl Scanners {
    /// Compiles the scanners of a configuration.
    ///
    /// # Errors
    /// [`ScanConfigError`] names the place in the configuration: an unknown rule id, a bad pattern.
    pub fn compile(_config: &ScannersConfig) -> Result<Self, ScanConfigError> {
        Ok(Self {})
    }

    /// True if no scanner is on: nothing needs to be scanned.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        true
    }

    /// Scans one text and appends what was found, in the order of the text and without overlaps.
    pub fn scan_text(&self, _context: Context, _text: &str, _out: &mut Vec<Finding>) {}

    /// Scans every string and key within `value` and appends what was found, in the order of the text.
    pub fn scan_value<'d>(&self, _context: Context, _value: Value<'d>, _out: &mut Vec<Located<'d>>) {}
}
