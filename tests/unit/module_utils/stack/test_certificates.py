"""When a certificate and its authority stay, and when they do not: tables over a certificate's whole life."""

from __future__ import annotations

import base64
import datetime
import json
from collections.abc import Sequence
from typing import Any

import pytest
from ansible_collections.observability.stack.plugins.module_utils.stack import certificates
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

NAME = "observability-tls"
HOSTS = ["grafana.example.com", "metrics.example.net"]
NOW = datetime.datetime(2026, 11, 24, 12, tzinfo=datetime.UTC)
LABELS = {"app.kubernetes.io/part-of": "observability-stack", "app.kubernetes.io/managed-by": "ansible"}
Key = ec.EllipticCurvePrivateKey


def days(number: float) -> datetime.timedelta:
    return datetime.timedelta(days=number)


def certificate(
    key: Key,
    issuer_key: Key,
    *,
    hosts: Sequence[str] = (),
    start: datetime.datetime = NOW,
    lifetime: float = 397,
    permitted: Sequence[str] = (),
    issuer: str = "authority",
) -> str:
    """Return a certificate as PEM: for hosts, or of an authority that is limited to names."""

    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])

    builder = (
        x509.CertificateBuilder()
        .subject_name(name("server" if hosts else issuer))
        .issuer_name(name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + days(lifetime))
        .add_extension(x509.BasicConstraints(ca=not hosts, path_length=None if hosts else 0), critical=True)
    )
    if hosts:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False)
    if permitted:
        builder = builder.add_extension(
            x509.NameConstraints([x509.DNSName(domain) for domain in permitted], excluded_subtrees=None), critical=True
        )
    return builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def pem(key: Key) -> str:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()


def secret(name: str, labels: dict[str, str] | None = None, annotations: dict[str, str] | None = None, **data: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "labels": LABELS if labels is None else labels, "annotations": annotations},
        "data": {key.replace("_", "."): base64.b64encode(value.encode()).decode() for key, value in data.items()},
    }


AUTHORITY_KEY, SERVER_KEY, OTHER_KEY = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
PERMITTED = ["example.com", "metrics.example.net"]
AUTHORITY = certificate(AUTHORITY_KEY, AUTHORITY_KEY, lifetime=3650, permitted=PERMITTED)


def authority_secret(text: str = AUTHORITY, key: Key = AUTHORITY_KEY, **more: Any) -> dict[str, Any]:
    return secret(f"{NAME}-authority", tls_crt=text, tls_key=pem(key), **more)


def server_secret(
    hosts: Sequence[str] = HOSTS, signer: Key = AUTHORITY_KEY, key: Key = SERVER_KEY, ca: str = AUTHORITY, **more: Any
) -> dict[str, Any]:
    made = certificate(SERVER_KEY, signer, hosts=hosts, **{name: more.pop(name) for name in ("start", "issuer") if name in more})
    return secret(NAME, tls_crt=made, tls_key=pem(key), ca_crt=ca, **more)


def plan(*secrets: dict[str, Any], hosts: Sequence[str] = HOSTS, after: float = 0) -> dict[str, Any]:
    return certificates.certificate_plan([secret("other", {}), *secrets], NAME, hosts, "example.com", NOW + days(after))


def test_what_is_right_stays_as_it_is() -> None:
    found = plan(authority_secret(), server_secret())
    assert (found["authority"], found["certificate"], found["reasons"], found["foreign"]) == ("keep", "keep", [], "")
    # The order of hosts does not matter.
    assert plan(authority_secret(), server_secret(), hosts=HOSTS[::-1])["certificate"] == "keep"


def test_at_first_both_are_made_and_the_authority_is_limited_to_the_names_of_the_stack() -> None:
    found = plan()
    assert (found["authority"], found["certificate"]) == ("make", "make")
    assert found["permitted"] == ["DNS:example.com", "DNS:metrics.example.net"]
    # Browsers take no server certificate that is longer, and it ends within the authority's time.
    assert found["days"] <= 398
    assert found["days"] < found["authority_days"]


OTHER = certificate(OTHER_KEY, OTHER_KEY, lifetime=3650)


