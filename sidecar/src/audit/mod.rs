//! The audit log that can be proved: what a row is, how rows are chained and signed, and how a chain is verified.
//! Where rows are kept is `store`'s business.

pub(crate) mod action;
pub(crate) mod command;
mod key;
mod record;
mod row;
mod statement;
pub(crate) mod table;
mod verify;

pub(crate) use key::{AuditKey, PublicKey};
pub(crate) use record::{Refused, canonical, is_id};
pub(crate) use row::{Hash, Row, hex, unhex, unhex_all};
pub(crate) use statement::{Kind, Signed, Statement};
#[cfg(test)]
pub(crate) use verify::Fault;
pub(crate) use verify::{Outcome, Verifier};
