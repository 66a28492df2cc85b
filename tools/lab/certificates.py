"""The lab's certificate authority and the kubeconfig files made with it."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# The lab does not outlive a test run by much, but somebody may leave one on for long.
LIFETIME = datetime.timedelta(days=1000)


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key, as PEM files."""

    certificate: Path
    key: Path


def _write(path: Path, content: bytes, mode: int) -> None:
    """Write a file completely or not at all, never readable by more than `mode` says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".draft")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as stream:
        stream.write(content)
    draft.rename(path)


def _private_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Return the key in that file, made now if there is none."""
    if not path.exists():
        fresh = ec.generate_private_key(ec.SECP256R1())
        pem = fresh.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        _write(path, pem, 0o600)
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{path} is not the key of an elliptic curve")
    return key


def key_pair(directory: Path, name: str) -> Pair:
    """Return a key and its public half (for signing tokens, so not in a certificate), made if missing."""
    pair = Pair(directory / f"{name}.pub", directory / f"{name}.key")
    public = _private_key(pair.key).public_key()
    if not pair.certificate.exists():
        pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        _write(pair.certificate, pem, 0o644)
    return pair


class Authority:
    """A certificate authority that keeps everything it issues in one directory and issues each name once."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.pair = Pair(directory / "ca.crt", directory / "ca.key")
        self._key = _private_key(self.pair.key)
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "observability-stack-lab")])
        if not self.pair.certificate.exists():
            builder = self._builder(self._name, self._key.public_key()).add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
            self._sign(builder, self.pair.certificate)

    def issue(self, file: str, user: str, groups: Sequence[str] = (), hosts: Sequence[str] = ()) -> Pair:
        """Return the certificate `file`.crt for a Kubernetes user and its groups, made if missing.

        With `hosts` (names or addresses) it is good for a server too.
        """
        pair = Pair(self._directory / f"{file}.crt", self._directory / f"{file}.key")
        if pair.certificate.exists():
            return pair
        attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
        subject = x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, user)])
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH, *([ExtendedKeyUsageOID.SERVER_AUTH] if hosts else [])]
        builder = self._builder(subject, _private_key(pair.key).public_key())
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), False)
        if hosts:
            builder = builder.add_extension(x509.SubjectAlternativeName([_general_name(host) for host in hosts]), False)
        self._sign(builder, pair.certificate)
        return pair

    def kubeconfig(self, path: Path, server: str, client: Pair, context: str) -> Path:
        """Write a kubeconfig for a client certificate, all in one file, and return its path."""
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": context, "cluster": {"server": server, "certificate-authority-data": _base64(self.pair.certificate)}}],
            "users": [
                {
                    "name": context,
                    "user": {"client-certificate-data": _base64(client.certificate), "client-key-data": _base64(client.key)},
                }
            ],
            "contexts": [{"name": context, "context": {"cluster": context, "user": context}}],
            "current-context": context,
        }
        _write(path, yaml.safe_dump(document).encode(), 0o600)
        return path

    def _builder(self, subject: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            # A clock that is set back a little must not make the lab's certificates invalid.
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + LIFETIME)
        )

    def _sign(self, builder: x509.CertificateBuilder, path: Path) -> None:
        certificate = builder.sign(self._key, hashes.SHA256())
        _write(path, certificate.public_bytes(serialization.Encoding.PEM), 0o644)


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