@pytest.mark.parametrize(
    ("server", "hosts", "after", "why"),
    [
        (server_secret(), HOSTS, 300, "ends on 2027-12-26, in 97 days"),
        (server_secret(), HOSTS, 398, "ended on 2027-12-26"),
        (server_secret(start=NOW + days(2)), HOSTS, 0, "not valid before 2026-11-26"),
        (server_secret(), [*HOSTS, "loki.example.com"], 0, "not for grafana.example.com, metrics.example.net, loki.example.com"),
        (server_secret(), HOSTS[:1], 0, "it is for grafana.example.com, metrics.example.net"),
        (server_secret(signer=OTHER_KEY), HOSTS, 0, "another authority has signed it"),
        (server_secret(issuer="another"), HOSTS, 0, "another authority has signed it"),
        (server_secret(key=OTHER_KEY), HOSTS, 0, "its key is not that of its certificate"),
        (server_secret(ca=OTHER), HOSTS, 0, "its ca.crt is not the authority's certificate"),
        (secret(NAME, tls_crt="junk", tls_key=pem(SERVER_KEY)), HOSTS, 0, "cannot be read"),
        (secret(NAME, tls_crt=AUTHORITY), HOSTS, 0, "it has no tls.key"),
        (secret(NAME, tls_crt=AUTHORITY, tls_key=pem(AUTHORITY_KEY)), HOSTS, 0, "names no host"),
        (secret(NAME, tls_crt=certificate(SERVER_KEY, AUTHORITY_KEY, hosts=HOSTS), tls_key=pem(SERVER_KEY)), HOSTS, 0, "it has no ca.crt"),
        (secret(NAME), HOSTS, 0, "it has no tls.crt"),
    ],
)
def test_a_certificate_is_made_anew_by_the_authority_that_clients_trust(
    server: dict[str, Any], hosts: list[str], after: float, why: str
) -> None:
    found = plan(authority_secret(), server, hosts=hosts, after=after)
    assert (found["authority"], found["certificate"]) == ("keep", "make")
    (reason,) = found["reasons"]
    assert reason.startswith(f"Secret {NAME}: ")
    assert why in reason


@pytest.mark.parametrize(
    ("authority", "hosts", "why"),
    [
        (authority_secret(), ["grafana.example.org"], "may sign for example.com, metrics.example.net only, not for grafana.example.org"),
        # No part of a label is a domain.
        (authority_secret(), ["grafana.notexample.com"], "not for grafana.notexample.com"),
        (authority_secret(key=OTHER_KEY), HOSTS, "its key is not that of its certificate"),
        (authority_secret(certificate(AUTHORITY_KEY, AUTHORITY_KEY, hosts=["example.com"])), HOSTS, "it is no certificate authority"),
        (secret(f"{NAME}-authority"), HOSTS, "it has no tls.crt"),
    ],
)
def test_an_authority_that_cannot_sign_for_the_hosts_is_made_anew(authority: dict[str, Any], hosts: list[str], why: str) -> None:
    found = plan(authority, server_secret(hosts), hosts=hosts)
    assert (found["authority"], found["certificate"]) == ("make", "make")
    assert why in found["reasons"][0]


def test_an_authority_keeps_its_key_when_its_own_certificate_gets_old() -> None:
    found = plan(authority_secret(), server_secret(), after=3000)
    assert (found["authority"], found["certificate"]) == ("renew", "make")
    assert "it keeps its key" in found["reasons"][0]
    # What clients trust from before is good for what the renewed one signs: same name, same key.
    renewed = certificate(AUTHORITY_KEY, AUTHORITY_KEY, start=NOW + days(3000), lifetime=3650, permitted=PERMITTED)
    after = server_secret(start=NOW + days(3000), ca=renewed)
    assert plan(authority_secret(renewed), after, after=3001)["reasons"] == []
    x509.load_pem_x509_certificate(base64.b64decode(after["data"]["tls.crt"])).verify_directly_issued_by(
        x509.load_pem_x509_certificate(AUTHORITY.encode())
    )


def test_an_authority_without_limits_may_stay() -> None:
    unlimited = certificate(AUTHORITY_KEY, AUTHORITY_KEY, lifetime=3650)
    assert plan(authority_secret(unlimited), server_secret(ca=unlimited))["reasons"] == []


@given(st.floats(0, 5000), st.sets(st.sampled_from(["a.example.com", "b.example.com", "example.com"]), min_size=1))
def test_whoever_runs_it_once_in_four_months_never_sees_a_certificate_end(age: float, hosts: set[str]) -> None:
    """A certificate that is kept has four months left, and an authority that is kept outlives what it signs."""
    found = plan(authority_secret(), server_secret(), hosts=sorted(hosts), after=age)
    assert found["certificate"] == "make"
    if found["authority"] == "keep":
        assert 3650 - age > found["days"]
    kept = plan(authority_secret(), server_secret(), after=age)
    if kept["certificate"] == "keep":
        assert 397 - age >= 120


@pytest.mark.parametrize(
    "foreign",
    [
        {"labels": {}},
        {"labels": {"app.kubernetes.io/part-of": "observability-stack"}},
        # Its labels are ours, as the Certificate asks for them, but cert-manager keeps it.
        {"annotations": {"cert-manager.io/certificate-name": NAME}},
    ],
)
def test_a_secret_of_somebody_else_is_named_and_left_alone(foreign: dict[str, Any]) -> None:
    for secrets in ((authority_secret(), server_secret(**foreign)), (authority_secret(**foreign), server_secret())):
        found = plan(*secrets)
        assert f"Secret {NAME}" in found["foreign"]
        assert "ingress_tls_source: existing" in found["foreign"]


def test_no_key_is_in_what_is_shown() -> None:
    for secrets in (
        (),
        (authority_secret(), server_secret(HOSTS[:1])),
        (secret(NAME, tls_crt=AUTHORITY, tls_key="key: " + pem(OTHER_KEY)),),
    ):
        shown = json.dumps(plan(*secrets))
        assert "PRIVATE" not in shown
        assert pem(AUTHORITY_KEY).splitlines()[1] not in shown
