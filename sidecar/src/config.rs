//! Loading a configuration as the filter does: from YAML or JSON, built for one environment, with errors that lead to
//! the line.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use portcullis_engine::config::ConfigError;
use portcullis_engine::firewall::Firewall;

use crate::failure::Failure;
use crate::source::{self, Node, Refused};

/// What a source file is built into.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Environment {
    /// Build for this one of the file's `environments`
    #[arg(long, value_name = "NAME", visible_alias = "environment")]
    pub(crate) env: Option<String>,
    /// Merge this file over the policy; may be repeated
    #[arg(long, value_name = "FILE")]
    pub(crate) overlay: Vec<PathBuf>,
}

/// A configuration that the filter takes.
#[derive(Debug)]
pub(crate) struct Built {
    /// As it is built, without environments.
    pub(crate) node: Node,
    pub(crate) firewall: Firewall,
}

/// Loads a configuration that a command needs, and that has no environments.
pub(crate) fn load(path: &Path) -> Result<Firewall, Failure> {
    Ok(build(path, &Environment::default())?.firewall)
}

/// Loads a configuration that a command needs.
pub(crate) fn build(path: &Path, environment: &Environment) -> Result<Built, Failure> {
    Ok(try_build(path, environment)??)
}

/// Loads a configuration. The inner error is one that the filter would refuse, or that cannot be built.
pub(crate) fn try_build(path: &Path, environment: &Environment) -> Result<Result<Built, Refused>, Failure> {
    Ok(read(path, environment)?.and_then(compile))
}

/// The same with as many mistakes as can be told apart, in the order in which they are found.
pub(crate) fn try_build_all(path: &Path, environment: &Environment) -> Result<Result<Built, Vec<Refused>>, Failure> {
    let mut node = match read(path, environment)? {
        Ok(node) => node,
        Err(refused) => return Ok(Err(vec![refused])),
    };
    let mut mistakes: Vec<Refused> = Vec::new();
    loop {
        let refused = match compile(node.clone()) {
            Ok(built) if mistakes.is_empty() => return Ok(Ok(built)),
            Ok(_) => return Ok(Err(mistakes)),
            Err(refused) => refused,
        };
        let known = mistakes.iter().any(|mistake| mistake.error == refused.error);
        let without = without(&node, &refused.error.pointer);
        if !known {
            mistakes.push(refused);
        }
        match without {
            Some(without) if !known && mistakes.len() < MAX_MISTAKES => node = without,
            _ => return Ok(Err(mistakes)),
        }
    }
}

/// The configuration without the mistake at `pointer`, so that the next one is seen: a rule gives way to one that is
/// off, a setting is left out. `None` where others refer to what would be missing.
fn without(node: &Node, pointer: &str) -> Option<Node> {
    let mut tokens = pointer.split('/').skip(1);
    let first = tokens.next().filter(|first| !first.is_empty())?;
    let mut node = node.clone();
    if first == "rules" {
        let index: usize = tokens.next()?.parse().ok()?;
        let mut rules = node.get("rules")?.elements().to_vec();
        let off =
            [("id", Node::from(format!("mistake {index}"))), ("mode", "disabled".into()), ("action", "deny".into())];
        *rules.get_mut(index)? = Node::object(off);
        node.set("rules", Node::array(rules));
        return Some(node);
    }
    // Rules name servers; without a version nothing is read.
    if ["servers", "version"].contains(&first) {
        return None;
    }
    node.take(first).map(|_| node)
}

fn read(path: &Path, environment: &Environment) -> Result<Result<Node, Refused>, Failure> {
    let source = match source::read(path)? {
        Ok(source) => source,
        Err(refused) => return Ok(Err(refused)),
    };
    let mut overlays = Vec::new();
    for file in &environment.overlay {
        match source::read(file)? {
            Ok(overlay) => overlays.push(overlay),
            Err(refused) => return Ok(Err(refused)),
        }
    }
    Ok(assemble(source, environment.env.as_deref(), &overlays))
}

/// The names of the environments of a source file; none for one without.
pub(crate) fn environments(path: &Path) -> Result<Result<Vec<String>, Refused>, Failure> {
    let source = source::read(path)?;
    Ok(source.and_then(|mut source| {
        let all = source::environments(&mut source)?;
        Ok(all.into_iter().map(|(name, _)| name).collect())
    }))
}

/// The configuration of one environment: the base, what is different there, then the overlays.
pub(crate) fn assemble(mut source: Node, environment: Option<&str>, overlays: &[Node]) -> Result<Node, Refused> {
    let environments = source::environments(&mut source)?;
    let names = || environments.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
    match environment {
        // The base alone may be laxer than any environment is meant to be.
        None if !environments.is_empty() => {
            let message = format!("the file has environments; choose one with --env: {}", names());
            return Err(Refused::at(&source, "", message));
        }
        None => {}
        Some(wanted) => {
            let Some((_, overlay)) = environments.iter().find(|(name, _)| name == wanted) else {
                let known = if environments.is_empty() { "none".to_owned() } else { names() };
                return Err(Refused::at(&source, "", format!("no environment `{wanted}`; the file has {known}")));
            };
            source::merge(&mut source, overlay, "")?;
            if source.get("environment").is_none() {
                source.set("environment", wanted.into());
            }
        }
    }
    for overlay in overlays {
        source::merge(&mut source, overlay, "")?;
    }
    Ok(source)
}

/// Compiles what the filter would be given.
pub(crate) fn compile(node: Node) -> Result<Built, Refused> {
    // The key matters to hashes in audit records only, and none is written here.
    match Firewall::from_json(node.to_json().as_bytes(), [0; 32]) {
        Ok(firewall) => Ok(Built { node, firewall }),
        Err(error) => Err(locate(&node, error)),
    }
}

/// Finds the line of a mistake.
fn locate(node: &Node, error: ConfigError) -> Refused {
    let at = node.nearest(&error.pointer);
    let file = |node: &Node| node.place.as_ref().map(|place| Arc::clone(&place.file));
    let file = file(at).or_else(|| file(node)).unwrap_or_else(|| Arc::from(Path::new("-")));
    let position = at.place.as_ref().filter(|_| !error.pointer.is_empty()).map(|place| (place.line, place.column));
    Refused { file, position, error }
}

/// Most mistakes that are told at once.
const MAX_MISTAKES: usize = 20;
