//! `/api/v1/mfa`.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::blocking;
use super::caller::{Caller, Operation};
use super::endpoint::{Call, Created, Nothing};
use super::refusal::Refusal;
use super::types::{Limit, Text};
use crate::mfa::kept::{self, Described, Holder, Kind, Refused};
use crate::mfa::qr;

/// Whose authenticator to enrol.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "NewAuthenticator")]
#[serde(deny_unknown_fields)]
pub(crate) struct New {
    /// The id that the caller has in calls.
    #[schemars(length(min = 1, max = 255), regex(pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*$"))]
    pub(crate) principal: String,
    /// The kind that the caller has in calls.
    #[serde(default)]
    pub(crate) kind: Kind,
}

/// Whose.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct ByHolder {
    pub(crate) kind: Kind,
    #[schemars(length(min = 1, max = 255), regex(pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*$"))]
    pub(crate) principal: String,
}

/// A code that an authenticator shows.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Code {
    /// Six digits.
    #[schemars(regex(pattern = "^[0-9 ]{6,16}$"))]
    pub(crate) code: String,
}

/// Which.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "WhichAuthenticators")]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// Only those behind this one, written as kind:principal
    after: Option<Text>,
    /// At most
    limit: Option<Limit>,
}

/// Authenticators, by kind and principal.
#[derive(Serialize, JsonSchema)]
pub(super) struct Authenticators {
    mfa: Vec<Described>,
}

/// A new authenticator, this once.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Offered {
    pub(crate) principal: String,
    pub(crate) kind: Kind,
    /// Base32 (RFC 4648), to be typed in where nothing can be scanned.
    pub(crate) secret: String,
    /// `otpauth://totp/…`, for the authenticator.
    pub(crate) uri: String,
    /// The same as a QR code for a terminal.
    qr_text: String,
    /// The same as a QR code, PNG in base64.
    pub(crate) qr_png: String,
}

/// What counts in place of codes, each once.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Recovery {
    pub(crate) recovery_codes: Vec<String>,
}

/// Whose authenticator it was.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Holder")]
pub(crate) struct Named {
    principal: String,
    kind: Kind,
}

pub(super) async fn list(call: Call<Nothing, Which>) -> Result<Authenticators, Refusal> {
    let (limit, after) =
        (call.query.limit.unwrap_or(Limit(Limit::MAX)).0, call.query.after.map(|after| after.0).unwrap_or_default());
    let mfa = blocking(move || Ok(kept::list(&call.shared.store, &call.tenant, &after, limit)?));
    Ok(Authenticators { mfa: mfa.await? })
}

pub(crate) async fn enrol(call: Call<Nothing, Nothing, New>) -> Result<Created<Offered>, Refusal> {
    let holder = holder(&call.caller, call.body.kind, &call.body.principal)?;
    blocking(move || {
        let shared = Arc::clone(&call.shared);
        let offer = kept::enrol(&shared.credentials, &call.tenant, &holder, &call.caller.0.person)?;
        Ok(Created(Offered {
            principal: holder.principal().to_owned(),
            kind: call.body.kind,
            secret: offer.secret.to_string(),
            uri: offer.uri.to_string(),
            qr_text: qr::text(&offer.uri)?,
            qr_png: STANDARD.encode(qr::png(&offer.uri)?),
        }))
    })
    .await
}

pub(crate) async fn confirm(call: Call<ByHolder, Nothing, Code>) -> Result<Recovery, Refusal> {
    let holder = holder(&call.caller, call.path.kind, &call.path.principal)?;
    let code: String = call.body.code.chars().filter(|c| *c != ' ').collect();
    blocking(move || {
        let (store, keys) = (&call.shared.store, &call.shared.credentials);
        let recovery_codes = kept::confirm(store, keys, &call.tenant, &holder, &code, &call.caller.0.person)?;
        Ok(Recovery { recovery_codes })
    })
    .await
}

pub(crate) async fn unlock(call: Call<ByHolder>) -> Result<Named, Refusal> {
    let holder = holder(&call.caller, call.path.kind, &call.path.principal)?;
    blocking(move || {
        kept::unlock(&call.shared.store, &call.tenant, &holder, &call.caller.0.person)?;
        Ok(Named { principal: call.path.principal, kind: call.path.kind })
    })
    .await
}

pub(crate) async fn remove(call: Call<ByHolder>) -> Result<Named, Refusal> {
    let holder = holder(&call.caller, call.path.kind, &call.path.principal)?;
    blocking(move || {
        kept::remove(&call.shared.store, &call.tenant, &holder, &call.caller.0.person)?;
        Ok(Named { principal: call.path.principal, kind: call.path.kind })
    })
    .await
}

/// Whose it is, where it is the caller's own, or the caller may do this with everybody's.
fn holder(caller: &Caller, kind: Kind, principal: &str) -> Result<Holder, Refusal> {
    let holder = Holder::new(kind, principal)
        .ok_or_else(|| Refusal::invalid("a principal has 1 to 255 bytes, none of them a control character"))?;
    if !holder.is(&caller.0.person) {
        caller.may(Operation::ManageMfa)?;
    }
    Ok(holder)
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Missing => Self::NotFound,
            Refused::Exists => Self::Conflict("an authenticator is confirmed already; remove it before".to_owned()),
            Refused::Code(checked) => Self::Conflict(checked.reason().to_owned()),
            Refused::Keys(error) => Self::from(error),
            Refused::Store(error) => Self::Store(error),
        }
    }
}
