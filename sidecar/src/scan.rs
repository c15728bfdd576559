//! `portcullis scan`: what the scanners find in a text.

use std::path::PathBuf;

use clap::ValueEnum;
use portcullis_engine::json::{Document, Edits, Limits};
use portcullis_engine::scan::{Context, Direction, Finding, Scanners, Surface};
use serde_json::json;

use crate::failure::Failure;
use crate::{Report, config, input, style};

/// What to scan and how.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  portcullis scan notes.txt
  portcullis scan --direction request arguments.json
  some-command | portcullis scan --redact

A text that is one strict JSON value is scanned string by string, as the filter does; anything else as text.

Exit codes: 0 nothing was found (or all of it is redacted), 1 something was found, 2 unreadable input")]
pub(crate) struct Args {
    /// The file to scan; standard input without it or for `-`
    #[arg(default_value = "-", value_name = "FILE")]
    file: PathBuf,
    /// Which way the text would travel
    #[arg(long, value_enum, default_value_t = Way::Response)]
    direction: Way,
    /// Where in a message it would stand; `arguments` for requests and `result` for responses by default
    #[arg(long, value_enum)]
    surface: Option<Place>,
    /// Take the scanners of this configuration; all built-in ones by default
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print the text with everything found replaced by placeholders
    #[arg(long)]
    redact: bool,
    /// Print the findings as JSON
    #[arg(long, conflicts_with = "redact")]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Way {
    Request,
    Response,
}

#[derive(Clone, Copy, ValueEnum)]
enum Place {
    Arguments,
    ClientResult,
    Header,
    Description,
    Result,
    Error,
    Notification,
    ServerRequest,
    Stream,
}

pub(crate) fn run(args: &Args) -> Result<Report, Failure> {
    let loaded = match &args.config {
        Some(file) => config::load(file)?.scanners,
        None => Scanners::compile(&portcullis_engine::scan::ScannersConfig::default())
            .map_err(|error| Failure::new(error.to_string()))?,
    };
    let bytes = input::read(&args.file)?;
    let context = args.context();
    let limits = Limits { max_bytes: usize::MAX, ..Limits::default() };
    let scanned = match Document::parse(&bytes, &limits) {
        Ok(document) => scan_json(&loaded, context, &document),
        Err(_) => scan_text(&loaded, context, &String::from_utf8_lossy(&bytes)),
    };
    if args.redact {
        return Ok(Report::new(scanned.redacted, false));
    }
    let found = !scanned.places.is_empty();
    if args.json {
        let all: Vec<serde_json::Value> = scanned.places.iter().map(describe).collect();
        return Report::json(&all, found);
    }
    let name = if args.file.as_os_str() == "-" { "<stdin>".to_owned() } else { args.file.display().to_string() };
    let style = style::stdout();
    let mut text = String::new();
    for (place, finding) in &scanned.places {
        let place = match place {
            At::Line(line, column) => format!("{name}:{line}:{column}"),
            At::Pointer(pointer) => format!("{name}#{pointer}"),
        };
        let rule = style.bold(&format!("{}/{}", finding.scanner, finding.rule));
        text += &format!("{place}: {rule} ({}, {})\n", word(&finding.severity), word(&finding.action));
    }
    Ok(Report::new(text, found))
}

impl Args {
    fn context(&self) -> Context {
        let direction = match self.direction {
            Way::Request => Direction::Request,
            Way::Response => Direction::Response,
        };
        let surface = match (self.surface, self.direction) {
            (Some(Place::Arguments), _) | (None, Way::Request) => Surface::Arguments,
            (Some(Place::Result), _) | (None, Way::Response) => Surface::Result,
            (Some(Place::ClientResult), _) => Surface::ClientResult,
            (Some(Place::Header), _) => Surface::Header,
            (Some(Place::Description), _) => Surface::Description,
            (Some(Place::Error), _) => Surface::Error,
            (Some(Place::Notification), _) => Surface::Notification,
            (Some(Place::ServerRequest), _) => Surface::ServerRequest,
            (Some(Place::Stream), _) => Surface::Stream,
        };
        Context { direction, surface }
    }
}

/// What was found, and the text without it.
struct Scanned {
    places: Vec<(At, Finding)>,
    redacted: Vec<u8>,
}

enum At {
    Line(usize, usize),
    Pointer(String),
}

fn scan_json(scanners: &Scanners, context: Context, document: &Document<'_>) -> Scanned {
    let mut located = Vec::new();
    scanners.scan_value(context, document.root(), &mut located);
    let mut edits = Edits::default();
    located.iter().for_each(|found| found.redact(&mut edits));
    let redacted = edits.apply(document.text().as_bytes());
    let places = located.into_iter().map(|found| (At::Pointer(found.location()), found.finding)).collect();
    Scanned { places, redacted }
}

fn scan_text(scanners: &Scanners, context: Context, text: &str) -> Scanned {
    let mut findings = Vec::new();
    scanners.scan_text(context, text, &mut findings);
    let mut redacted = text.to_owned();
    for finding in findings.iter().rev() {
        redacted.replace_range(finding.range.clone(), &finding.placeholder);
    }
    let at = |finding: &Finding| {
        let (line, column) = input::position(text, finding.range.start);
        At::Line(line, column)
    };
    Scanned { places: findings.into_iter().map(|f| (at(&f), f)).collect(), redacted: redacted.into_bytes() }
}

fn describe((place, finding): &(At, Finding)) -> serde_json::Value {
    let (line, column, pointer) = match place {
        At::Line(line, column) => (Some(line), Some(column), None),
        At::Pointer(pointer) => (None, None, Some(pointer)),
    };
    json!({
        "scanner": finding.scanner,
        "rule": &*finding.rule,
        "severity": finding.severity,
        "action": finding.action,
        "line": line,
        "column": column,
        "pointer": pointer,
    })
}

fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}
