//! AWS KMS by its JSON API (`TrentService.Encrypt`, `TrentService.Decrypt`).

use std::env;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::sigv4::{self, Request, Signer};
use super::{Context, Kek, KekError};
use crate::clock;
use crate::credentials::outgoing::Outgoing;
use crate::credentials::seal::Plain;
use crate::failure::Failure;

/// A symmetric key of KMS.
pub(super) struct Kms {
    arn: String,
    region: String,
    /// `https://HOST[:PORT]`.
    endpoint: String,
    access_key: String,
    secret_key: Zeroizing<String>,
    session: Option<Zeroizing<String>>,
    outgoing: Arc<Outgoing>,
}

impl Kms {
    /// A key by its ARN, with the credentials of the environment: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`,
    /// `AWS_SESSION_TOKEN`. `AWS_ENDPOINT_URL_KMS` names another endpoint (AWS SDKs' "Service-specific endpoints").
    pub(super) fn from_environment(arn: &str, outgoing: Arc<Outgoing>) -> Result<Self, Failure> {
        let mut parts = arn.split(':');
        let fits = parts.next() == Some("arn") && parts.next().is_some() && parts.next() == Some("kms");
        let region = parts.next().filter(|region| {
            fits && !region.is_empty() && region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        });
        let region = region.ok_or_else(|| {
            Failure::new(format!("{arn}: a key of KMS looks like arn:aws:kms:eu-central-1:111122223333:key/…"))
        })?;
        let set = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let needed =
            |name: &str| set(name).ok_or_else(|| Failure::new(format!("AWS KMS needs {name} in the environment")));
        let endpoint = set("AWS_ENDPOINT_URL_KMS").unwrap_or_else(|| format!("https://kms.{region}.amazonaws.com"));
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        outgoing.check(&endpoint).map_err(|error| Failure::new(format!("{endpoint}: {error}")))?;
        Ok(Self {
            arn: arn.to_owned(),
            region: region.to_owned(),
            endpoint,
            access_key: needed("AWS_ACCESS_KEY_ID")?,
            secret_key: Zeroizing::new(needed("AWS_SECRET_ACCESS_KEY")?),
            session: set("AWS_SESSION_TOKEN").map(Zeroizing::new),
            outgoing,
        })
    }

    fn call(&self, action: &str, context: &Context<'_>, name: &str, value: &str) -> Result<Value, KekError> {
        let bound = json!({"portcullis:tenant": context.tenant, "portcullis:version": context.version.to_string()});
        let body = Zeroizing::new(json!({"KeyId": self.arn, name: value, "EncryptionContext": bound}).to_string());
        let date = date(clock::now());
        let host = self.endpoint.split_once("://").map_or("", |(_, host)| host);
        let target = format!("TrentService.{action}");
        let mut headers = vec![("content-type", "application/x-amz-json-1.1"), ("host", host), ("x-amz-date", &date)];
        if let Some(session) = &self.session {
            headers.push(("x-amz-security-token", session));
        }
        headers.push(("x-amz-target", &target));
        let request = Request { method: "POST", path: "/", query: "", headers: &headers, body: body.as_bytes() };
        let signer =
            Signer { access_key: &self.access_key, secret_key: &self.secret_key, region: &self.region, service: "kms" };
        let authorization = sigv4::authorization(&signer, &request).ok_or_else(|| KekError::new("no date to sign"))?;
        // The client writes the host itself.
        headers.retain(|(name, _)| *name != "host");
        headers.push(("authorization", &authorization));
        let reply = self
            .outgoing
            .post(&format!("{}/", self.endpoint), &headers, body.as_bytes())
            .map_err(|error| KekError::new(format!("AWS KMS: {error}")))?;
        if reply.status != 200 {
            return Err(KekError::new(format!("AWS KMS answers {} to {action}", reply.status)));
        }
        serde_json::from_slice(reply.body.expose()).map_err(|_| KekError::new("the answer of AWS KMS is no JSON"))
    }
}

impl Kek for Kms {
    fn id(&self) -> String {
        format!("aws-kms:{}", self.arn.replace('.', "-"))
    }

    fn knows(&self, id: &str) -> bool {
        id == self.id()
    }

    fn wrap(&self, context: &Context<'_>, plain: &[u8]) -> Result<String, KekError> {
        let plain = Zeroizing::new(STANDARD.encode(plain));
        let answer = self.call("Encrypt", context, "Plaintext", &plain)?;
        let wrapped = answer.get("CiphertextBlob").and_then(Value::as_str);
        wrapped.map(str::to_owned).ok_or_else(|| KekError::new("the answer of AWS KMS has no ciphertext"))
    }

    fn unwrap(&self, context: &Context<'_>, _: &str, wrapped: &str) -> Result<Plain, KekError> {
        let answer = self.call("Decrypt", context, "CiphertextBlob", wrapped)?;
        let plain = answer.get("Plaintext").and_then(Value::as_str).and_then(|text| STANDARD.decode(text).ok());
        plain.map(Plain::new).ok_or_else(|| KekError::new("the answer of AWS KMS has no plaintext"))
    }

    /// KMS rotates the material of a key by itself; another key is named with `--kek`.
    fn renew(&self, _: u64) -> Result<(), KekError> {
        Ok(())
    }
}

/// `YYYYMMDDTHHMMSSZ`.
fn date(now: u64) -> String {
    let text = clock::rfc3339(now);
    let text: String = text.chars().take_while(|c| *c != '.').filter(|c| !matches!(c, '-' | ':')).collect();
    format!("{text}Z")
}

#[cfg(test)]
mod tests {
    #[test]
    fn writes_dates_as_aws_does() {
        assert_eq!(super::date(1_440_938_160_000_000), "20150830T123600Z");
    }
}
