"""Whether users reach a public host: TLS, login, a query, what must stay closed, and the redirect from plain HTTP."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from ...cluster import Answer
from ...stack import catalogue
from ...stack.addressing import tenant_headers
from ..ingress_client import IngressClient
from ..item import Item
from ..outcome import Evidence, Failed, NotYet, all_of
from ..session import Session, basic_authentication
from .queries import found

# Days before the expiry of a certificate from which a renewal is overdue.
CERTIFICATE_DAYS = 21


def public_host(session: Session, item: Item) -> Evidence:
    """Check one public host, with a query where the component has a query API without a login of its own."""
    row = catalogue.component(item.target)
    host, client = session.stack.hosts[item.target], session.ingress()
    closed = closed_requests(session, item.target)
    if row.public is None or row.public.own_login:
        began = time.monotonic()
        answer = session.until(lambda: answered(client.request(host, "GET", row.ready), f"https://{host}{row.ready}"))
        seconds = time.monotonic() - began
        notes = all_of(lambda: _redirected(client, host, "/"), lambda: _closed(client, host, closed, {}))
        good, warning = _certificate(session, host)
        return Evidence(f"https://{host}{row.ready}", f"HTTP {answer.status}, {good}", seconds, (*notes, *warning))
    session.send_something(item.target)
    login = {**tenant_headers(session.stack), **session.login(session.options.users_secret)}
    path, query = session.query_path(item.target)
    target = f"{session.api(item.target)}{path}?{urlencode(query)}"
    began_at = [0.0]

    def look() -> None:
        began_at[0] = time.monotonic()
        found(client.request(host, "GET", target, login), f"https://{host}", item.target)

    session.until(look)
    seconds = time.monotonic() - began_at[0]
    notes = all_of(
        lambda: _redirected(client, host, target), lambda: _closed(client, host, closed, login), lambda: _protected(client, host, target)
    )
    good, warning = _certificate(session, host)
    return Evidence(
        f"{session.expression(item.target)} to https://{host}", f"answered by {item.target}, {good}", seconds, (*notes, *warning)
    )


def closed_requests(session: Session, component: str) -> list[tuple[str, str]]:
    """Return the requests (method, path) that must not get through from outside, unless the inventory opens them."""
    public = catalogue.component(component).public
    opened = session.stack.ingress_open_paths.get(component, ())
    return [
        (method, path)
        for method, path in (public.closed if public else ())
        if not any(path.startswith(part) for part in opened) and (session.sends or method == "GET")
    ]


def answered(answer: Answer, what: str) -> Answer:
    """Return an answer with status 200. Raises NotYet, which names `what` was asked, for another one."""
    if answer.status != 200:
        raise NotYet(f"{what} answered {answer.excerpt()}; expected 200")
    return answer


def _certificate(session: Session, host: str) -> tuple[str, tuple[str, ...]]:
    """Return for how long the certificate is good for a host, and a note when that is short, which is a warning of the run as well."""
    left = int(session.ingress().days_left(host))
    good = f"certificate good for {host}, {left} days left"
    if left >= CERTIFICATE_DAYS:
        return good, ()
    warning = (
        f"the certificate of the ingress ends in {left} days and should have been renewed: the next run of the site's playbook renews the "
        "stack's own, for cert-manager's look at its Certificate (`kubectl describe certificate`)"
    )
    if warning not in session.warnings:
        session.warnings.append(warning)
    return good, (warning,)


def _protected(client: IngressClient, host: str, target: str) -> str:
    wrong = basic_authentication("nobody", "wrong")
    for headers, how in (({}, "without credentials"), (wrong, "with wrong credentials")):
        answer = client.request(host, "GET", target, headers)
        if answer.status != 401:
            raise Failed(
                f"https://{host} answered a query {how} with HTTP {answer.status}; expected 401: no login is needed (annotations "
                "of the Ingress, its auth Secret)"
            )
    return "401 without credentials"


def _closed(client: IngressClient, host: str, closed: Sequence[tuple[str, str]], login: Mapping[str, str]) -> str:
    reached = []
    for method, path in closed:
        answer = client.request(host, method, path, login, b"" if method == "POST" else None)
        if answer.status not in (401, 403, 404):
            reached.append(f"{method} {path} (HTTP {answer.status})")
    if reached:
        raise Failed(
            f"https://{host} lets a user reach {', '.join(reached)}; expected 403 or 404, as the inventory does not open them "
            "(ingress_open_paths)"
        )
    return f"{len(closed)} internal path{'' if len(closed) == 1 else 's'} closed"


def _redirected(client: IngressClient, host: str, target: str) -> str:
    answer = client.redirect(host, target)
    if answer is None:
        return "plain HTTP not looked at (verify_ingress_http_address is empty)"
    if answer.status not in (301, 302, 307, 308) or not answer.headers.get("location", "").startswith(f"https://{host}"):
        raise Failed(
            f"http://{host} answered HTTP {answer.status} {answer.headers.get('location', '')}; expected a redirect to https://{host}"
        )
    return "plain HTTP redirects to HTTPS"
