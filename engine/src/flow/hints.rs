//! What a tool does, guessed from what it is called and what it takes.
//!
//! A guess is made of strong hints only: a verb together with what it is done to (`read` + `email`), or a verb
//! that says it all (`publish`). It can be wrong both ways, so it only ever adds a class, and the configuration's
//! own `classes` replace it. What a server says about its tools is taken the same way: it may call them worse than
//! they are named, never better.

use crate::config::ToolClass;
use crate::json::{Kind, Value};

/// A set of classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Classes(u8);

impl Classes {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const PRIVATE: Self = Self(1);
    pub(crate) const UNTRUSTED: Self = Self(2);
    pub(crate) const SENDS: Self = Self(4);

    pub(crate) fn of(classes: &[ToolClass]) -> Self {
        classes.iter().fold(Self::NONE, |set, class| {
            set.with(match class {
                ToolClass::ReadsPrivate => Self::PRIVATE,
                ToolClass::ReadsUntrusted => Self::UNTRUSTED,
                ToolClass::Sends => Self::SENDS,
            })
        })
    }

    pub(crate) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// True if one of `other` is among these.
    pub(crate) fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn bits(self) -> u8 {
        self.0
    }

    pub(crate) fn from_bits(bits: u8) -> Self {
        Self(bits & 7)
    }
}

/// The classes of a tool by its name alone.
pub(crate) fn by_name(name: &str) -> Classes {
    let words = words(name);
    let has = |list: &[&str]| words.iter().any(|word| list.contains(&singular(word)));
    let verb = words.iter().enumerate().find_map(|(at, word)| Some((at, verb(word)?)));
    let objects = |at: usize| {
        let about =
            |list: &[&str]| words.iter().enumerate().any(|(place, word)| place != at && list.contains(&singular(word)));
        let untrusted = if about(&WRITTEN_BY_ANYBODY) { Classes::UNTRUSTED } else { Classes::NONE };
        untrusted.with(if about(&NOT_EVERYBODYS) { Classes::PRIVATE } else { Classes::NONE })
    };
    let requests = has(&["http", "https", "curl", "wget", "url", "webhook"])
        && has(&["request", "call", "trigger", "curl", "wget", "put", "patch"]);
    let sends = if requests { Classes::SENDS.with(Classes::UNTRUSTED) } else { Classes::NONE };
    sends.with(match verb {
        Some((_, Verb::Send)) => Classes::SENDS,
        // An issue or a comment is read by others: whoever can write one can send.
        Some((_, Verb::Write)) if has(&PUBLISHED) => Classes::SENDS,
        Some((_, Verb::Write)) => Classes::NONE,
        Some((at, Verb::Read)) => objects(at),
        Some((at, Verb::Browse)) => match objects(at) {
            Classes::NONE => Classes::UNTRUSTED,
            private if private == Classes::PRIVATE && !has(&["web", "page", "site", "url"]) => Classes::PRIVATE,
            found => found.with(Classes::UNTRUSTED),
        },
        // `inbox`, `customer_records`: a name without a verb reads what it names.
        None if words.len() <= 3 && !has(&VERBS_OF_OTHERS) => objects(usize::MAX),
        None => Classes::NONE,
    })
}

/// What the arguments of a call say beside the tool's name: an addressee with a content, or a request with a body.
pub(crate) fn by_arguments(arguments: Value<'_>) -> Classes {
    let mut keys = Keys::default();
    for (key, value) in arguments.members() {
        let Some(key) = key.as_str() else { continue };
        let text = if value.kind() == Kind::String { value.as_str() } else { None };
        let text = text.as_deref().unwrap_or_default();
        keys.add(&key);
        let key = key.to_ascii_lowercase();
        // `to` may be a language or a unit; an address is none.
        keys.addressee |= TO.contains(&key.as_str()) && text.contains('@');
        // What a URL asks for tells it to whoever answers.
        keys.body |= ADDRESSES.contains(&key.as_str())
            && text.split_once('?').is_some_and(|(_, query)| query.len() >= LONG_QUERY);
        keys.body |= key == "method" && ["POST", "PUT", "PATCH"].iter().any(|method| text.eq_ignore_ascii_case(method));
    }
    keys.classes()
}

/// The classes of a tool by what its server's list says: schema and annotations. `null` where nothing is said.
pub(crate) fn by_definition(tool: Value<'_>) -> Classes {
    let mut keys = Keys::default();
    let properties = tool.get("inputSchema").and_then(|schema| schema.get("properties"));
    for (key, _) in properties.iter().flat_map(|properties| properties.members()) {
        keys.add(&key.as_str().unwrap_or_default());
    }
    let hint = |name: &str| tool.get("annotations")?.get(name)?.as_bool();
    // The default of `openWorldHint` is true (MCP, "Tool annotations"): only one that is written says anything.
    let open = match (hint("openWorldHint"), hint("readOnlyHint")) {
        (Some(true), Some(true)) => Classes::UNTRUSTED,
        (Some(true), _) => Classes::UNTRUSTED.with(Classes::SENDS),
        _ => Classes::NONE,
    };
    open.with(keys.classes())
}

