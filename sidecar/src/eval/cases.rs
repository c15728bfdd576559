//! Reading labelled cases: JSON lines, compressed with xz or not.

use std::io::Read;
use std::path::Path;

use lzma_rust2::XzReader;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::failure::Failure;
use crate::input;

/// One labelled case.
pub(super) struct Case {
    pub(super) id: String,
    pub(super) scanner: String,
    pub(super) label: Label,
    pub(super) direction: Direction,
    pub(super) content: Content,
    pub(super) tool: Option<String>,
    pub(super) source: String,
}

/// What travels.
pub(super) enum Content {
    Text(String),
    /// A JSON object, as it was written.
    Args(String),
}

impl Content {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Text(text) | Self::Args(text) => text.len(),
        }
    }
}

/// Whether the scanner must find something.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Label {
    Attack,
    Benign,
}

/// Where it travels.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Direction {
    Request,
    Response,
    ToolDescription,
}

/// All cases of a file.
pub(super) fn read(path: &Path) -> Result<Vec<Case>, Failure> {
    let mut bytes = input::read(path)?;
    if bytes.starts_with(XZ_MAGIC) {
        let mut plain = Vec::new();
        let mut reader = XzReader::new(bytes.as_slice(), true);
        reader.read_to_end(&mut plain).map_err(|error| Failure::file(path, format!("no valid xz file: {error}")))?;
        bytes = plain;
    }
    let text = String::from_utf8(bytes).map_err(|error| Failure::file(path, error))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(index, line)| case(line).map_err(|error| Failure::file(path, format!("line {}: {error}", index + 1))))
        .collect()
}

fn case(line: &str) -> Result<Case, String> {
    let record: Record<'_> = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let content = match (record.text, record.args) {
        (Some(text), None) => Content::Text(text),
        (None, Some(args)) => Content::Args(args.get().to_owned()),
        _ => return Err("a case has either `text` or `args`".to_owned()),
    };
    Ok(Case {
        id: record.id,
        scanner: record.scanner,
        label: record.label,
        direction: record.direction,
        content,
        tool: record.tool,
        source: record.source.unwrap_or_else(|| "-".to_owned()),
    })
}

#[derive(Deserialize)]
struct Record<'a> {
    id: String,
    scanner: String,
    label: Label,
    direction: Direction,
    text: Option<String>,
    #[serde(borrow)]
    args: Option<&'a RawValue>,
    tool: Option<String>,
    source: Option<String>,
}

/// The header of the .xz file format (xz-file-format section 2.1.1.1).
const XZ_MAGIC: &[u8] = b"\xfd7zXZ\0";
