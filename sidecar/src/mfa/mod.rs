//! One-time codes of callers: an authenticator is enrolled for a principal, and rules with `require_mfa` take its codes. A
//! state machine without I/O; time comes in.

pub(crate) mod command;
pub(crate) mod kept;
pub(crate) mod qr;
#[cfg(test)]
mod tests;
pub(crate) mod totp;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::audit::hex;

/// The authenticator of one principal, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Enrolment {
    /// The secret, sealed for this tenant and principal.
    pub(crate) secret: String,
    /// A first code has shown that somebody has the secret: from then on codes count.
    pub(crate) confirmed: bool,
    /// Microseconds since the Unix epoch, as all times here.
    pub(crate) created: u64,
    /// The step of the last code that counted: no code of it or of an earlier one counts again (RFC 6238 section 5.2).
    last_step: u64,
    /// The Admit that it counted for.
    last_admit: String,
    /// Wrong codes since the last right one.
    failures: u32,
    /// Until then no code is looked at.
    pub(crate) locked_until: u64,
    /// Keyed hashes of the recovery codes that are left.
    recovery: Vec<String>,
}

/// What became of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checked {
    /// It was right, and has counted now.
    Right,
    /// It was a recovery code, and is gone now.
    Recovered,
    /// This very Admit has used it before.
    Again,
    /// It was right, and has counted before.
    Used,
    Wrong,
    /// It was wrong, and now no code is looked at for a while.
    WrongAndLocked,
    /// No code is looked at now.
    Locked,
    /// No authenticator is confirmed.
    NotEnrolled,
}

impl Enrolment {
    /// One that waits for its first code.
    pub(crate) fn new(secret: String, now: u64) -> Self {
        Self {
            secret,
            confirmed: false,
            created: now,
            last_step: 0,
            last_admit: String::new(),
            failures: 0,
            locked_until: 0,
            recovery: Vec::new(),
        }
    }

    /// The first code. Where it is right the authenticator counts from now on, and `recovery` are the codes in its place.
    pub(crate) fn confirm(&mut self, secret: &[u8], code: &str, recovery: &[String], now: u64) -> Checked {
        let checked = self.check_code(secret, "", code, now);
        if checked == Checked::Right {
            self.confirmed = true;
            self.recovery = recovery.iter().map(|code| keyed(secret, code)).collect();
        }
        checked
    }

    /// A code of a call. `admit` is the Admit's id: one that is made again gets the same answer.
    pub(crate) fn check(&mut self, secret: &[u8], admit: &str, code: &str, now: u64) -> Checked {
        if !self.confirmed {
            return Checked::NotEnrolled;
        }
        self.check_code(secret, admit, code, now)
    }

    /// Forgets wrong codes.
    pub(crate) fn unlock(&mut self) {
        (self.failures, self.locked_until) = (0, 0);
    }

    /// How many recovery codes are left.
    pub(crate) fn recovery_left(&self) -> usize {
        self.recovery.len()
    }

    fn check_code(&mut self, secret: &[u8], admit: &str, code: &str, now: u64) -> Checked {
        if now < self.locked_until {
            return Checked::Locked;
        }
        if code.len() == RECOVERY_DIGITS {
            let hash = keyed(secret, code);
            if let Some(place) = self.recovery.iter().position(|kept| totp::equal(kept, &hash)) {
                self.recovery.remove(place);
                self.unlock();
                return Checked::Recovered;
            }
            return self.fail(now);
        }
        let current = totp::step(now);
        // All are looked at, so that the time says nothing of which one it was.
        let steps = [current.saturating_sub(1), current, current.saturating_add(1)];
        let matching = steps.map(|step| totp::equal(&totp::code(secret, step), code).then_some(step));
        match matching.into_iter().flatten().max() {
            None => self.fail(now),
            Some(step) if step > self.last_step => {
                (self.last_step, self.last_admit) = (step, admit.to_owned());
                self.unlock();
                Checked::Right
            }
            Some(step) if step == self.last_step && !admit.is_empty() && self.last_admit == admit => Checked::Again,
            Some(_) => Checked::Used,
        }
    }

    fn fail(&mut self, now: u64) -> Checked {
        self.failures = self.failures.saturating_add(1);
        let Some(beyond) = self.failures.checked_sub(MAX_FAILURES) else { return Checked::Wrong };
        let time = FIRST_LOCK_US.checked_shl(beyond.min(16)).unwrap_or(MAX_LOCK_US).min(MAX_LOCK_US);
        self.locked_until = now.saturating_add(time);
        Checked::WrongAndLocked
    }
}

impl Checked {
    /// Whether the call may go on.
    pub(crate) fn counts(self) -> bool {
        matches!(self, Self::Right | Self::Recovered | Self::Again)
    }

    /// For the caller, in one sentence.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Right | Self::Recovered | Self::Again => "the code is right",
            Self::Used => "the code was used before; wait for the next one",
            Self::Wrong => "the code is wrong",
            Self::WrongAndLocked => "the code is wrong, and after so many wrong ones none is taken for a while",
            Self::Locked => "after too many wrong codes none is taken for a while",
            Self::NotEnrolled => "no authenticator is enrolled for this caller",
        }
    }
}

/// Eight random digits, for one use each: what an authenticator shows has six, so the two are never taken for one another.
pub(crate) fn new_recovery_codes() -> Result<Vec<String>, crate::failure::Failure> {
    let mut codes = Vec::new();
    while codes.len() < RECOVERY_CODES {
        let mut bytes = [0; 4];
        crate::secret_file::fill(&mut bytes)?;
        let number = u32::from_be_bytes(bytes);
        // The numbers behind the last full hundred million would make some codes likelier than others.
        if number < u32::MAX - u32::MAX % 100_000_000 {
            codes.push(format!("{:08}", number % 100_000_000));
        }
    }
    Ok(codes)
}

/// What is kept of a recovery code: HMAC-SHA-256 under the secret, which is sealed, since eight digits alone are soon tried out.
fn keyed(secret: &[u8], code: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else { return String::new() };
    mac.update(b"portcullis recovery code 1");
    mac.update(code.as_bytes());
    hex(&mac.finalize().into_bytes())
}

/// Wrong codes after which none is looked at for a while.
const MAX_FAILURES: u32 = 5;
/// That while; each further wrong code doubles it.
const FIRST_LOCK_US: u64 = 60_000_000;
/// The longest.
const MAX_LOCK_US: u64 = 24 * 3600 * 1_000_000;
/// Recovery codes of an enrolment.
const RECOVERY_CODES: usize = 10;
const RECOVERY_DIGITS: usize = 8;
