//! `portcullis policy explain`: what happens to one call, and why.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use portcullis_engine::cel::{Moment, Taint};
use portcullis_engine::config::Config;
use portcullis_engine::firewall::Firewall;
use portcullis_engine::json::{Document, Limits, Value, quote};
use portcullis_engine::mcp::Capability;
use portcullis_engine::policy::{Action, Call, Decision};
use portcullis_engine::principal::{Principal, PrincipalKind};
use serde_json::json;

use super::cases::{Bench, Outcome, Step};
use super::remedy::{self, Remedy};
use super::summary;
use super::trial::{self, Standing, Trial};
use crate::config::{self, Built, Environment};
use crate::failure::Failure;
use crate::source::Node;
use crate::style::Style;
use crate::{Report, input, style};

/// The policy, and the call to explain.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  portcullis policy explain policy.json
      a summary of the policy
  portcullis policy explain policy.json --principal-kind agent --id bot --role dev \\
      --server files --tool read_file --args '{\"path\": \"/data/a.txt\"}'
      the decision about one call, and why each rule did or did not match
  portcullis policy explain policy.json --method resources/read --name file:///data/a.txt --json

Exit codes: 0 the call passes, 1 it is refused or needs an approval, 2 wrong usage or unreadable input")]
pub(crate) struct Args {
    /// The configuration; `-` reads standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    environment: Environment,
    #[command(flatten)]
    caller: Caller,
    #[command(flatten)]
    call: CallArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Who calls. Without these the caller is anonymous.
#[derive(clap::Args)]
#[command(next_help_heading = "Caller (anonymous without these)")]
struct Caller {
    /// Kind of the principal
    #[arg(long, value_name = "KIND", value_parser = ["human", "agent", "service", "workflow"])]
    principal_kind: Option<String>,
    /// Its id (JWT subject, SPIFFE URI, key id)
    #[arg(long, requires = "principal_kind")]
    id: Option<String>,
    /// One of its roles; may be repeated
    #[arg(long, requires = "principal_kind")]
    role: Vec<String>,
    /// One of its teams; may be repeated
    #[arg(long, requires = "principal_kind")]
    team: Vec<String>,
    /// Its tenant
    #[arg(long, requires = "principal_kind")]
    tenant: Option<String>,
    /// The agent profile it acts through
    #[arg(long, requires = "principal_kind")]
    agent: Option<String>,
}

/// What is called.
#[derive(clap::Args)]
#[command(next_help_heading = "Call")]
struct CallArgs {
    /// Name of the server in the configuration; not needed where there is only one
    #[arg(long)]
    server: Option<String>,
    /// MCP method; `tools/call` where a name is given
    #[arg(long)]
    method: Option<String>,
    /// Tool name, resource URI or prompt name
    #[arg(long, visible_alias = "tool")]
    name: Option<String>,
    /// The arguments (for other methods than `tools/call` and `prompts/get`: the params) as JSON, or @FILE
    #[arg(long, value_name = "JSON")]
    args: Option<String>,
    /// When it is made (RFC 3339), for conditions on the time; now, where it is not said
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_rfc3339_weak)]
    at: Option<SystemTime>,
}

pub(super) fn run(args: &Args) -> Result<Report, Failure> {
    let Built { node: policy, firewall } = config::build(&args.file, &args.environment)?;
    let caller = &args.caller;
    let call = &args.call;
    let nothing_asked = caller.principal_kind.is_none()
        && call.server.is_none()
        && call.method.is_none()
        && call.name.is_none()
        && call.args.is_none();
    if nothing_asked {
        return if args.json {
            Report::json(&summary::json(&firewall), false)
        } else {
            Ok(Report::new(summary::text(&firewall), false))
        };
    }
    let arguments = match &call.args {
        Some(text) => Some(match text.strip_prefix('@') {
            Some(file) => input::read(Path::new(file))?,
            None => text.as_bytes().to_vec(),
        }),
        None => None,
    };
    let limits = firewall.policy.config().limits;
    let limits = Limits { max_bytes: limits.max_body_bytes, max_depth: limits.max_depth };
    let document = match &arguments {
        Some(bytes) => Some(
            Document::parse(bytes, &limits)
                .map_err(|error| Failure::new(format!("--args is refused by the strict parse: {error}")))?,
        ),
        None => None,
    };
    let method = match (&call.method, &call.name) {
        (Some(method), _) => method.as_str(),
        (None, Some(_)) => "tools/call",
        (None, None) => return Err(Failure::new("say which call to explain: --tool NAME, or --method METHOD")),
    };
    let principal = caller.principal();
    let asked = Call {
        server: server(call, &firewall)?,
        method,
        capability: capability(method),
        name: call.name.as_deref(),
        arguments: document.as_ref().map(Document::root),
    };
    let at = call.at.unwrap_or_else(SystemTime::now).duration_since(SystemTime::UNIX_EPOCH);
    let now_us = at.ok().and_then(|since| u64::try_from(since.as_micros()).ok());
    let now_us = now_us.ok_or_else(|| Failure::new("--at is before 1970"))?;
    explain(&policy, &firewall, &principal, &asked, now_us, args.json)
}

