//! `portcullis policy diff`: what is different between two policies, as the filter reads them.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::cases::{self, Bench, Expect};
use crate::config::{self, Built, Environment};
use crate::failure::Failure;
use crate::source::{self, Node, Value, pointer_token};
use crate::style::Style;
use crate::{Report, style};

/// Which policies, and cases to try on both.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  portcullis policy diff old.yaml new.yaml
  portcullis policy diff policy.yaml policy.yaml --env staging --env-b production
  portcullis policy diff old.yaml new.yaml --cases cases.yaml --json

Layout, the order of keys, and a default that is written out are no difference. Rules and everything else that has
a name is compared by it. With --cases the cases are run on both, and every decision that differs is shown.

Exit codes: 0 no difference, 1 there are some, 2 wrong usage or unreadable input")]
pub(crate) struct Args {
    /// The policy before
    #[arg(value_name = "A")]
    a: PathBuf,
    /// The policy after
    #[arg(value_name = "B")]
    b: PathBuf,
    #[command(flatten)]
    environment: Environment,
    /// The environment of B, if it is another than that of A
    #[arg(long, value_name = "NAME")]
    env_b: Option<String>,
    /// Run these cases on both
    #[arg(long, value_name = "CASES")]
    cases: Vec<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<Report, Failure> {
    let a = config::build(&args.a, &args.environment)?;
    let mut environment = args.environment.clone();
    environment.env = args.env_b.clone().or(environment.env);
    let b = config::build(&args.b, &environment)?;
    let mut changes = Vec::new();
    compare("", &canonical(&a)?, &canonical(&b)?, &mut changes);
    let decisions = decisions(&args.cases, &a, &b)?;
    let found = !changes.is_empty() || !decisions.is_empty();
    if args.json {
        let value = json!({
            "a": a.firewall.version(), "b": b.firewall.version(),
            "changes": changes.iter().map(Change::json).collect::<Vec<_>>(),
            "decisions": decisions.iter().map(Decision::json).collect::<Vec<_>>(),
        });
        return Report::json(&value, found);
    }
    let style = style::stdout();
    let mut text: String = changes.iter().map(|change| change.text(style)).collect();
    for decision in &decisions {
        text += &decision.text(style);
    }
    if !found {
        text = "no difference\n".to_owned();
    }
    Ok(Report::new(text, found))
}

/// The configuration with every default written out.
fn canonical(built: &Built) -> Result<Node, Failure> {
    let text = serde_json::to_vec(built.firewall.policy.config()).map_err(|error| Failure::new(error.to_string()))?;
    Ok(source::parse(Path::new("policy.json"), &text)?)
}

/// One difference.
struct Change {
    /// Where: names instead of numbers in lists of what has a name.
    place: String,
    before: Option<Node>,
    after: Option<Node>,
}

impl Change {
    fn text(&self, style: Style) -> String {
        match (&self.before, &self.after) {
            (None, Some(after)) => format!("{} {}: {}\n", style.green("+"), self.place, short(after).to_json()),
            (Some(before), None) => format!("{} {}: {}\n", style.red("-"), self.place, short(before).to_json()),
            (Some(before), Some(after)) => {
                let (before, after) = (style.red(&before.to_json()), style.green(&after.to_json()));
                format!("{} {}: {before} -> {after}\n", style.yellow("~"), self.place)
            }
            (None, None) => format!("{} {}\n", style.yellow("~"), self.place),
        }
    }

