"""Certificates and token keys for trying out envoy/tls-jwt.yaml on one machine. Not for production.

  dev_keys.py make                                       .tools/dev/{ca.crt,server.crt,server.key,jwks.json,token.key}
  dev_keys.py token [--sub ID] [--kind KIND] [--tenant T] [--role R]... [--group G]... [--seconds N] [--audience A]
"""

import argparse
import base64
import datetime
import ipaddress
import json
import os
import time
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

OUT = Path(__file__).resolve().parent.parent / ".tools" / "dev"
KEY_ID = "dev"

# What envoy/tls-jwt.yaml pins.
ISSUER = "https://issuer.example.com/"
AUDIENCE = "https://mcp.example.com/mcp"


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = options.add_subparsers(dest="command", required=True)
    commands.add_parser("make").add_argument("--out", type=Path, default=OUT)
    token_options = commands.add_parser("token")
    token_options.add_argument("--keys", type=Path, default=OUT)
    token_options.add_argument("--sub", default="dev@example.com")
    token_options.add_argument("--kind", default="human")
    token_options.add_argument("--tenant", default="acme")
    token_options.add_argument("--role", action="append", default=[])
    token_options.add_argument("--group", action="append", default=[])
    token_options.add_argument("--seconds", type=int, default=3600)
    token_options.add_argument("--issuer", default=ISSUER)
    token_options.add_argument("--audience", default=AUDIENCE)
    options = options.parse_args()
    if options.command == "make":
        make(options.out)
        print(f"certificates and keys: {options.out}")
    else:
        claims = {"iss": options.issuer, "aud": options.audience, "sub": options.sub, "kind": options.kind,
                  "tenant": options.tenant, "roles": options.role, "groups": options.group}
        print(token(options.keys, claims, options.seconds))


def make(out):
    """Writes a certificate authority, a server certificate for loopback names, a token key and its JWKS to `out`."""
    out.mkdir(parents=True, exist_ok=True)
    authority_key, authority = certificate("Portcullis development CA")
    server_key, server = certificate("localhost", authority_key, authority)
    token_key = ec.generate_private_key(ec.SECP256R1())
    numbers = token_key.public_key().public_numbers()
    jwks = {"keys": [{"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": KEY_ID,
                      "x": encode(numbers.x.to_bytes(32, "big")), "y": encode(numbers.y.to_bytes(32, "big"))}]}
    write(out / "ca.crt", authority.public_bytes(serialization.Encoding.PEM))
    write(out / "server.crt", server.public_bytes(serialization.Encoding.PEM))
    write(out / "server.key", private(server_key))
    write(out / "token.key", private(token_key))
    write(out / "jwks.json", json.dumps(jwks, indent=1).encode())


def token(keys, claims, seconds):
    """A JWT with `claims`, signed with the development key and valid for `seconds` (negative: expired)."""
    key = serialization.load_pem_private_key((Path(keys) / "token.key").read_bytes(), None)
    now = int(time.time())
    claims = {"iat": now, "exp": now + seconds, **claims}
    signed = ".".join(encode(json.dumps(part).encode()) for part in ({"alg": "ES256", "typ": "JWT", "kid": KEY_ID}, claims))
    # JWS wants the two numbers side by side (RFC 7518, section 3.4), not the DER that the library makes.
    r, s = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{signed}.{encode(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def certificate(name, issuer_key=None, issuer=None):
    """A key and its certificate: signed by `issuer`, or an authority of its own."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=90))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key((issuer_key or key).public_key()), critical=False)
    )
    if issuer:
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    else:
        usage = {name: False for name in ("digital_signature", "content_commitment", "key_encipherment",
                                          "data_encipherment", "key_agreement", "encipher_only", "decipher_only")}
        builder = builder.add_extension(x509.KeyUsage(key_cert_sign=True, crl_sign=True, **usage), critical=True)
    return key, builder.sign(issuer_key or key, hashes.SHA256())


def private(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def write(path, data):
    # Never readable by others, not even for the moment between creating and restricting it.
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)


if __name__ == "__main__":
    main()
