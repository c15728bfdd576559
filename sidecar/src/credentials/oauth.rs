//! Token endpoints (RFC 6749) and authorization requests with PKCE (RFC 7636).

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

use super::forms::MIN_SECRET;
use super::kinds::{ClientAuth, OAuth, Token};
use super::outgoing::{Outgoing, Unreachable};

/// What proves that we may have a token.
pub(super) enum Proof<'a> {
    /// The client's own secret.
    Client,
    /// A refresh token.
    Refresh(&'a str),
    /// An authorization code, with the verifier that belongs to it.
    Code { code: &'a str, verifier: &'a str, redirect_uri: &'a str },
}

/// What a token endpoint gave.
pub(super) struct Given {
    pub(super) token: Token,
    /// In place of the one that was used.
    pub(super) refresh_token: Option<Zeroizing<String>>,
}

/// Asks for a token. `Err` is a code without content: that of the endpoint (RFC 6749 section 5.2) or our own.
pub(super) fn ask(
    outgoing: &Outgoing,
    oauth: &OAuth,
    client_secret: &str,
    proof: &Proof<'_>,
    scope: &str,
    now: u64,
) -> Result<Given, String> {
    let mut form = Form::default();
    match proof {
        Proof::Client => form.push("grant_type", "client_credentials"),
        Proof::Refresh(token) => {
            form.push("grant_type", "refresh_token");
            form.push("refresh_token", token);
        }
        Proof::Code { code, verifier, redirect_uri } => {
            form.push("grant_type", "authorization_code");
            form.push("code", code);
            form.push("code_verifier", verifier);
            form.push("redirect_uri", redirect_uri);
        }
    }
    // The scope of a code was settled when it was given (section 4.1.3).
    if !scope.is_empty() && !matches!(proof, Proof::Code { .. }) {
        form.push("scope", scope);
    }
    for (name, value) in [("resource", &oauth.resource), ("audience", &oauth.audience)] {
        if let Some(value) = value {
            form.push(name, value);
        }
    }
    let mut headers = vec![("content-type", "application/x-www-form-urlencoded"), ("accept", "application/json")];
    let mut basic = Zeroizing::new(String::new());
    match oauth.client_auth {
        ClientAuth::Basic => {
            let pair = Zeroizing::new(format!("{}:{}", form_encoded(&oauth.client_id), form_encoded(client_secret)));
            *basic = format!("Basic {}", STANDARD.encode(pair.as_bytes()));
            headers.push(("authorization", &basic));
        }
        ClientAuth::Post => {
            form.push("client_id", &oauth.client_id);
            form.push("client_secret", client_secret);
        }
        ClientAuth::None => form.push("client_id", &oauth.client_id),
    }
    let reply = outgoing.post(&oauth.token_url, &headers, form.0.as_bytes()).map_err(|error| match error {
        Unreachable::Address(_) => "address_refused".to_owned(),
        Unreachable::Failed(_) => "endpoint_unreachable".to_owned(),
    })?;
    let mut answer: Answer = serde_json::from_slice(reply.body.expose()).unwrap_or_default();
    if reply.status != 200 {
        let code = std::mem::take(&mut answer.error);
        let fit = (1..=40).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        return Err(if fit { code } else { format!("endpoint_answered_{}", reply.status) });
    }
    let access = std::mem::take(&mut answer.access_token);
    if !answer.token_type.eq_ignore_ascii_case("bearer") {
        return Err("token_is_no_bearer".to_owned());
    }
    if access.len() < MIN_SECRET || access.len() > MAX_TOKEN || !access.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("token_is_none".to_owned());
    }
    let seconds = answer.expires_in.unwrap_or(UNKNOWN_S).clamp(1, MAX_S);
    let early = (seconds / 5).min(EARLY_S);
    let token = Token {
        access,
        renew: now.saturating_add((seconds - early) * 1_000_000),
        expires: now.saturating_add(seconds * 1_000_000),
    };
    let refresh = std::mem::take(&mut answer.refresh_token);
    Ok(Given { token, refresh_token: (!refresh.is_empty()).then_some(refresh) })
}

/// Where a person is sent to give an authorization code (RFC 6749 section 4.1.1).
pub(super) fn authorization_url(
    authorize_url: &str,
    oauth: &OAuth,
    redirect_uri: &str,
    state: &str,
    verifier: &str,
) -> String {
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
    let mut form = Form::default();
    form.push("response_type", "code");
    form.push("client_id", &oauth.client_id);
    form.push("redirect_uri", redirect_uri);
    form.push("state", state);
    form.push("code_challenge", &challenge);
    form.push("code_challenge_method", "S256");
    if !oauth.scopes.is_empty() {
        form.push("scope", &oauth.scopes.join(" "));
    }
    if let Some(resource) = &oauth.resource {
        form.push("resource", resource);
    }
    let separator = if authorize_url.contains('?') { '&' } else { '?' };
    format!("{authorize_url}{separator}{}", form.0.as_str())
}

/// 256 random bits in 43 characters: a verifier (RFC 7636 section 4.1), a state.
pub(super) fn random() -> Option<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).ok()?;
    Some(URL_SAFE_NO_PAD.encode(bytes))
}

/// `application/x-www-form-urlencoded`, overwritten when it is dropped.
#[derive(Default)]
struct Form(Zeroizing<String>);

impl Form {
    fn push(&mut self, name: &str, value: &str) {
        if !self.0.is_empty() {
            self.0.push('&');
        }
        self.0.push_str(name);
        self.0.push('=');
        let mut value = form_encoded(value);
        self.0.push_str(&value);
        value.zeroize();
    }
}

/// Every byte but the unreserved ones in percent form, which readers of forms understand as well.
fn form_encoded(text: &str) -> String {
    crate::client::encoded(text)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer {
    access_token: Zeroizing<String>,
    token_type: String,
    #[serde(deserialize_with = "seconds")]
    expires_in: Option<u64>,
    refresh_token: Zeroizing<String>,
    error: String,
}

/// A number, also where it is written as a text or with decimals.
fn seconds<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    let text = value.as_str().map(str::to_owned).unwrap_or_else(|| value.to_string());
    Ok(text.split('.').next().and_then(|whole| whole.parse().ok()))
}

const MAX_TOKEN: usize = 12 << 10;
/// Of a token that does not say how long it is good.
const UNKNOWN_S: u64 = 300;
const MAX_S: u64 = 366 * 86_400;
/// How long before its end a token is renewed; of short ones a fifth.
const EARLY_S: u64 = 60;
