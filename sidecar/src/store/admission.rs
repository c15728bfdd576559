//! What an Admit asks of the store, in one transaction: a one-time code, the intent row, an approval.

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::tables::By;
use super::tx::Work;
use super::{Admitted, NewRecord, StoreError};
use crate::approvals::{Ask, State};
use crate::mfa::Checked;
use crate::mfa::kept::{self, Holder, Opened};

/// What an Admit asks.
#[derive(Default)]
pub(crate) struct Admission {
    /// The Admit's id.
    pub(crate) admit: String,
    /// The one-time code that must count before anything else is looked at.
    pub(crate) code: Option<Second>,
    /// What must be on disk before the call goes on.
    pub(crate) intent: Option<NewRecord>,
    /// The approval that it needs, and in how many microseconds a new one expires.
    pub(crate) ask: Option<(Ask, u64)>,
    /// The hash of the state that the client came back with.
    pub(crate) returned: Option<String>,
}

/// A one-time code of a call.
pub(crate) struct Second {
    pub(crate) holder: Holder,
    /// The holder's secret, where one is enrolled.
    pub(crate) opened: Option<Opened>,
    pub(crate) code: Zeroizing<String>,
    /// Which call it is for, as records say it.
    pub(crate) details: Map<String, Value>,
}

/// The answer.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The code does not count.
    Code(Checked),
    /// The state is none of this call, or was used.
    Stale,
    /// Nothing is in the way, and no approval was asked for.
    Free,
    /// How it is with the approval.
    Asked(Box<Admitted>),
}

impl Work<'_> {
    /// Answers an Admit. A code that does not count is an answer, too: the transaction stands, and so its failures count.
    pub(super) fn admission(&mut self, admission: Admission) -> Result<Outcome, StoreError> {
        let Admission { admit, code, intent, ask, returned } = admission;
        let (mut back, mut verified) = (None, false);
        if let (Some((ask, _)), Some(hash)) = (&ask, &returned) {
            let Some(mut approval) = self.one(By::Call(&ask.key(self.tenant)))? else { return Ok(Outcome::Stale) };
            let Some(mfa) = approval.take_state(hash, &admit, self.now) else { return Ok(Outcome::Stale) };
            self.save(&approval)?;
            (back, verified) = (Some(approval), mfa);
        }
        if let Some(Second { holder, opened, code, details }) = code.filter(|_| !verified) {
            let checked = kept::verify(self, &holder, opened.as_ref(), &admit, &code, details)?;
            if !checked.counts() {
                return Ok(Outcome::Code(checked));
            }
        }
        if let Some(intent) = intent {
            self.append(vec![intent])?;
        }
        let Some((ask, expires_in)) = ask else { return Ok(Outcome::Free) };
        let admitted = match back {
            Some(approval) => self.answer(approval, &admit)?,
            None => self.admit(&admit, ask, expires_in)?,
        };
        Ok(Outcome::Asked(Box::new(admitted)))
    }

    /// Notes a state that the client of a pending approval is given.
    pub(super) fn give_state(&mut self, id: &str, hash: String, mfa: bool) -> Result<bool, StoreError> {
        let Some(mut approval) = self.one(By::Id(id))?.filter(|found| found.state == State::Pending) else {
            return Ok(false);
        };
        approval.give_state(hash, mfa, self.now);
        self.save(&approval)?;
        Ok(true)
    }
}
