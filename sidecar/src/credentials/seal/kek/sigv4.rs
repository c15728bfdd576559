//! AWS Signature Version 4 ("Signing AWS API requests", algorithm AWS4-HMAC-SHA256), for requests whose body is at hand and
//! whose path and query need no encoding.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::audit::hex;

/// What is signed.
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    /// Absolute, without query; as it is sent.
    pub(super) path: &'a str,
    /// As it is sent, its parameters sorted; empty for none.
    pub(super) query: &'a str,
    /// All that are signed, names in lower case and sorted; `host` and `x-amz-date` are among them.
    pub(super) headers: &'a [(&'a str, &'a str)],
    pub(super) body: &'a [u8],
}

/// Who signs, and for what.
pub(super) struct Signer<'a> {
    pub(super) access_key: &'a str,
    pub(super) secret_key: &'a str,
    pub(super) region: &'a str,
    pub(super) service: &'a str,
}

/// The value of the header `authorization`. `None` where there is no `x-amz-date` (`YYYYMMDDTHHMMSSZ`).
pub(super) fn authorization(signer: &Signer<'_>, request: &Request<'_>) -> Option<String> {
    let date = request.headers.iter().find(|(name, _)| *name == "x-amz-date")?.1;
    let day = date.get(..8)?;
    let mut canonical = format!("{}\n{}\n{}\n", request.method, request.path, request.query);
    for (name, value) in request.headers {
        canonical.push_str(&format!("{name}:{}\n", value.split_whitespace().collect::<Vec<_>>().join(" ")));
    }
    let names: Vec<_> = request.headers.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    canonical.push_str(&format!("\n{names}\n{}", hex(&Sha256::digest(request.body))));
    let scope = format!("{day}/{}/{}/aws4_request", signer.region, signer.service);
    let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex(&Sha256::digest(canonical.as_bytes())));
    let mut key = mac(format!("AWS4{}", signer.secret_key).as_bytes(), day)?;
    for part in [signer.region, signer.service, "aws4_request"] {
        key = mac(&key, part)?;
    }
    let signature = hex(&mac(&key, &to_sign)?);
    Some(format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
        signer.access_key
    ))
}

fn mac(key: &[u8], text: &str) -> Option<[u8; 32]> {
    let mac = Hmac::<Sha256>::new_from_slice(key).ok()?.chain_update(text.as_bytes());
    Some(mac.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNER: Signer<'_> = Signer {
        access_key: "AKIDEXAMPLE",
        secret_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        region: "us-east-1",
        service: "service",
    };
    /// Name, method, query, headers, body, signature.
    type Case<'a> = (&'a str, &'a str, &'a str, &'a [(&'a str, &'a str)], &'a str, &'a str);

    const HOST: (&str, &str) = ("host", "example.amazonaws.com");
    const DATE: (&str, &str) = ("x-amz-date", "20150830T123600Z");

    /// AWS's published suite (`aws-sig-v4-test-suite`) and the worked example of its documentation.
    #[test]
    fn signs_as_the_published_vectors() {
        let form = ("content-type", "application/x-www-form-urlencoded");
        let example =
            [("content-type", "application/x-www-form-urlencoded; charset=utf-8"), ("host", "iam.amazonaws.com"), DATE];
        let query = "Action=ListUsers&Version=2010-05-08";
        let cases: [Case<'_>; 6] = [
            (
                "get-vanilla",
                "GET",
                "",
                &[HOST, DATE],
                "",
                "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
            (
                "post-vanilla",
                "POST",
                "",
                &[HOST, DATE],
                "",
                "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ),
            (
                "get-vanilla-query-order-key-case",
                "GET",
                "Param1=value1&Param2=value2",
                &[HOST, DATE],
                "",
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
            (
                "post-x-www-form-urlencoded",
                "POST",
                "",
                &[form, HOST, DATE],
                "Param1=value1",
                "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            ),
            (
                "get-header-value-trim",
                "GET",
                "",
                &[HOST, ("my-header1", " value1"), ("my-header2", " \"a   b   c\""), DATE],
                "",
                "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
            ),
            (
                "documentation",
                "GET",
                query,
                &example,
                "",
                "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
            ),
        ];
        for (name, method, query, headers, body, signature) in cases {
            let signer = Signer { service: if name == "documentation" { "iam" } else { "service" }, ..SIGNER };
            let request = Request { method, path: "/", query, headers, body: body.as_bytes() };
            let signed = authorization(&signer, &request).unwrap();
            assert!(signed.ends_with(&format!("Signature={signature}")), "{name}: {signed}");
        }
    }
}
