//! Documents in YAML or JSON: one tree, in which every value knows the file and the line it stands in.
//!
//! Policies, test cases and the formats of other products are read through this. The filter itself reads strict JSON
//! only, and what [`Node::to_json`] writes is what it would be given.

mod emit;
mod json;
mod node;
mod overlay;
mod yaml;

use std::path::Path;
use std::sync::Arc;

use portcullis_engine::config::{ConfigError, MAX_CONFIG_BYTES};

use crate::failure::Failure;
use crate::input;

pub(crate) use node::{Node, Place, Value, pointer_token};
pub(crate) use overlay::{environments, merge};

/// Reads a document. By its ending a file is JSON (`.json`) or YAML (`.yaml`, `.yml`); anything else is JSON where it
/// begins with a brace or bracket.
pub(crate) fn read(path: &Path) -> Result<Result<Node, Refused>, Failure> {
    Ok(parse(path, &input::read(path)?))
}

/// The same for bytes that were read from `path`.
pub(crate) fn parse(path: &Path, bytes: &[u8]) -> Result<Node, Refused> {
    let file: Arc<Path> = Arc::from(path);
    if bytes.len() > MAX_CONFIG_BYTES {
        let message = format!("is larger than {MAX_CONFIG_BYTES} bytes");
        return Err(Refused { file, position: None, error: error("", message) });
    }
    if is_json(path, bytes) { json::parse(&file, bytes) } else { yaml::parse(&file, bytes) }
}

/// A document that is refused, and where it is wrong.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) file: Arc<Path>,
    /// Line and column, both from 1, where the place is known.
    pub(crate) position: Option<(usize, usize)>,
    pub(crate) error: ConfigError,
}

impl Refused {
    /// A mistake at this value.
    pub(crate) fn at(node: &Node, pointer: &str, message: impl Into<String>) -> Self {
        let file = node.place.as_ref().map_or_else(|| Arc::from(Path::new("-")), |place| Arc::clone(&place.file));
        let position = node.place.as_ref().map(|place| (place.line, place.column));
        Self { file, position, error: error(pointer, message) }
    }
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some((line, column)) = self.position {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.error)
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        Self::new(refused.to_string())
    }
}

fn error(pointer: &str, message: impl Into<String>) -> ConfigError {
    ConfigError { pointer: pointer.to_owned(), message: message.into(), remedy: None }
}

fn is_json(path: &Path, bytes: &[u8]) -> bool {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("json") => true,
        Some("yaml" | "yml") => false,
        _ => bytes.trim_ascii_start().first().is_none_or(|first| b"{[".contains(first)),
    }
}
