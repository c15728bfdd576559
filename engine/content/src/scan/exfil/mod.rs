//! Where data could leave, and where a server could be made to look: URLs to collectors and inside
//! the network, credentials in URLs, data packed into names and queries, uploads by commands.
//!
//! What a text is for decides. A URL in an argument that is fetched is judged in full; in a command
//! or a program only what no honest one holds counts (developers call `localhost`); in prose and in
//! results only what is dangerous to follow: credentials, collectors, disguised addresses.
//!
//! Each concern has a module: [`finder`] cuts URLs out, [`address`] reads hosts, [`hosts`] knows names,
//! [`encoded`] sees data in names and queries, [`upload`] reads commands and programs.

use std::ops::Range;

use super::checks::is_example_login;
use super::detect::{Detector, Gate, Input, Match, RuleInfo, heads};
use super::shell::Role;
use super::{Direction, Surface};

mod address;
mod encoded;
mod finder;
mod hosts;
mod rules;
mod upload;

use address::Class;
use finder::Found;
use hosts::Known;

/// The scanner.
pub const DETECTOR: Detector = Detector {
    name: "exfil",
    rules: &heads::<{ rules::RULES.len() }>(rules::RULES),
    triggers: || rules::TRIGGERS.to_vec(),
    gate: Gate::Triggers,
    off: &[],
    direction: None,
    detect,
};

/// What is to be known about each rule, in the order of [`DETECTOR`]'s.
pub const CATALOG: &[RuleInfo] = rules::RULES;

/// Index of a rule in [`DETECTOR`]'s table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    CollectorHost,
    DropSite,
    UrlCredentials,
    InternalAddress,
    MetadataEndpoint,
    DisguisedAddress,
    RebindingName,
    DangerousScheme,
    LocalFile,
    ScriptUrl,
    ConfusingUrl,
    DataInName,
    DataInQuery,
    CommandUpload,
    CodeUpload,
}

/// What a text is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The server connects to it.
    Target,
    /// A shell or an interpreter runs it.
    Program,
    /// People, a model or a database read it.
    Prose,
}

fn detect(input: &Input<'_>, out: &mut Vec<Match>) {
    let text = input.text;
    if text.len() < 3 {
        return;
    }
    let role = Role::of(input);
    let place = place(input, role);
    let begin = out.len();
    match place {
        Place::Target => target(input, out),
        Place::Program | Place::Prose => {
            for url in finder::urls(text) {
                judge(&url, place, input, out);
            }
            embedded_script(text, out);
        }
    }
    if place == Place::Program {
        if (role == Role::Command || text.starts_with("#!"))
            && let Some(range) = upload::in_command(input)
        {
            push(out, Rule::CommandUpload, range);
        }
        if role == Role::Code
            && let Some(range) = upload::in_code(text)
        {
            push(out, Rule::CodeUpload, range);
        }
    }
    if input.context.direction == Direction::Request
        && let Some(range) = external_entity(text)
    {
        push(out, Rule::DangerousScheme, range);
    }
    debug_assert!(out.iter().skip(begin).all(|found| text.get(found.range.clone()).is_some()));
}

/// An entity of XML whose text is fetched (XXE, CWE-611).
fn external_entity(text: &str) -> Option<Range<usize>> {
    let start = memchr::memmem::find(text.as_bytes(), b"<!ENTITY")?;
    let length = text.get(start..)?.find('>')?;
    let declaration = text.get(start..start + length)?;
    let (_, address) = declaration.split_once("SYSTEM").or_else(|| declaration.split_once("PUBLIC"))?;
    address.contains("://").then_some(start..start + length)
}

fn place(input: &Input<'_>, role: Role) -> Place {
    if input.context.direction != Direction::Request {
        return Place::Prose;
    }
    match role {
        Role::Command | Role::Code => Place::Program,
        Role::Url => Place::Target,
        Role::Prose | Role::Document | Role::Search | Role::Sql => Place::Prose,
        Role::Path | Role::Value if is_target_member(input.member.unwrap_or("")) => Place::Target,
        // A value that is one URL as a whole.
        Role::Path | Role::Value | Role::Word | Role::Unknown => {
            let text = input.text.trim();
            let head = text.split("://").next().unwrap_or("");
            let whole = head.len() < text.len()
                && (1..=24).contains(&head.len())
                && head.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.:".contains(&byte))
                && text.len() <= 2048
                && !text.contains('\n')
                && text.split_ascii_whitespace().count() <= 4;
            if whole { Place::Target } else { Place::Prose }
        }
    }
}

