"""A certificate authority and tokens for one test run; nothing of it is ever written to the repository."""

from __future__ import annotations

import datetime
import json
import ssl
import time
from pathlib import Path
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from .envoy import Tls


class Authority:
    """Issues certificates below `folder`."""

    def __init__(self, folder: Path, name: str = "test authority") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._certificate = self._sign(self._name, self._key, [], authority=True)
        self.file = folder / f"{name.replace(' ', '-')}.pem"
        self.file.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str, *sans: x509.GeneralName) -> tuple[Path, Path]:
        """A certificate and its key, as files."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate, key_file = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        certificate.write_bytes(self._sign(subject, key, list(sans)).public_bytes(serialization.Encoding.PEM))
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return certificate, key_file

    def server(self, *, client_ca: bool) -> Tls:
        certificate, key = self.issue("mcp.test", x509.DNSName("mcp.test"))
        return Tls(certificate, key, self.file if client_ca else None)

    def client(self, certificate: tuple[Path, Path] | None = None) -> ssl.SSLContext:
        """What a client needs to trust the server, and to show a certificate of its own."""
        context = ssl.create_default_context(cafile=str(self.file))
        if certificate is not None:
            context.load_cert_chain(*map(str, certificate))
        return context

    def _sign(self, subject: x509.Name, key: Any, sans: list[x509.GeneralName], authority: bool = False) -> Any:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if sans:
            builder = builder.add_extension(x509.SubjectAlternativeName(sans), critical=False)
        return builder.sign(self._key, hashes.SHA256())


class Issuer:
    """Signs tokens, and configures Envoy's jwt_authn to believe it and nobody else."""

    def __init__(self, name: str = "https://issuer.test") -> None:
        self.name = name
        self._key = ec.generate_private_key(ec.SECP256R1())

    def token(self, *, audience: str = "mcp", lives: int = 300, **claims: Any) -> str:
        now = int(time.time())
        everything = {"iss": self.name, "aud": audience, "iat": now, "exp": now + lives, **claims}
        return jwt.encode(everything, self._key, algorithm="ES256", headers={"kid": "k"})

    def jwt_authn(self, *, required: bool) -> dict[str, Any]:
        key = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self._key.public_key()))
        provider = {
            "issuer": self.name,
            "audiences": ["mcp"],
            "local_jwks": {"inline_string": json.dumps({"keys": [{**key, "kid": "k", "alg": "ES256"}]})},
            "payload_in_metadata": "mcp",
            "forward": True,
        }
        one = {"provider_name": "p"}
        wanted = one if required else {"requires_any": {"requirements": [one, {"allow_missing": {}}]}}
        return {"providers": {"p": provider}, "rules": [{"match": {"prefix": "/"}, "requires": wanted}]}