#[derive(Default)]
struct Keys {
    addressee: bool,
    to: bool,
    subject: bool,
    content: bool,
    address: bool,
    body: bool,
    webhook: bool,
}

impl Keys {
    fn add(&mut self, key: &str) {
        let key = key.to_ascii_lowercase();
        let is = |list: &[&str]| list.contains(&key.as_str());
        self.addressee |= is(&ADDRESSEES);
        self.to |= is(&TO);
        self.subject |= is(&["subject", "cc", "bcc"]);
        self.content |= is(&CONTENTS);
        self.address |= is(&ADDRESSES);
        self.body |= is(&BODIES);
        self.webhook |= key.contains("webhook");
    }

    fn classes(&self) -> Classes {
        let mail = (self.addressee || self.to && self.subject) && self.content;
        let request = self.address && self.body;
        if mail || request || self.webhook { Classes::SENDS } else { Classes::NONE }
    }
}

enum Verb {
    Send,
    Write,
    Read,
    Browse,
}

fn verb(word: &str) -> Option<Verb> {
    let known =
        [(&SEND[..], Verb::Send), (&BROWSE[..], Verb::Browse), (&READ[..], Verb::Read), (&WRITE[..], Verb::Write)];
    known.into_iter().find_map(|(words, verb)| words.contains(&word).then_some(verb))
}