/// Names of arguments that hold what is connected to.
fn is_target_member(member: &str) -> bool {
    let ends = |ends: &[&str]| {
        ends.iter().any(|end| {
            member.len() >= end.len()
                && member.is_char_boundary(member.len() - end.len())
                && member.get(member.len() - end.len()..).is_some_and(|tail| tail.eq_ignore_ascii_case(end))
        })
    };
    ends(&["host", "hostname", "endpoint", "webhook", "callback", "proxy", "server", "domain", "address", "ip"])
        && !ends(&[
            "street_address",
            "email_address",
            "billing_address",
            "shipping_address",
            "_membership",
            "zip",
            "tip",
        ])
}

/// An argument that is connected to: every host that some reader may see in it counts.
fn target(input: &Input<'_>, out: &mut Vec<Match>) {
    let text = input.text;
    if text.len() > MAX_TARGET || text.contains('\n') {
        for url in finder::urls(text) {
            judge(&url, Place::Target, input, out);
        }
        return;
    }
    let whole = text.trim();
    let start = text.len() - text.trim_start().len();
    let range = start..start + whole.len();
    let head = whole.split_once(':').map_or("", |(scheme, _)| scheme);
    let (scheme, rest) = if OPAQUE.iter().any(|known| head.eq_ignore_ascii_case(known)) {
        let rest = whole.get(head.len() + 1..).unwrap_or("");
        (head, rest.strip_prefix("//").unwrap_or(rest))
    } else if SPECIAL.iter().any(|known| head.eq_ignore_ascii_case(known)) {
        // Readers by the WHATWG standard take any number of slashes, of either kind.
        (head, whole.get(head.len() + 1..).unwrap_or("").trim_start_matches(['/', '\\']))
    } else {
        whole.split_once("://").unwrap_or_else(|| ("", whole.trim_start_matches('/')))
    };
    if scheme_rules(scheme, rest, whole, input, range.clone(), out) {
        return;
    }
    if scheme.is_empty()
        && (whole.contains(' ') || !whole.contains(['.', ':']))
        && !whole.eq_ignore_ascii_case("localhost")
    {
        return;
    }
    // Some readers take a backslash for a slash, some drop it; `#` and `@` end or begin the host.
    let authority = rest.split(['/', '?']).next().unwrap_or(rest);
    let mut hosts = 0;
    for piece in authority.split(['@', '#', '\\', '&', ' ', '\t']).filter(|piece| !piece.is_empty()).take(8) {
        hosts += 1;
        let before = out.len();
        if host_rules(finder::without_port(piece), Place::Target, rest, range.clone(), out) {
            // A database, a broker or a proxy within the network is what such arguments are for.
            if scheme.is_empty() && Role::of(input) != Role::Url {
                out.retain(|found| found.rule != Rule::InternalAddress as usize);
            }
            if out.len() > before {
                return;
            }
        }
    }
    if authority.contains('\\') || rest.starts_with(['\\', '/']) {
        let joined: String = rest.chars().filter(|c| *c != '\\').skip_while(|c| *c == '/').take(256).collect();
        let host = joined.split(['/', '?', '#', '@']).next().unwrap_or("");
        if host_rules(finder::without_port(host), Place::Target, rest, range.clone(), out) {
            return;
        }
    }
    let confusing = hosts > 1 && authority.contains('@') && authority.contains([' ', '\\', '#']);
    let cut = ["%00", "%23", "%2f", "%2F", "%5c", "%5C", "%40", "%3f", "%3F", "%0a", "%0A", "%0d", "%0D"];
    let cut = cut.iter().any(|code| finder::host(authority).contains(code));
    if confusing || (!scheme.is_empty() && cut) || (!scheme.is_empty() && authority.chars().any(is_enclosed)) {
        push(out, Rule::ConfusingUrl, range.clone());
        return;
    }
    if scheme.is_empty() && encoded::in_name(finder::without_port(authority)) {
        push(out, Rule::DataInName, range);
        return;
    }
    for (index, url) in finder::urls(text).enumerate() {
        if index == 0 {
            if !credentials(&url, out) {
                packed(&url, out);
            }
        } else {
            judge(&url, Place::Target, input, out);
        }
    }
}

