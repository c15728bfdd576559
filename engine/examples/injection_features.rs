//! Features of texts for training the learned tier of the injection scanner.
//!
//! Reads JSON lines `{"text": "…", "surface": "request|result|description"}` from standard input and
//! writes one line of JSON for each: a list of passages, each a list of feature numbers.

use std::io::{BufRead, Write};

use portcullis_engine::scan::detect::Input;
use portcullis_engine::scan::{Context, Direction, Surface, injection};

#[derive(serde::Deserialize)]
struct Line {
    text: String,
    surface: String,
}

fn main() -> std::io::Result<()> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for line in std::io::stdin().lock().lines() {
        let line: Line = serde_json::from_str(&line?)?;
        let (direction, surface) = match line.surface.as_str() {
            "request" => (Direction::Request, Surface::Arguments),
            "description" => (Direction::Response, Surface::Description),
            _ => (Direction::Response, Surface::Result),
        };
        let input = Input {
            text: &line.text,
            member: None,
            tool: None,
            context: Context { direction, surface },
            role: None,
            parsed: None,
        };
        serde_json::to_writer(&mut out, &injection::training_features(&input))?;
        out.write_all(b"\n")?;
    }
    out.flush()
}
