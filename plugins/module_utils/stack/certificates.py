"""What has to be made of the stack's own certificate authority and of the certificate for its hosts. Pure: Secrets and a time go in."""

from __future__ import annotations

import base64
import binascii
import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from .labels import OF_ANY_STACK
from .secrets import authority_name

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
except ImportError as error:
    # The filter reports it; the other filters work without.
    MISSING: ImportError | None = error
else:
    MISSING = None

# The longest that browsers accept is 398 days (CA/Browser Forum, ballot SC31).
DAYS = 397
AUTHORITY_DAYS = 3650
# An authority with less left than this gets a new certificate for its old key: each certificate that it signs ends well before it does,
# and clients have years to take the new one, while both are good.
_AUTHORITY_RENEWED_AT = 2 * DAYS


class _UnusableError(ValueError):
    """A Secret holds no certificate with its key; the text says why."""


def certificate_plan(
    secrets: Sequence[Mapping[str, Any]], name: str, hosts: Sequence[str], domain: str, now: datetime.datetime
) -> dict[str, Any]:
    """Return what has to be done so that the Secret `name` has a certificate for `hosts`, by an authority that clients trust already.

    `secrets` are all Secrets of the namespace, `domain` is what the authority may sign for beside `hosts`, `now` has a time zone. Returns

    - `authority`: `keep`, `renew` (a new certificate for its key: what trusts the old one trusts what either signs) or `make` (a new key:
      clients have to trust it anew), and `certificate`: `keep` or `make`;
    - `reasons`: a sentence for each thing that is not kept;
    - `foreign`: a message if a Secret of one of the two names belongs to another owner, so that nothing may be changed; otherwise empty;
    - `permitted`: the names that a new authority is limited to; `days` and `authority_days`: for how long each is to be valid.
    """
    found = {secret["metadata"]["name"]: secret for secret in secrets if secret["metadata"]["name"] in (name, authority_name(name))}
    authority, why_authority = _authority(found.get(authority_name(name)), hosts, now)
    certificate, why_certificate = "make", f"Secret {name}: it gets a certificate by that authority"
    if authority == "keep":
        certificate, why_certificate = _certificate(found.get(name), found[authority_name(name)], hosts, now)
    return {
        "authority": authority,
        "certificate": certificate,
        "reasons": [why for why in (why_authority, why_certificate) if why],
        "foreign": " ".join(_foreign(secret) for secret in found.values() if not _is_ours(secret)),
        "permitted": [f"DNS:{permitted}" for permitted in (domain, *(host for host in hosts if not _within(host, domain)))],
        "days": DAYS,
        "authority_days": AUTHORITY_DAYS,
    }


def _is_ours(secret: Mapping[str, Any]) -> bool:
    metadata = secret["metadata"]
    kept_by_another = any(key.startswith("cert-manager.io/") for key in metadata.get("annotations") or {})
    return not kept_by_another and OF_ANY_STACK.items() <= (metadata.get("labels") or {}).items()


def _foreign(secret: Mapping[str, Any]) -> str:
    return (
        f"Secret {secret['metadata']['name']} was not made by this stack, so it is left alone. With ingress_tls_source: existing its "
        "certificate is used; for one of the stack's own give ingress_tls_secret another name, or delete the Secret."
    )


def _authority(secret: Mapping[str, Any] | None, hosts: Sequence[str], now: datetime.datetime) -> tuple[str, str]:
    if secret is None:
        return "make", "there is no certificate authority yet"
    where = f"Secret {secret['metadata']['name']}"
    try:
        authority = _read(secret)
        may_sign = authority.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        permitted = _permitted(authority)
    except x509.ExtensionNotFound:
        may_sign, permitted = False, None
    except ValueError as error:
        return "make", f"{where}: {error}"
    outside = [host for host in hosts if permitted is not None and not any(_within(host, name) for name in permitted)]
    if not may_sign:
        return "make", f"{where}: it is no certificate authority"
    if outside:
        return "make", f"{where}: it may sign for {', '.join(permitted or ())} only, not for {', '.join(outside)}"
    if _days(authority, now) < _AUTHORITY_RENEWED_AT:
        return "renew", f"{where}: it {_ends(authority, now)}; it keeps its key"
    return "keep", ""


def _certificate(
    secret: Mapping[str, Any] | None, authority_secret: Mapping[str, Any], hosts: Sequence[str], now: datetime.datetime
) -> tuple[str, str]:
    if secret is None:
        return "make", "there is no certificate yet"
    where = f"Secret {secret['metadata']['name']}"
    try:
        certificate, authority = _read(secret), _read(authority_secret)
        named = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
        shown = _data(secret, "ca.crt")
    except x509.ExtensionNotFound:
        return "make", f"{where}: its certificate names no host"
    except ValueError as error:
        return "make", f"{where}: {error}"
    lifetime = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    if set(named) != set(hosts):
        return "make", f"{where}: it is for {', '.join(named)}, not for {', '.join(hosts)}"
    if not _signed_by(certificate, authority):
        return "make", f"{where}: another authority has signed it"
    if certificate.not_valid_before_utc > now:
        return "make", f"{where}: it is not valid before {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
    # The last third, so that runs that are months apart are often enough.
    if certificate.not_valid_after_utc - now < lifetime / 3:
        return "make", f"{where}: it {_ends(certificate, now)}"
    if shown != _data(authority_secret, "tls.crt"):
        return "make", f"{where}: its ca.crt is not the authority's certificate"
    return "keep", ""


def _data(secret: Mapping[str, Any], key: str) -> bytes:
    try:
        return base64.b64decode((secret.get("data") or {})[key]).strip()
    except (KeyError, binascii.Error) as error:
        raise _UnusableError(f"it has no {key}") from error


def _read(secret: Mapping[str, Any]) -> x509.Certificate:
    """Return the certificate of a Secret. Raises _UnusableError when there is none, or not with its key."""
    try:
        certificate = x509.load_pem_x509_certificate(_data(secret, "tls.crt"))
        key = serialization.load_pem_private_key(_data(secret, "tls.key"), password=None)
    except _UnusableError:
        raise
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        # Not the error's own text: it may quote what it could not read.
        raise _UnusableError("its certificate or its key cannot be read") from error
    if key.public_key() != certificate.public_key():
        raise _UnusableError("its key is not that of its certificate")
    return certificate


def _permitted(authority: x509.Certificate) -> list[str] | None:
    """Return the DNS names that an authority is limited to, or None when it is not."""
    try:
        constraints = authority.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return None
    return [name.value for name in constraints.permitted_subtrees or () if isinstance(name, x509.DNSName)]


def _signed_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _within(host: str, domain: str) -> bool:
    return host == domain or host.endswith(f".{domain}")


def _days(certificate: x509.Certificate, now: datetime.datetime) -> float:
    return (certificate.not_valid_after_utc - now) / datetime.timedelta(days=1)


def _ends(certificate: x509.Certificate, now: datetime.datetime) -> str:
    day = f"{certificate.not_valid_after_utc:%Y-%m-%d}"
    left = _days(certificate, now)
    return f"ended on {day}" if left <= 0 else f"ends on {day}, in {left:.0f} days"