/// A URL within a text.
fn judge(url: &Found<'_>, place: Place, input: &Input<'_>, out: &mut Vec<Match>) {
    if credentials(url, out) {
        return;
    }
    let whole = input.text.get(url.range.clone()).unwrap_or("");
    if scheme_rules_within(url.scheme, whole, place, url.range.clone(), out) {
        return;
    }
    let host = finder::host(url.authority);
    let described = input.context.surface == Surface::Description;
    if !described && host_rules(host, place, url.rest, url.range.clone(), out) {
        return;
    }
    let known = || hosts::known(host);
    let is_image = is_image(input.text, url.range.start);
    // What is loaded without a click reports by being loaded, whatever its path.
    if !described && is_image && known() == Some(Known::Collector) {
        push(out, Rule::CollectorHost, url.range.clone());
        return;
    }
    if place == Place::Program
        && (known() == Some(Known::Drop) || is_chat_hook(host, url.rest))
        && upload::names_upload(input.text)
    {
        push(out, Rule::DropSite, url.range.clone());
    } else if place != Place::Prose || is_image {
        packed(url, out);
    } else if encoded::in_name(host) {
        push(out, Rule::DataInName, url.range.clone());
    }
}

/// The URL of a chat's webhook: whoever knows it may post.
fn is_chat_hook(host: &str, rest: &str) -> bool {
    (host.ends_with("discord.com") || host.ends_with("discordapp.com")) && rest.starts_with("/api/webhooks/")
}

/// Whether a URL stands in a Markdown image or an `src`, which is loaded without a click.
fn is_image(text: &str, start: usize) -> bool {
    let mut floor = start.saturating_sub(160);
    while !text.is_char_boundary(floor) {
        floor += 1;
    }
    let before = text.get(floor..start).unwrap_or("");
    if let Some(label) = before.strip_suffix("](") {
        return label.rsplit_once('[').is_some_and(|(head, label)| head.ends_with('!') && !label.contains([']', ')']));
    }
    before.trim_end_matches(['"', '\'', '\\']).ends_with("src=")
}

/// What the host says. `rest` is what follows the authority.
fn host_rules(host: &str, place: Place, rest: &str, range: Range<usize>, out: &mut Vec<Match>) -> bool {
    let tail = |c: char| !c.is_alphanumeric() && !matches!(c, ']' | '.' | ':');
    let host = host.trim_end_matches(tail);
    if host.is_empty() {
        return false;
    }
    let path = rest.find('/').and_then(|at| rest.get(at + 1..)).unwrap_or("");
    let rule = match (hosts::known(host), place) {
        (Some(Known::Collector), Place::Target | Place::Program) => Some(Rule::CollectorHost),
        // A page about a service names its front door; a sink has a name or a path of its own.
        (Some(Known::Collector), Place::Prose) => {
            let own = host.bytes().filter(|byte| *byte == b'.').count() >= 2
                && !host.starts_with("www.")
                && !["docs.", "dashboard.", "status.", "blog.", "api."].iter().any(|front| host.starts_with(front));
            (own || (path.len() >= 16 && path.bytes().any(|byte| byte.is_ascii_digit()))).then_some(Rule::CollectorHost)
        }
        (None, Place::Target) if is_chat_hook(host, rest.get(rest.find('/').unwrap_or(0)..).unwrap_or("")) => {
            Some(Rule::DropSite)
        }
        (Some(Known::Drop), Place::Target) => Some(Rule::DropSite),
        (Some(Known::Metadata), Place::Target | Place::Program) => Some(Rule::MetadataEndpoint),
        (Some(Known::Metadata), Place::Prose) => gives_credentials(rest).then_some(Rule::MetadataEndpoint),
        (Some(Known::Rebinding), Place::Target | Place::Program) => Some(Rule::RebindingName),
        (Some(Known::Internal), Place::Target) => Some(Rule::InternalAddress),
        (Some(_), _) => None,
        (None, _) => {
            let read = address::read(host);
            match (read.class, place) {
                (Class::Metadata, Place::Prose) => {
                    (read.odd || gives_credentials(rest)).then_some(Rule::MetadataEndpoint)
                }
                (Class::Metadata, _) => Some(Rule::MetadataEndpoint),
                (Class::Internal, _) if read.odd && (place != Place::Prose || is_numeric(host)) => {
                    Some(Rule::DisguisedAddress)
                }
                (Class::Internal, Place::Target) => Some(Rule::InternalAddress),
                (Class::Malformed, Place::Target) => Some(Rule::DisguisedAddress),
                (Class::Public, Place::Target) if read.odd && !host.contains(':') => Some(Rule::DisguisedAddress),
                _ => None,
            }
        }
    };
    match rule {
        Some(rule) => push(out, rule, range),
        None => return false,
    }
    true
}

