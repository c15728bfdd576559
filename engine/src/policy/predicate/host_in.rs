//! `host_in`
use super::{Check, Outcome, Problem};
use crate::json::Value;
#[derive(Debug)]
pub(super) struct HostIn;
impl HostIn {
    pub(super) fn new(_: Value<'_>) -> Result<Self, Problem> {
        Ok(Self)
    }
}
impl Check for HostIn {
    fn check(&self, _: Value<'_>, _: &mut usize) -> Outcome {
        Outcome::Unknown
    }
}
