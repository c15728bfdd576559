//! `portcullis policy build`: from what people write to what the filter reads.

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use crate::config::{self, Environment};
use crate::failure::Failure;

use crate::{Report, input};

/// What to build and in which form.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  portcullis policy build policy.yaml > plugin.json
  portcullis policy build policy.yaml --env production --overlay cluster-a.yaml
  portcullis policy build policy.yaml --env production --format envoyfilter --into k8s/envoyfilter.yaml > filter.yaml
  portcullis policy build policy.yaml --format wasmplugin | kubectl apply -f -

plugin        the filter's configuration, JSON
yaml          the same as YAML
wasmplugin    Istio's WasmPlugin
envoyfilter   Istio's EnvoyFilter

With --into the policy is put into an existing resource of that form, in place of the one it has; everything
else in the file stays as it is. Without it the resource is the smallest that works: fill in what is yours.

Exit codes: 0 built, 2 the policy is refused or cannot be read")]
pub(crate) struct Args {
    /// The policy in YAML or JSON; `-` reads standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    environment: Environment,
    /// What to write
    #[arg(long, value_enum, default_value_t = Format::Plugin)]
    format: Format,
    /// An existing resource to put the policy into
    #[arg(long, value_name = "FILE")]
    into: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Plugin,
    Yaml,
    Envoyfilter,
    Wasmplugin,
}

pub(super) fn run(args: &Args) -> Result<Report, Failure> {
    let policy = config::build(&args.file, &args.environment)?.node;
    let text = match (args.format, &args.into) {
        (Format::Plugin | Format::Yaml, Some(_)) => {
            return Err(Failure::new("--into needs --format envoyfilter or wasmplugin"));
        }
        (Format::Plugin, None) => policy.to_pretty_json(),
        (Format::Yaml, None) => policy.to_yaml(),
        (Format::Wasmplugin, into) => {
            let resource = template(into.as_deref(), WASM_PLUGIN)?;
            replace(&resource, "pluginConfig:", Block::Mapping, &policy.to_yaml())?
        }
        (Format::Envoyfilter, into) => {
            let resource = template(into.as_deref(), ENVOY_FILTER)?;
            replace(&resource, "value: |", Block::Literal, &policy.to_pretty_json())?
        }
    };
    Ok(Report::new(text, false))
}

fn template(into: Option<&Path>, default: &str) -> Result<String, Failure> {
    match into {
        Some(file) => String::from_utf8(input::read(file)?).map_err(|_| Failure::file(file, "is no UTF-8 text")),
        None => Ok(default.to_owned()),
    }
}

/// How a policy stands below its key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Block {
    /// As members.
    Mapping,
    /// As the text of a literal block.
    Literal,
}

/// Puts a text in place of the lines below the one line that is this key, and leaves every other line as it is: a
/// resource has comments that a YAML library would lose.
fn replace(resource: &str, key: &str, block: Block, text: &str) -> Result<String, Failure> {
    let is_place = |lines: &[&str], index: usize| {
        let Some(line) = lines.get(index) else { return false };
        // The literal block of a plugin configuration follows its type; other literal blocks of the file do not.
        let before = index.checked_sub(1).and_then(|before| lines.get(before)).map_or("", |line| line.trim());
        line.trim() == key && (block == Block::Mapping || before.contains("google.protobuf.StringValue"))
    };
    let lines: Vec<&str> = resource.lines().collect();
    let places: Vec<usize> = (0..lines.len()).filter(|index| is_place(&lines, *index)).collect();
    let [place] = places.as_slice() else {
        let message = format!("the resource has {} places for a policy (`{key}`), it must have one", places.len());
        return Err(Failure::new(message));
    };
    let indent = |line: &str| line.len() - line.trim_start().len();
    let margin = lines.get(*place).map_or(0, |line| indent(line));
    let old = lines.iter().skip(place + 1).take_while(|line| line.trim().is_empty() || indent(line) > margin).count();
    let mut out = String::new();
    for line in lines.iter().take(place + 1) {
        out += &format!("{line}\n");
    }
    for line in text.lines() {
        out += &format!("{}{line}\n", " ".repeat(margin + 2));
    }
    for line in lines.iter().skip(place + 1 + old) {
        out += &format!("{line}\n");
    }
    Ok(out)
}

/// Istio's resource, with the image and labels to be filled in.
const WASM_PLUGIN: &str = include_str!("wasmplugin.yaml");
/// The same for the Envoy filter that can hold bodies back, which a WasmPlugin cannot say.
const ENVOY_FILTER: &str = include_str!("envoyfilter.yaml");