/// Whether a path of a metadata service gives keys away.
fn gives_credentials(rest: &str) -> bool {
    ["credentials", "/token", "user-data", "identity", "ssh-keys", "computeMetadata"]
        .iter()
        .any(|part| rest.contains(part))
}

/// A spelling of more than one digit that is an address by intention: `0x7f000001`, `2130706433`, `[::ffff:…]`.
fn is_numeric(host: &str) -> bool {
    host.len() >= 7 && host.bytes().all(|byte| byte.is_ascii_hexdigit() || b"x.[]:".contains(&byte))
}

/// What the scheme of an argument says.
fn scheme_rules(
    scheme: &str,
    rest: &str,
    whole: &str,
    input: &Input<'_>,
    range: Range<usize>,
    out: &mut Vec<Match>,
) -> bool {
    let mut last = scheme.rsplit(':').next().unwrap_or(scheme);
    if let Some((_, inner)) = last.rsplit_once('+').filter(|(_, inner)| inner.eq_ignore_ascii_case("file")) {
        last = inner;
    }
    let is =
        |list: &[&str]| list.iter().any(|known| scheme.eq_ignore_ascii_case(known) || last.eq_ignore_ascii_case(known));
    let rule = if is(&["javascript", "vbscript", "livescript"]) || (is(&["data"]) && is_active_data(whole)) {
        Rule::ScriptUrl
    } else if is(DANGEROUS)
        || scheme.get(..4).is_some_and(|head| head.eq_ignore_ascii_case("jar:") || head.eq_ignore_ascii_case("url:"))
    {
        Rule::DangerousScheme
    } else if is(&["file"]) {
        // A `file:` URI is an honest name of a resource; fetched, or outside of what people keep, it is not.
        let fetched =
            input.tool.is_some_and(|tool| FETCHERS.iter().any(|word| tool.to_ascii_lowercase().contains(word)));
        if !fetched && !upload_place(rest) {
            return false;
        }
        Rule::LocalFile
    } else if is(&["ftp", "ftps", "sftp", "scp", "smb", "nfs", "afp", "telnet"]) && input.member.is_some() {
        Rule::DangerousScheme
    } else if !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_digit()) {
        Rule::ConfusingUrl
    } else {
        return false;
    };
    push(out, rule, range);
    true
}

/// What the scheme of a URL within a text says.
fn scheme_rules_within(scheme: &str, whole: &str, place: Place, range: Range<usize>, out: &mut Vec<Match>) -> bool {
    let is = |list: &[&str]| list.iter().any(|known| scheme.eq_ignore_ascii_case(known));
    let smuggles = is(&["gopher", "dict"]) && whole.contains('%');
    let stream = is(&["phar", "expect", "zip", "compress.zlib"])
        || (is(&["php"]) && (whole.contains("filter") || whole.contains("input")));
    if smuggles
        || (place == Place::Program && is(&["gopher", "dict", "netdoc"]))
        || (place == Place::Target && (is(DANGEROUS) || stream))
    {
        push(out, Rule::DangerousScheme, range);
        return true;
    }
    false
}

/// Script in a `data:` URL or behind a link, in a text that is shown or followed.
fn embedded_script(text: &str, out: &mut Vec<Match>) {
    for (mark, least) in
        [("](javascript:", 0), ("](data:text/html", 0), ("data:text/html;base64,", 24), ("data:text/html,<script", 0)]
    {
        if let Some(at) = memchr::memmem::find(text.as_bytes(), mark.as_bytes())
            && text.len() >= at + mark.len() + least
        {
            push(out, Rule::ScriptUrl, at..at + mark.len());
            return;
        }
    }
}

fn is_active_data(whole: &str) -> bool {
    let lower: String = whole.chars().take(64).collect::<String>().to_ascii_lowercase();
    ["text/html", "image/svg", "javascript", "xhtml", "text/xml", "application/xml"]
        .iter()
        .any(|kind| lower.contains(kind))
}

