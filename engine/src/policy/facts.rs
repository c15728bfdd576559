//! What the host tells the policy about a request, and what it has to fetch for that.

use crate::json::Value;
use crate::mcp::Capability;

/// Where Envoy routes a request.
#[derive(Clone, Copy, Debug, Default)]
pub struct RouteFacts<'a> {
    /// `:authority` (or `Host`), as received.
    pub authority: &'a str,
    /// `:path` as received, query and all.
    pub path: &'a str,
    /// `xds.route_name`; only where [`FactNeeds::route`] asks for it.
    pub route: Option<&'a str>,
    /// `xds.cluster_name`; only where [`FactNeeds::cluster`] asks for it.
    pub cluster: Option<&'a str>,
}

/// What Envoy verified about the caller. Nothing here may come from a header that a client can set,
/// apart from [`IdentityFacts::key`], which proves itself.
#[derive(Clone, Debug, Default)]
pub struct IdentityFacts<'a> {
    /// Claims of a token that `jwt_authn` verified; `None` where it verified none.
    pub jwt: Option<JwtFacts>,
    /// The client certificate that Envoy verified; `None` without mTLS (`connection.mtls`).
    pub mtls: Option<MtlsFacts<'a>>,
    /// Value of the header [`FactNeeds::key_header`], whole; `None` if absent or sent more than once.
    pub key: Option<&'a str>,
}

/// The claims of a verified token, by our names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JwtFacts {
    /// The principal's id.
    pub id: Option<String>,
    /// Its tenant.
    pub tenant: Option<String>,
    /// Its roles.
    pub roles: Vec<String>,
    /// Its teams.
    pub teams: Vec<String>,
    /// Its kind, as the token spells it.
    pub kind: Option<String>,
    /// The agent profile.
    pub agent: Option<String>,
}

impl JwtFacts {
    /// Takes up one claim as the host found it; one string, or the strings of a list. A list where
    /// one string belongs counts as absent unless it has exactly one element.
    pub fn set(&mut self, claim: Claim, values: Vec<String>) {
        let single = |values: Vec<String>| {
            let mut values = values.into_iter();
            let first = values.next();
            if values.next().is_some() { None } else { first }
        };
        match claim {
            Claim::Id => self.id = single(values),
            Claim::Tenant => self.tenant = single(values),
            Claim::Roles => self.roles = values,
            Claim::Teams => self.teams = values,
            Claim::Kind => self.kind = single(values),
            Claim::Agent => self.agent = single(values),
        }
    }
}

/// The verified client certificate.
#[derive(Clone, Copy, Debug, Default)]
pub struct MtlsFacts<'a> {
    /// `connection.uri_san_peer_certificate`
    pub uri_san: Option<&'a str>,
    /// `connection.dns_san_peer_certificate`
    pub dns_san: Option<&'a str>,
    /// `connection.subject_peer_certificate`
    pub subject: Option<&'a str>,
}

/// What the host has to fetch for this policy; nothing else is looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FactNeeds {
    /// `xds.route_name`
    pub route: bool,
    /// `xds.cluster_name`
    pub cluster: bool,
    /// Claims in the metadata of `envoy.filters.http.jwt_authn`.
    pub jwt: Option<JwtNeeds>,
    /// The client certificate's names.
    pub mtls: bool,
    /// The request header that carries a static key, in lower case.
    pub key_header: Option<String>,
}

/// The claims to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwtNeeds {
    /// Key of the payload within the metadata namespace.
    pub payload: String,
    /// Our name of each claim, and the path to it within the payload, segment by segment.
    pub claims: Vec<(Claim, Vec<String>)>,
}

/// Our names of claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The principal's id; a token without it identifies nobody.
    Id,
    /// Its tenant.
    Tenant,
    /// Its roles (a list).
    Roles,
    /// Its teams (a list).
    Teams,
    /// Its kind.
    Kind,
    /// The agent profile.
    Agent,
}

/// One message to decide.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Name of the server, as [`super::Policy::server`] found it.
    pub server: &'a str,
    /// The MCP method.
    pub method: &'a str,
    /// What the method makes use of.
    pub capability: Capability,
    /// The tool's name, the resource's URI, the prompt's name; `None` for methods without one.
    pub name: Option<&'a str>,
    /// What predicates look at: `params.arguments` of `tools/call` and `prompts/get`, `params` of
    /// every other method; `None` where absent.
    pub arguments: Option<Value<'a>>,
}
