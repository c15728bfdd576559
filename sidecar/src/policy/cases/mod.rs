//! Cases: calls with the decision that is expected of a policy, in YAML or JSON.
//!
//! The format is described in `docs/policy/cases.md`. It is read by `policy test`, by `policy diff`, by the tests of
//! this repository and by the end-to-end tests, which send the same calls through Envoy.

mod read;
mod run;

use std::path::PathBuf;
use std::time::Duration;

use portcullis_engine::principal::Principal;

use crate::source::{Node, Place};

pub(super) use read::read;
pub(super) use run::{Bench, Outcome};

/// A file of cases.
pub(super) struct Suite {
    pub(super) policy: PolicySource,
    /// The environment to build the policy for.
    pub(super) environment: Option<String>,
    pub(super) cases: Vec<Case>,
}

/// Where the policy of a suite comes from.
pub(super) enum PolicySource {
    /// The command line has to say.
    Unnamed,
    /// A file, as seen from the working directory.
    File(PathBuf),
    /// It stands in the suite itself.
    Inline(Node),
}

/// Calls made one after the other, on a firewall that has seen nothing yet.
pub(super) struct Case {
    pub(super) name: String,
    pub(super) steps: Vec<Step>,
}

/// One call and what is expected of it.
pub(super) struct Step {
    pub(super) place: Option<Place>,
    pub(super) principal: Principal,
    /// The policy's first server where the case says nothing.
    pub(super) server: Option<String>,
    pub(super) sent: Sent,
    pub(super) headers: Vec<(String, String)>,
    /// Time that passes before the call.
    pub(super) after: Duration,
    /// How often the call is made; the expectation is that of the last time.
    pub(super) repeat: u64,
    pub(super) upstream: Upstream,
    pub(super) expect: Expect,
}

impl Step {
    /// A call without anything expected of it.
    pub(super) fn call(
        principal: Principal,
        server: Option<String>,
        method: &str,
        name: Option<&str>,
        params: String,
    ) -> Self {
        Self {
            place: None,
            principal,
            server,
            sent: Sent::Message { method: method.to_owned(), name: name.map(str::to_owned), params },
            headers: Vec::new(),
            after: Duration::ZERO,
            repeat: 1,
            upstream: Upstream::Nothing,
            expect: Expect::default(),
        }
    }
}

/// What travels.
pub(super) enum Sent {
    /// A request of the client, or of the server where the method is one of its own.
    Message {
        method: String,
        /// The tool, resource or prompt.
        name: Option<String>,
        /// The member `params` as JSON; `{}` without any.
        params: String,
    },
    /// A body as it stands.
    Body(String),
}

/// What the server answers.
pub(super) enum Upstream {
    /// The usual empty answer to the method.
    Nothing,
    /// This result, as JSON.
    Result(String),
    /// This error object, as JSON.
    Error(String),
    /// An HTTP status without a body.
    Status(u16),
}

/// What is expected; what is left out may be anything.
#[derive(Default)]
pub(super) struct Expect {
    pub(super) decision: Option<String>,
    pub(super) rule: Option<String>,
    pub(super) reason: Option<String>,
    /// The answer says that the tool, resource or prompt does not exist.
    pub(super) hidden: Option<bool>,
    /// What shadow mode recorded: `none`, or a decision, perhaps with `by` and a rule.
    pub(super) shadow: Option<String>,
    /// `scanner/rule` of all findings.
    pub(super) findings: Option<Vec<String>>,
    /// JSON Pointers of all that was redacted.
    pub(super) redacted: Option<Vec<String>>,
    /// Names of the list that the client sees.
    pub(super) listed: Option<Vec<String>>,
    /// Labels that the record names.
    pub(super) taint: Option<Vec<String>>,
    /// Texts that the client's answer holds.
    pub(super) answer_holds: Vec<String>,
    /// Texts that it does not hold.
    pub(super) answer_lacks: Vec<String>,
    /// Texts that the message holds as the server sees it.
    pub(super) forwarded_holds: Vec<String>,
    /// Texts that it does not hold.
    pub(super) forwarded_lacks: Vec<String>,
}