    fn json(&self) -> serde_json::Value {
        let value = |node: &Option<Node>| node.as_ref().map(Node::to_serde);
        json!({"place": self.place, "before": value(&self.before), "after": value(&self.after)})
    }
}

/// Without the members that say what would be so anyway.
fn short(node: &Node) -> Node {
    let empty = |value: &Node| match &value.value {
        Value::Object(members) => members.is_empty(),
        Value::Array(elements) => elements.is_empty(),
        _ => false,
    };
    match &node.value {
        Value::Object(members) => {
            let members = members.iter().map(|(key, value)| (key.clone(), short(value)));
            let usual = |key: &str, value: &Node| {
                matches!(key, "priority" | "hide") && ["0", "false"].contains(&&*value.to_json())
            };
            Node::object(members.filter(|(key, value)| !empty(value) && !usual(key, value)))
        }
        _ => node.clone(),
    }
}

fn compare(place: &str, a: &Node, b: &Node, changes: &mut Vec<Change>) {
    if a == b {
        return;
    }
    if a.is_object() && b.is_object() {
        for (key, before) in a.members() {
            let at = format!("{place}/{}", pointer_token(key));
            match b.get(key) {
                Some(after) => compare(&at, before, after, changes),
                None => changes.push(Change { place: at, before: Some(before.clone()), after: None }),
            }
        }
        for (key, after) in b.members().iter().filter(|(key, _)| a.get(key).is_none()) {
            let at = format!("{place}/{}", pointer_token(key));
            changes.push(Change { place: at, before: None, after: Some(after.clone()) });
        }
        return;
    }
    if a.is_array() && b.is_array() {
        if let Some(name) = name_of_all(a.elements(), b.elements()) {
            return compare_named(place, a.elements(), b.elements(), name, changes);
        }
        if is_set(place) && same_elements(a.elements(), b.elements()) {
            return;
        }
    }
    changes.push(Change { place: place.to_owned(), before: Some(a.clone()), after: Some(b.clone()) });
}

fn compare_named(place: &str, a: &[Node], b: &[Node], name: &str, changes: &mut Vec<Change>) {
    let called = |node: &Node| node.get(name).and_then(Node::as_str).unwrap_or_default().to_owned();
    let find = |list: &'_ [Node], wanted: &str| list.iter().find(|node| called(node) == wanted).cloned();
    for before in a {
        let at = format!("{place}/{}", pointer_token(&called(before)));
        match find(b, &called(before)) {
            Some(after) => compare(&at, before, &after, changes),
            None => changes.push(Change { place: at, before: Some(before.clone()), after: None }),
        }
    }
    for after in b.iter().filter(|after| find(a, &called(after)).is_none()) {
        let at = format!("{place}/{}", pointer_token(&called(after)));
        changes.push(Change { place: at, before: None, after: Some(after.clone()) });
    }
    let order = |list: &[Node], other: &[Node]| -> Vec<String> {
        list.iter().map(called).filter(|one| find(other, one).is_some()).collect()
    };
    // The first of the servers that fits is taken; of equal rules the first is the one that is named.
    if order(a, b) != order(b, a) {
        changes.push(Change { place: format!("{place} are in another order"), before: None, after: None });
    }
}

/// The member that names every element of both lists, each name once.
fn name_of_all(a: &[Node], b: &[Node]) -> Option<&'static str> {
    let unique = |list: &[Node], name: &str| {
        let mut names: Vec<&str> = list.iter().filter_map(|node| node.get(name)?.as_str()).collect();
        let all = names.len() == list.len();
        names.sort_unstable();
        names.dedup();
        all && names.len() == list.len()
    };
    if a.is_empty() && b.is_empty() {
        return None;
    }
    ["id", "name", "sha256", "san"].into_iter().find(|name| unique(a, name) && unique(b, name))
}

/// Lists of patterns and of conditions, of which the order does not matter.
fn is_set(place: &str) -> bool {
    place.contains("/match/") || place.ends_with("/arguments")
}

fn same_elements(a: &[Node], b: &[Node]) -> bool {
    a.iter().all(|one| b.contains(one)) && b.iter().all(|one| a.contains(one))
}

/// A step of a case that is decided in another way.
struct Decision {
    case: String,
    step: Option<usize>,
    before: String,
    after: String,
}

impl Decision {
    fn text(&self, style: Style) -> String {
        let step = self.step.map(|step| format!(", step {step}")).unwrap_or_default();
        format!(
            "{} case {}{step}: {} -> {}\n",
            style.yellow("~"),
            self.case,
            style.red(&self.before),
            style.green(&self.after)
        )
    }

    fn json(&self) -> serde_json::Value {
        json!({"case": self.case, "step": self.step, "before": self.before, "after": self.after})
    }
}

fn decisions(files: &[PathBuf], a: &Built, b: &Built) -> Result<Vec<Decision>, Failure> {
    let mut all = Vec::new();
    if files.is_empty() {
        return Ok(all);
    }
    let benches = [Bench::new(&a.node)?, Bench::new(&b.node)?];
    for file in files {
        for case in cases::read(file)?.cases {
            let [before, after] = benches.each_ref().map(|bench| bench.run(&case));
            let (before, after) = (before?, after?);
            for (index, (before, after)) in before.iter().zip(&after).enumerate() {
                let same = Expect {
                    decision: Some(before.decision.clone()),
                    rule: Some(before.rule.clone()),
                    ..Expect::default()
                };
                if !after.differences(&same).is_empty() {
                    all.push(Decision {
                        case: case.name.clone(),
                        step: (case.steps.len() > 1).then_some(index + 1),
                        before: format!("{} by {}", before.decision, before.rule),
                        after: format!("{} by {}", after.decision, after.rule),
                    });
                }
            }
        }
    }
    Ok(all)
}
