//! The contract with the filter, `portcullis.v1`, as Rust. `portcullis.v1.rs` is generated from `proto/`; the test
//! `proto` says when it is out of date and writes it anew.

#[allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated")]
#[rustfmt::skip]
#[path = "portcullis.v1.rs"]
mod generated;

pub(crate) use generated::*;

/// The version of the contract that this sidecar speaks.
pub(crate) const CONTRACT: u32 = 1;
