//! Credentials of servers: sealed at rest, given out by connection grants alone.

pub(crate) mod command;
mod forms;
pub(crate) mod grants;
mod kept;
pub(crate) mod kinds;
mod oauth;
pub(crate) mod outgoing;
mod resolve;
pub(crate) mod rotate;
pub(crate) mod seal;
pub(crate) mod service;
#[cfg(test)]
mod tests;

pub(crate) use resolve::{Given, Missing};
pub(crate) use service::{Credentials, New, NewGrant, Refused};
