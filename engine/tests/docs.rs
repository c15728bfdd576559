//! Every whole configuration in the documents loads and compiles.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may")]

use std::path::{Path, PathBuf};

use portcullis_engine::policy::Policy;

#[test]
fn configurations_in_the_documents_compile() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned();
    let mut files: Vec<PathBuf> = std::fs::read_dir(root.join("docs")).unwrap().map(|e| e.unwrap().path()).collect();
    files.push(root.join("README.md"));
    let mut compiled = 0;
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "md")) {
        let Ok(text) = std::fs::read_to_string(file) else { continue };
        for (line, block) in json_blocks(&text) {
            if !block.contains("\"version\": \"1\"") {
                continue;
            }
            compiled += 1;
            if let Err(error) = Policy::from_json(block.as_bytes()) {
                panic!("{} line {line}: {error}", file.display());
            }
        }
    }
    assert!(compiled >= 8, "only {compiled} configurations found");
}

/// The fenced blocks marked `json`, with the line on which they begin.
fn json_blocks(text: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (line, content) in text.lines().enumerate() {
        match (&mut open, content.trim()) {
            (None, "```json") => open = Some((line + 1, String::new())),
            (Some(_), "```") => blocks.extend(open.take()),
            (Some((_, block)), _) => {
                block.push_str(content);
                block.push('\n');
            }
            (None, _) => {}
        }
    }
    blocks
}
