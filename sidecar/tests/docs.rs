//! Every policy and every case in the documents is what it says it is.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{file, repository, run};

/// A block with `version` is a policy that the filter takes; a block with `cases` holds on the policy before it, or on
/// its own.
#[test]
fn examples_are_executed() {
    let mut documents = vec![PathBuf::from(repository("README.md"))];
    collect(Path::new(&repository("docs")), &mut documents);
    documents.sort();
    let (mut policies, mut suites) = (0, 0);
    for document in documents {
        let text = fs::read_to_string(&document).unwrap();
        let mut policy = None;
        for block in blocks(&text) {
            let place = format!("{} line {}", document.display(), block.line);
            let path = file(&format!("docs-{}-{policies}-{suites}.{}", block.line, block.language), &block.text);
            if is_suite(&block.text) {
                suites += 1;
                let mut args = vec!["policy", "test", &path];
                if !block.text.lines().any(|line| line.starts_with("policy:")) {
                    args.extend([
                        "--policy",
                        policy.as_deref().unwrap_or_else(|| panic!("{place}: no policy before it")),
                    ]);
                }
                let ran = run(&args, "");
                assert_eq!(ran.code, 0, "{place}: {}{}", ran.out, ran.err);
            } else if is_policy(&block) {
                policies += 1;
                let ran = run(&["policy", "check", &path], "");
                assert_eq!(ran.code, 0, "{place}: {}{}", ran.out, ran.err);
                policy = Some(path);
            }
        }
    }
    assert!(policies >= 10, "only {policies} policies found");
    assert!(suites >= 6, "only {suites} suites of cases found");
}

struct Block {
    language: String,
    /// Of its first line, from 1.
    line: usize,
    text: String,
}

fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (index, line) in text.lines().enumerate() {
        match (&mut open, line.trim()) {
            (None, fence @ ("```json" | "```yaml")) => {
                open = Some(Block {
                    language: fence.trim_start_matches('`').to_owned(),
                    line: index + 2,
                    text: String::new(),
                });
            }
            (Some(_), "```") => blocks.extend(open.take()),
            (Some(block), _) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, _) => {}
        }
    }
    blocks
}

/// A whole policy, not a resource around one.
fn is_policy(block: &Block) -> bool {
    match block.language.as_str() {
        "json" => block.text.contains("\"version\": \"1\""),
        _ => block.text.lines().any(|line| line == "version: \"1\""),
    }
}

fn is_suite(text: &str) -> bool {
    text.lines().any(|line| line == "cases:")
}

fn collect(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            into.push(path);
        }
    }
}
