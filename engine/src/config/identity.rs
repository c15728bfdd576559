//! How a verified identity becomes a principal.

use serde::Serialize;

use super::Settings;

use crate::principal::PrincipalKind;

/// Where identity comes from. The first source that verified somebody is used: JWT, key, mTLS. Where there is a sidecar,
/// the keys that it made for callers count as well: as `Bearer` in `authorization`, and in the header that `keys` names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct IdentityConfig {
    /// True: an anonymous request is answered 401.
    pub required: bool,
    /// Claims of a token that Envoy's `jwt_authn` filter verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwt: Option<JwtConfig>,
    /// Peers by their client certificate; the first entry that fits is used.
    pub mtls: Vec<MtlsEntry>,
    /// Static keys, known by their SHA-256 only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<KeysConfig>,
}

/// Claims of a token that Envoy's `jwt_authn` filter verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct JwtConfig {
    /// The provider's `payload_in_metadata`: the key under which the claims lie in the metadata.
    pub payload: String,
    /// Which claim says what.
    #[serde(default)]
    pub claims: JwtClaims,
    /// The kind of a principal whose token has no `kind` claim.
    #[serde(default = "human")]
    pub default_kind: PrincipalKind,
}

/// Which claim says what; dots lead into nested objects (`realm.roles`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct JwtClaims {
    /// The principal's id. A token without it identifies nobody.
    pub id: String,
    /// Its tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Its roles: a list, or one string.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roles: Option<String>,
    /// Its teams: a list, or one string.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub teams: Option<String>,
    /// Its kind: `human`, `agent`, `service` or `workflow`. A token with another value identifies nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The agent profile it acts through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
}

impl Default for JwtClaims {
    fn default() -> Self {
        Self { id: "sub".to_owned(), tenant: None, roles: None, teams: None, kind: None, agent: None }
    }
}

/// A peer by its client certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MtlsEntry {
    /// Glob of the certificate's URI SAN, or its DNS SAN; of its subject where it has neither.
    pub san: String,
    /// What kind of principal this is.
    #[serde(default = "service")]
    pub kind: PrincipalKind,
    /// Its id; the name that fitted `san` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Its roles.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Its teams.
    #[serde(default)]
    pub teams: Vec<String>,
    /// The agent profile it acts through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
}

/// Static keys, known by their SHA-256 only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct KeysConfig {
    /// The request header that carries the key; with `authorization` as `Bearer <key>`.
    #[serde(default = "authorization")]
    pub header: String,
    /// The keys; none where all are made at the sidecar.
    #[serde(default)]
    pub entries: Vec<KeyEntry>,
}

/// A static key and whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct KeyEntry {
    /// SHA-256 of the key, 64 hexadecimal digits. Keys must be random (128 bits or more).
    pub sha256: String,
    /// The principal's id.
    pub id: String,
    /// What kind of principal this is.
    #[serde(default = "service")]
    pub kind: PrincipalKind,
    /// Its tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Its roles.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Its teams.
    #[serde(default)]
    pub teams: Vec<String>,
    /// The agent profile it acts through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
}

fn human() -> PrincipalKind {
    PrincipalKind::Human
}

fn service() -> PrincipalKind {
    PrincipalKind::Service
}

fn authorization() -> String {
    "authorization".to_owned()
}
