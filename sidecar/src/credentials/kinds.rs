//! What a credential is: what may be known of it, and what is sealed.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// A credential as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Credential {
    /// Unique in its tenant: 1 to 64 of `[0-9A-Za-z._-]`.
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// The one principal that may use it; `None`: whoever has a grant.
    pub(crate) owner: Option<Owner>,
    /// What is secret, sealed.
    pub(crate) sealed: String,
    /// Changes with what is sealed.
    pub(crate) revision: u64,
    /// Renewing it.
    pub(crate) renewal: Renewal,
    pub(crate) created: u64,
    pub(crate) created_by: String,
    /// When somebody last replaced the secret, microseconds since the Unix epoch.
    pub(crate) changed: u64,
}

/// Which of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Kind {
    /// Headers whose values are the secret.
    Headers { names: Vec<String> },
    /// One key, in a header, behind a prefix.
    ApiKey { header: String, prefix: String },
    /// RFC 6749 section 4.4.
    ClientCredentials { oauth: OAuth },
    /// RFC 6749 section 6, with a refresh token that somebody brought.
    RefreshToken { oauth: OAuth },
    /// RFC 6749 section 4.1 with PKCE (RFC 7636): somebody is sent to the authorization server once.
    AuthorizationCode { oauth: OAuth, authorize_url: String, redirect_uri: String },
}

/// Where tokens come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OAuth {
    pub(crate) token_url: String,
    pub(crate) client_id: String,
    pub(crate) client_auth: ClientAuth,
    /// Asked for where a grant names none.
    pub(crate) scopes: Vec<String>,
    /// RFC 8707.
    pub(crate) resource: Option<String>,
    /// As some servers want it in place of a resource.
    pub(crate) audience: Option<String>,
}

/// How the client proves itself (RFC 6749 section 2.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub(crate) enum ClientAuth {
    /// HTTP Basic
    #[default]
    Basic,
    /// In the body
    Post,
    /// A public client
    None,
}

/// Whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Owner {
    /// human, agent, service, workflow; empty: any.
    #[serde(default)]
    pub(crate) kind: String,
    pub(crate) id: String,
}

/// Renewing goes on in one place at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Renewal {
    /// Who renews now; empty: nobody.
    pub(crate) lease: String,
    /// Until when, microseconds since the Unix epoch: whoever was killed does not hold it for ever.
    pub(crate) lease_until: u64,
    /// When it last failed; 0: it did not.
    pub(crate) failed_at: u64,
    /// The error's code, without content.
    pub(crate) failure: String,
}

/// What is sealed. Overwritten when it is dropped.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Secret {
    /// Values of headers, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) headers: BTreeMap<String, Zeroizing<String>>,
    /// The API key, or the client's secret.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) value: Zeroizing<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) refresh_token: Zeroizing<String>,
    /// Access tokens by the scopes they were asked for.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) tokens: BTreeMap<String, Token>,
    /// An authorization that somebody was sent to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pending: Option<Pending>,
}

/// An access token.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Token {
    pub(crate) access: Zeroizing<String>,
    /// From when on it is renewed, microseconds since the Unix epoch.
    pub(crate) renew: u64,
    /// When it ends, microseconds since the Unix epoch.
    pub(crate) expires: u64,
}

/// An authorization under way.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pending {
    pub(crate) state: Zeroizing<String>,
    /// RFC 7636 section 4.1.
    pub(crate) verifier: Zeroizing<String>,
    pub(crate) until: u64,
}

// === impl Kind ===

impl Kind {
    /// Its name.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Headers { .. } => "headers",
            Self::ApiKey { .. } => "api_key",
            Self::ClientCredentials { .. } => "client_credentials",
            Self::RefreshToken { .. } => "refresh_token",
            Self::AuthorizationCode { .. } => "authorization_code",
        }
    }

    /// Where its tokens come from; `None` where it has none.
    pub(crate) fn oauth(&self) -> Option<&OAuth> {
        match self {
            Self::Headers { .. } | Self::ApiKey { .. } => None,
            Self::ClientCredentials { oauth }
            | Self::RefreshToken { oauth }
            | Self::AuthorizationCode { oauth, .. } => Some(oauth),
        }
    }
}

// === impl Secret ===

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Whether a text can be the name of a credential.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}
