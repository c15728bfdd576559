//! What the filter says to the sidecar (`portcullis serve`), and what its answers mean.
//!
//! Two calls of `portcullis.v1`: before a call of a client goes on, at most one [`AdmitRequest`] (a one-time code, an
//! approval, an intent row on disk); afterwards the records, from the [`Outbox`]. The host makes the calls and brings the answers.

mod message;
mod outbox;
mod settings;
pub mod wire;

pub use message::{
    AdmitRequest, AdmitResponse, ApprovalNeed, AuditRecord, Call, Mfa, MfaNeed, RecordResponse, Verdict,
};
pub use outbox::{Batch, Full, Outbox, Settled};
pub(crate) use settings::Approvals;
pub use settings::Sidecar;

/// The gRPC service.
pub const SERVICE: &str = "portcullis.v1.Portcullis";