impl Caller {
    fn principal(&self) -> Principal {
        let kind = self.principal_kind.as_deref().map(|kind| match kind {
            "agent" => PrincipalKind::Agent,
            "service" => PrincipalKind::Service,
            "workflow" => PrincipalKind::Workflow,
            _ => PrincipalKind::Human,
        });
        Principal {
            kind,
            id: self.id.clone().unwrap_or_default(),
            tenant: self.tenant.clone(),
            roles: self.role.clone(),
            teams: self.team.clone(),
            agent: self.agent.clone(),
        }
    }
}

fn server<'a>(call: &'a CallArgs, firewall: &'a Firewall) -> Result<&'a str, Failure> {
    let servers = &firewall.policy.config().servers;
    let names = || servers.iter().map(|server| server.name.as_str()).collect::<Vec<_>>().join(", ");
    match (&call.server, servers.as_slice()) {
        (Some(name), _) if servers.is_empty() || servers.iter().any(|server| server.name == *name) => Ok(name),
        (Some(name), _) => Err(Failure::new(format!("no server `{name}` in the configuration; it has {}", names()))),
        (None, [only]) => Ok(&only.name),
        (None, []) => Ok(""),
        (None, _) => Err(Failure::new(format!("say which server the call goes to: --server with one of {}", names()))),
    }
}

/// A method of either side: what a server asks is judged as its request, the rest as the client's.
fn capability(method: &str) -> Capability {
    match Capability::of_client_method(method) {
        Capability::Unknown => Capability::of_server_method(method),
        known => known,
    }
}

fn explain(
    policy: &Node,
    firewall: &Firewall,
    principal: &Principal,
    call: &Call<'_>,
    now_us: u64,
    as_json: bool,
) -> Result<Report, Failure> {
    let config = firewall.policy.config();
    // On a firewall that has seen nothing: outside of a session, without labels.
    let moment = Moment { now_us: Some(now_us), session: Some(None), taint: Some(&NoLabels) };
    let decision = firewall.policy.decide_at(principal, call, &moment);
    let trials = trial::all(config, principal, call, moment, &decision)?;
    let remedy = remedy::find(policy, config, principal, call, moment, &decision, &trials);
    let further = further(policy, config, principal, call, now_us, &decision)?;
    let refused = !decision.lets_through() || further.is_some();
    if as_json {
        let value = explained(firewall, call, &decision, &trials, remedy.as_ref(), further.as_ref());
        return Report::json(&value, refused);
    }
    let style = style::stdout();
    let mut text = format!(
        "{}  by rule {}, policy {}\n",
        verdict(style, decision.action),
        style.bold(&decision.rule),
        firewall.version().get(..12).unwrap_or_default()
    );
    text += &format!("reason   {}\n", decision.reason);
    if decision.hide {
        text += "hidden   the caller is told that it does not exist\n";
    }
    if let Some(would) = &decision.would {
        text += &format!("shadow   would be {} by rule {}\n", would.action.as_str(), would.rule);
    }
    if let Some(end) = &further {
        let word = style.red(&end.decision);
        text += &format!("then     {word} by {}: {}\n", style.bold(&end.rule), end.reason);
    }
    text += &format!("call     {}\n", describe(principal, call));
    if principal.is_anonymous() && firewall.policy.config().identity.required {
        text += "note     the policy requires an identity: an anonymous request is answered 401 before any rule\n";
    }
    if call.server.is_empty() {
        text += "note     the configuration has no server: HTTP requests never reach the rules\n";
    }
    if trials.is_empty() {
        text += "\nThe policy has no rules.\n";
    } else {
        text += "\nRules by precedence:\n";
        for trial in &trials {
            text += &line(style, trial);
        }
    }
    text += &match &remedy {
        Some(remedy) => change(style, remedy, principal),
        None => "\nNo rule changes this decision.\n".to_owned(),
    };
    Ok(Report::new(text, refused))
}

/// The labels of a session in which nothing has been read.
#[derive(Debug)]
struct NoLabels;

impl Taint for NoLabels {
    fn labels(&self, _: u64) -> Option<Vec<Arc<str>>> {
        Some(Vec::new())
    }
}

