//! What the filter says to the sidecar (`portcullis serve`), and what its answers mean.
//!
//! Three calls of `portcullis.v1`: before a call of a client goes on, at most one [`AdmitRequest`] (a one-time code, an
//! approval, an intent row on disk, a credential); afterwards the records and what else
//! became of calls, from the [`Outbox`]; and all the time one [`Watch`], which brings what changes. The host makes the calls and brings the answers.

mod credential;
mod lease;
mod message;
mod outbox;
mod settings;
mod told;
mod watch;
pub mod wire;

pub use credential::{Injected, is_header_value, may_be_injected};
pub use message::{
    AdmitRequest, AdmitResponse, ApprovalNeed, AuditRecord, Call, Mfa, MfaNeed, RecordResponse, Verdict,
};
pub use outbox::{Batch, Entry, Full, Outbox, Settled};
pub(crate) use settings::Approvals;
pub use settings::Sidecar;
pub(crate) use told::KILL_SWITCH;
pub use told::{CallerKey, Deed, KEY_PREFIX, Stop, Told, Tool};
pub use watch::{Heard, WAIT_MS, Watch, Watched};

/// The gRPC service.
pub const SERVICE: &str = "portcullis.v1.Portcullis";