fn upload_place(rest: &str) -> bool {
    let path: String = rest.chars().filter(|c| *c != '\\').collect();
    let host_given =
        !rest.starts_with(['/', '\\']) && !rest.starts_with("localhost/") && rest.get(1..2).is_none_or(|c| c != ":");
    let path = path.trim_start_matches('/').to_ascii_lowercase();
    host_given
        || ["etc/", "proc/", "sys/", "root/", "dev/", "var/run", "c:/windows", "boot/"]
            .iter()
            .any(|place| path.starts_with(place))
        || [".ssh", ".aws", ".env", "passwd", "shadow", "id_rsa", "..", "win.ini", "boot.ini", "credentials"]
            .iter()
            .any(|part| path.contains(part))
}

/// `user:password@host`, unless the password is a placeholder.
fn credentials(url: &Found<'_>, out: &mut Vec<Match>) -> bool {
    let Some((user, password)) = finder::userinfo(url.authority) else { return false };
    if user.len() > 128
        || is_placeholder(password)
        || is_placeholder_name(user)
        || is_example_login(user.as_bytes(), password.as_bytes())
        || finder::host(url.authority).is_empty()
    {
        return false;
    }
    push(out, Rule::UrlCredentials, url.range.start..url.range.end - url.rest.len());
    true
}

/// A variable, a template, stars, or a word that says "put yours here".
fn is_placeholder(password: &str) -> bool {
    password.is_empty()
        || password.starts_with(['$', '{', '<', '%', '*', '[', '(', '#'])
        || password.contains("${")
        || password.contains("{{")
        || password.contains("...")
        || password.contains('…')
        || password.bytes().all(|byte| matches!(byte, b'x' | b'X' | b'*' | b'.' | b'-'))
        || ["your", "redacted", "replace", "changeme", "example"]
            .iter()
            .any(|word| password.to_ascii_lowercase().contains(word))
}

fn is_placeholder_name(user: &str) -> bool {
    user.starts_with(['<', '{', '['])
}

/// Data in the host or the query.
fn packed(url: &Found<'_>, out: &mut Vec<Match>) {
    let host = finder::host(url.authority);
    if encoded::in_name(host) {
        push(out, Rule::DataInName, url.range.clone());
    } else if !url.nested && (encoded::in_query(url.rest) || encoded::holds_token(url.rest)) {
        push(out, Rule::DataInQuery, url.range.clone());
    }
}

/// Circled and parenthesised letters and digits: IDNA maps them to plain ones.
fn is_enclosed(c: char) -> bool {
    matches!(c, '\u{2460}'..='\u{24ff}' | '\u{ff01}'..='\u{ff5e}' | '\u{1d400}'..='\u{1d7ff}' | '\u{3002}' | '\u{ff61}')
}

fn push(out: &mut Vec<Match>, rule: Rule, range: Range<usize>) {
    out.push(Match { rule: rule as usize, range });
}

/// What a URL as an argument may have at most; longer texts are searched for URLs.
const MAX_TARGET: usize = 8192;
/// Schemes of the web (WHATWG URL, special schemes).
const SPECIAL: &[&str] = &["http", "https", "ws", "wss"];
/// Schemes that need no `//`.
const OPAQUE: &[&str] = &["javascript", "vbscript", "data", "file", "netdoc", "phar", "jar", "view-source"];
/// Schemes through which other protocols are spoken, or code is loaded.
const DANGEROUS: &[&str] = &[
    "gopher",
    "gophers",
    "dict",
    "ldap",
    "ldaps",
    "ldapi",
    "tftp",
    "jar",
    "netdoc",
    "phar",
    "expect",
    "ogg",
    "zlib",
    "compress.zlib",
    "php",
    "glob",
    "mailto+smtp",
    "imap",
    "imaps",
    "pop3",
    "smtp",
    "smtps",
    "rmi",
    "iiop",
    "jndi",
    "ssh2",
    "view-source",
    "ws+unix",
    "unix",
    "http+unix",
    "docker",
    "res",
    "mhtml",
    "chrome",
    "about+file",
    "rsync",
    "zip",
];
/// Words in the names of tools that fetch what they are given.
const FETCHERS: &[&str] =
    &["fetch", "http", "request", "brows", "navigat", "download", "crawl", "scrap", "url", "web", "curl", "open_page"];

#[cfg(test)]
mod tests;