/// What scanners and checks decide after the rules, on a firewall that has seen nothing yet; `None` where they leave
/// it at what the rules decided.
fn further(
    policy: &Node,
    config: &Config,
    principal: &Principal,
    call: &Call<'_>,
    now_us: u64,
    decision: &Decision,
) -> Result<Option<Outcome>, Failure> {
    let unidentified = principal.is_anonymous() && config.identity.required;
    if config.servers.is_empty() || unidentified || !decision.lets_through() {
        return Ok(None);
    }
    let name = call.name.map(quote);
    let arguments = call.arguments.map(Value::raw);
    let params = match (call.method, name) {
        ("tools/call" | "prompts/get", Some(name)) => {
            let arguments = arguments.map(|arguments| format!(",\"arguments\":{arguments}")).unwrap_or_default();
            format!("{{\"name\":{name}{arguments}}}")
        }
        ("resources/read", Some(uri)) => format!("{{\"uri\":{uri}}}"),
        _ => arguments.unwrap_or("{}").to_owned(),
    };
    let step = Step::call(principal.clone(), Some(call.server.to_owned()), call.method, call.name, params);
    let end = Bench::new(policy)?.call(&step, now_us)?;
    Ok(Some(end).filter(|end| ["deny", "require_approval", "malformed"].contains(&end.decision.as_str())))
}

/// The narrowest change, ready to be put into the policy.
fn change(style: Style, remedy: &Remedy, principal: &Principal) -> String {
    let mut text = format!("\nNarrowest rule that makes it {}:\n", verdict(style, remedy.action));
    for line in Node::array([remedy.rule.clone()]).to_yaml().lines() {
        text += &format!("  {line}\n");
    }
    if principal.is_anonymous() {
        text += "  It is about every caller: nobody is known about this one.\n";
    }
    if let Some((id, why_not)) = &remedy.nearest {
        text += &format!("The nearest rule there is: {} ({})\n", style.bold(id), why_not.join("; "));
    }
    text
}

fn verdict(style: Style, action: Action) -> String {
    match action {
        Action::Allow | Action::LogOnly => style.green(action.as_str()),
        Action::RequireApproval => style.yellow(action.as_str()),
        Action::Deny => style.red(action.as_str()),
    }
}

fn describe(principal: &Principal, call: &Call<'_>) -> String {
    let name = call.name.map(|name| format!(" \"{name}\"")).unwrap_or_default();
    let server = if call.server.is_empty() { String::new() } else { format!(" on {}", call.server) };
    let who = match principal.kind {
        Some(kind) if principal.id.is_empty() => format!("a {} without an id", kind.as_str()),
        Some(kind) => format!("{} \"{}\"", kind.as_str(), principal.id),
        None => "an anonymous caller".to_owned(),
    };
    format!("{}{name} ({}){server}, by {who}", call.method, call.capability.as_str())
}

fn line(style: Style, trial: &Trial) -> String {
    let head = format!("{} ({}, priority {})", trial.id, trial.action.as_str(), trial.priority);
    match trial.standing {
        Standing::Decides => format!("  {} {head}: decides\n", style.green("=>")),
        Standing::Outranked => format!("   + {head}: matches, outranked\n"),
        Standing::Shadow => format!("  {} {head}: matches, recorded only (shadow)\n", style.yellow(" +")),
        Standing::Off => format!("{}\n", style.dim(&format!("   - {head}: off (mode disabled)"))),
        Standing::NoMatch => {
            format!("{}\n", style.dim(&format!("   - {head}: {}", trial.why_not.join("; "))))
        }
    }
}

fn explained(
    firewall: &Firewall,
    call: &Call<'_>,
    decision: &Decision,
    trials: &[Trial],
    remedy: Option<&Remedy>,
    further: Option<&Outcome>,
) -> serde_json::Value {
    json!({
        "decision": decision.action.as_str(),
        "rule": &*decision.rule,
        "reason": &*decision.reason,
        "hide": decision.hide,
        "shadow": decision.would.as_ref().map(|would| json!({"decision": would.action.as_str(), "rule": &*would.rule})),
        "further": further.map(|end| json!({"decision": end.decision, "rule": end.rule, "reason": end.reason})),
        "policy_version": firewall.version(),
        "call": {
            "server": call.server,
            "method": call.method,
            "capability": call.capability.as_str(),
            "name": call.name,
            "argument_keys": call.arguments.map(keys),
        },
        "rules": trials.iter().map(|trial| json!({
            "id": trial.id,
            "action": trial.action.as_str(),
            "priority": trial.priority,
            "standing": trial.standing.as_str(),
            "why_not": trial.why_not,
        })).collect::<Vec<_>>(),
        "change": remedy.map(|remedy| json!({
            "decision": remedy.action.as_str(),
            "rule": remedy.rule.to_serde(),
            "nearest": remedy.nearest.as_ref().map(|(id, why_not)| json!({"id": id, "why_not": why_not})),
        })),
    })
}

fn keys(arguments: Value<'_>) -> Vec<String> {
    let mut keys: Vec<String> = arguments.members().filter_map(|(key, _)| Some(key.as_str()?.into_owned())).collect();
    keys.sort();
    keys
}