/// The words of a name in lower case: split at anything but letters and digits, and before a capital letter.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut small = false;
    for character in name.chars().take(MAX_NAME) {
        if !character.is_ascii_alphanumeric() || (character.is_ascii_uppercase() && small) {
            words.push(String::new());
        }
        small = character.is_ascii_lowercase() || character.is_ascii_digit();
        if character.is_ascii_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.push(character.to_ascii_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// A word without the `s` of its plural.
fn singular(word: &str) -> &str {
    match word {
        "news" | "rss" | "sms" | "https" | "address" => word,
        _ if word.len() > 3 && !word.ends_with("ss") => word.strip_suffix('s').unwrap_or(word),
        _ => word,
    }
}

/// Verbs that say it all.
const SEND: [&str; 15] = [
    "send",
    "publish",
    "tweet",
    "upload",
    "notify",
    "broadcast",
    "forward",
    "reply",
    "post",
    "share",
    "invite",
    "transmit",
    "push",
    "retweet",
    "comment",
];
/// Verbs of which it depends on what is written.
const WRITE: [&str; 13] =
    ["create", "add", "write", "update", "edit", "open", "insert", "append", "put", "set", "make", "draft", "schedule"];
/// Verbs of which it depends on what is read.
const READ: [&str; 17] = [
    "get",
    "read",
    "list",
    "search",
    "find",
    "query",
    "load",
    "view",
    "show",
    "lookup",
    "retrieve",
    "export",
    "select",
    "dump",
    "download",
    "check",
    "summarize",
];
/// Verbs of tools that go out to read.
const BROWSE: [&str; 7] = ["fetch", "browse", "scrape", "crawl", "navigate", "google", "visit"];
/// Verbs of tools that neither read nor send: what they name is not their result.
const VERBS_OF_OTHERS: [&str; 13] = [
    "run", "execute", "count", "validate", "format", "convert", "parse", "hash", "encrypt", "move", "rename", "remove",
    "delete",
];
/// What anybody may have written.
const WRITTEN_BY_ANYBODY: [&str; 28] = [
    "web",
    "website",
    "webpage",
    "internet",
    "url",
    "html",
    "rss",
    "feed",
    "news",
    "email",
    "mail",
    "inbox",
    "message",
    "thread",
    "issue",
    "comment",
    "pull",
    "pr",
    "review",
    "ticket",
    "tweet",
    "post",
    "reddit",
    "discussion",
    "attachment",
    "sms",
    "forum",
    "bing",
];
/// What is not everybody's.
const NOT_EVERYBODYS: [&str; 41] = [
    "email",
    "mail",
    "inbox",
    "message",
    "dm",
    "sms",
    "contact",
    "calendar",
    "customer",
    "employee",
    "account",
    "invoice",
    "payment",
    "salary",
    "payroll",
    "crm",
    "patient",
    "medical",
    "database",
    "db",
    "sql",
    "file",
    "document",
    "drive",
    "note",
    "secret",
    "credential",
    "password",
    "vault",
    "env",
    "environment",
    "bank",
    "transaction",
    "balance",
    "private",
    "confidential",
    "internal",
    "personal",
    "transcript",
    "profile",
    "record",
];
/// What others read once it is written.
const PUBLISHED: [&str; 14] = [
    "issue",
    "comment",
    "pull",
    "pr",
    "gist",
    "message",
    "email",
    "mail",
    "tweet",
    "post",
    "webhook",
    "review",
    "discussion",
    "release",
];
/// Members that name who gets a content.
const ADDRESSEES: [&str; 10] = [
    "recipient",
    "recipients",
    "to_email",
    "email_to",
    "to_address",
    "to_addresses",
    "to_emails",
    "recipient_email",
    "phone_number",
    "recipient_id",
];
/// Members that may do so.
const TO: [&str; 3] = ["to", "cc", "bcc"];
/// Members that hold the content.
const CONTENTS: [&str; 9] =
    ["body", "message", "text", "content", "html", "subject", "html_body", "text_body", "payload"];
/// Members that name where a request goes.
const ADDRESSES: [&str; 6] = ["url", "uri", "endpoint", "href", "link", "target_url"];
/// Members that hold what it carries.
const BODIES: [&str; 6] = ["body", "data", "payload", "json", "form", "post_data"];
/// A query this long can carry something out, in bytes.
const LONG_QUERY: usize = 48;
/// Characters of a name that are looked at.
const MAX_NAME: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Document, Limits};

    fn shown(classes: Classes) -> String {
        let letters = [(Classes::PRIVATE, 'p'), (Classes::UNTRUSTED, 'u'), (Classes::SENDS, 's')];
        letters.iter().filter(|(class, _)| classes.meets(*class)).map(|(_, letter)| letter).collect()
    }

    #[test]
    fn names_say_what_tools_do() {
        for (name, wanted) in [
            ("send_email", "s"),
            ("gmail_send_email", "s"),
            ("slack.postMessage", "s"),
            ("create_issue", "s"),
            ("create_pull_request", "s"),
            ("add_comment", "s"),
            ("http_request", "us"),
            ("curl", "us"),
            ("upload_file", "s"),
            ("publish", "s"),
            ("fetch", "u"),
            ("fetch_url", "u"),
            ("browse_web", "u"),
            ("scrape", "u"),
            ("web_search", "u"),
            ("list_issues", "u"),
            ("get_issue", "u"),
            ("read_email", "pu"),
            ("inbox", "pu"),
            ("fetch_customer", "p"),
            ("get_customers", "p"),
            ("read_file", "p"),
            ("query_database", "p"),
            ("customer_records", "p"),
            ("get_post", "u"),
            // What must not be taken for anything.
            ("echo", ""),
            ("add", ""),
            ("delete_file", ""),
            ("write_file", ""),
            ("search_docs", ""),
            ("get_weather", ""),
            ("create_branch", ""),
            ("list_tools", ""),
            ("calculate", ""),
            ("set_address", ""),
            ("validate_email", ""),
            ("deploy", ""),
            ("", ""),
            ("___", ""),
        ] {
            assert_eq!(shown(by_name(name)), wanted, "{name}");
        }
    }

    #[test]
    fn arguments_and_definitions_add() {
        for (arguments, wanted) in [
            (r#"{"to": "a@b.c", "body": "x"}"#, "s"),
            (r#"{"to": "de", "text": "x"}"#, ""),
            (r#"{"recipients": ["x"], "message": "x"}"#, "s"),
            (r#"{"url": "https://x.test/", "body": "x"}"#, "s"),
            (r#"{"url": "https://x.test/"}"#, ""),
            (r#"{"url": "https://x.test/?q=0123456789012345678901234567890123456789012345678901"}"#, "s"),
            (r#"{"url": "https://x.test/", "method": "post"}"#, "s"),
            (r#"{"webhook_url": "x"}"#, "s"),
            (r#"[1]"#, ""),
        ] {
            let document = Document::parse(arguments.as_bytes(), &Limits::default()).unwrap();
            assert_eq!(shown(by_arguments(document.root())), wanted, "{arguments}");
        }
        for (tool, wanted) in [
            (r#"{"name": "x", "annotations": {"openWorldHint": true, "readOnlyHint": true}}"#, "u"),
            (r#"{"name": "x", "annotations": {"openWorldHint": true}}"#, "us"),
            (r#"{"name": "x", "annotations": {"openWorldHint": false}}"#, ""),
            (r#"{"name": "x", "annotations": {"readOnlyHint": true}}"#, ""),
            (r#"{"name": "x", "inputSchema": {"properties": {"to": {}, "subject": {}, "body": {}}}}"#, "s"),
            (r#"{"name": "x", "inputSchema": {"properties": {"to": {}, "text": {}}}}"#, ""),
            (r#"{"name": "x", "annotations": 7, "inputSchema": []}"#, ""),
        ] {
            let document = Document::parse(tool.as_bytes(), &Limits::default()).unwrap();
            assert_eq!(shown(by_definition(document.root())), wanted, "{tool}");
        }
    }
}
