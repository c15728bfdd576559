//! Credentials of servers: sealed at rest, given out by connection grants alone.

pub(crate) mod outgoing;
pub(crate) mod seal;
