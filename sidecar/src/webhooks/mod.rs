//! Webhooks: others are told of approvals, in JSON that chats accept, signed by the Standard Webhooks scheme.

pub(crate) mod payload;
pub(crate) mod queue;
pub(crate) mod sign;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::audit::action::Action;
use crate::failure::Failure;
use crate::secret_file;
use sign::Secret;

/// A webhook as it is configured.
#[derive(Debug)]
pub(crate) struct Hook {
    /// Unique; in audit records.
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) secret: Secret,
    pub(crate) events: Vec<Event>,
    pub(crate) format: Format,
    /// Only approvals of this tenant; `None`: of all.
    tenant: Option<String>,
    /// The name of the token as whose owner the one-time links of this webhook decide; `None`: it gets no links.
    pub(crate) decides_as: Option<String>,
}

/// What a webhook is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Event {
    #[serde(rename = "approval.requested")]
    Requested,
    /// Enough people approved, or one refused.
    #[serde(rename = "approval.decided")]
    Decided,
    #[serde(rename = "approval.expired")]
    Expired,
}

/// The JSON that the receiver reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Format {
    /// All that the API tells.
    #[default]
    Generic,
    /// Block Kit of Slack's incoming webhooks.
    Slack,
    /// An Adaptive Card in a message, as Teams takes it.
    Teams,
}

/// The file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    webhooks: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    url: String,
    /// Relative to the file.
    secret_file: PathBuf,
    #[serde(default = "requested")]
    events: Vec<Event>,
    #[serde(default)]
    format: Format,
    tenant: Option<String>,
    decides_as: Option<String>,
}

/// Reads the webhooks of a file; secrets that are not there yet are made.
pub(crate) fn read(path: &Path) -> Result<Vec<Hook>, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| Failure::file(path, error))?;
    let file: File = serde_json::from_str(&text).map_err(|error| Failure::file(path, error))?;
    let mut hooks: Vec<Hook> = Vec::new();
    for entry in file.webhooks {
        let refuse = |what: &str| Err(Failure::file(path, format!("webhook `{}`: {what}", entry.name)));
        let named =
            |name: &str| !name.is_empty() && name.len() <= 64 && name.bytes().all(|byte| byte.is_ascii_graphic());
        if !named(&entry.name) {
            return refuse("its name must have 1 to 64 visible ASCII characters");
        }
        if hooks.iter().any(|hook| hook.name == entry.name) {
            return refuse("the name is taken by another one");
        }
        if entry.events.is_empty() {
            return refuse("it is told of nothing: name some `events`");
        }
        let file = path.parent().unwrap_or(Path::new(".")).join(&entry.secret_file);
        let secret = Secret::parse(&secret_file::open_or_make(&file, Secret::new_text)?)
            .ok_or_else(|| Failure::file(&file, "is no secret: write `whsec_` and 24 to 64 bytes in base64"))?;
        let Entry { name, url, events, format, tenant, decides_as, .. } = entry;
        hooks.push(Hook { name, url, secret, events, format, tenant, decides_as });
    }
    if hooks.len() > MAX_HOOKS {
        return Err(Failure::file(path, format!("has more than {MAX_HOOKS} webhooks")));
    }
    Ok(hooks)
}

impl Hook {
    /// Whether it is told of this.
    pub(crate) fn wants(&self, tenant: &str, event: Event) -> bool {
        self.tenant.as_deref().is_none_or(|own| own == tenant) && self.events.contains(&event)
    }
}

impl Event {
    /// What an action tells webhooks.
    pub(crate) fn of(action: Action) -> Option<Self> {
        match action {
            Action::ApprovalRequested => Some(Self::Requested),
            Action::ApprovalApproved | Action::ApprovalDenied => Some(Self::Decided),
            Action::ApprovalExpired => Some(Self::Expired),
            _ => None,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "approval.requested",
            Self::Decided => "approval.decided",
            Self::Expired => "approval.expired",
        }
    }
}

fn requested() -> Vec<Event> {
    vec![Event::Requested]
}

/// Each event of an approval is kept once for each of them until it is delivered.
const MAX_HOOKS: usize = 16;

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn reads_a_file_and_makes_secrets() {
        let directory = std::env::temp_dir().join(format!("portcullis-webhooks-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let path = directory.join("webhooks.json");
        let with = |text: &str| {
            fs::write(&path, format!(r#"{{"webhooks":[{text}]}}"#)).unwrap();
            read(&path)
        };
        let one = r#"{"name":"ops","url":"https://hooks.test/x","secret_file":"ops.secret","tenant":"acme"}"#;
        let hooks = with(one).unwrap();
        let [hook] = &hooks[..] else { panic!("{hooks:?}") };
        assert!(hook.wants("acme", Event::Requested) && !hook.wants("acme", Event::Decided));
        assert!(!hook.wants("other", Event::Requested));
        let text = fs::read_to_string(directory.join("ops.secret")).unwrap();
        assert!(text.starts_with("whsec_") && !format!("{hook:?}").contains(text.trim()));
        for (bad, expected) in [
            (format!("{one},{one}"), "the name is taken"),
            (one.replace("ops\"", "\""), "its name must"),
            (one.replace("\"tenant\"", "\"tennant\""), "unknown field `tennant`"),
            (one.replace("\"tenant\":\"acme\"", "\"events\":[]"), "it is told of nothing"),
            (one.replace("\"tenant\":\"acme\"", "\"events\":[\"x\"]"), "unknown variant"),
        ] {
            let error = with(&bad).unwrap_err().to_string();
            assert!(error.contains(expected), "{bad}: {error}");
        }
        fs::write(directory.join("ops.secret"), "x".repeat(40)).unwrap();
        assert!(with(one).unwrap_err().to_string().contains("is no secret"));
        fs::remove_dir_all(&directory).unwrap();
    }
}
