"""What an inventory may say about the settings of Grafana. No sentence here shows a value that may be a secret."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_SECRET_KEY = re.compile(r"[-._A-Za-z0-9]{1,253}")
_SETTING = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")

# How the keys of grafana.ini end that hold a secret (documentation 12.x, "Configure Grafana"), and how a secret looks in an address.
_SECRET_ENDINGS = (
    "password", "passphrase", "secret", "secret_key", "access_key", "account_key", "private_key", "api_key", "api_token", "renderer_token",
    "connstr", "license_text",
)  # fmt: skip
_PASSWORD_IN_ADDRESS = re.compile(r"://[^/@\s]*:[^/@\s]+@")
# A value that only says where the secret is (documentation 12.x, "Variable expansion").
_REFERENCE = re.compile(r"\$(__\w+)?\{[^}]*\}")


def variable(section: str, key: str) -> str:
    """Return the environment variable that sets a key of grafana.ini: GF_AUTH_GENERIC_OAUTH_CLIENT_SECRET."""
    return re.sub(r"[.-]", "_", f"GF_{section}_{key}").upper()


def _settings(given: Any) -> Iterator[tuple[str, str, Any]]:
    """Return section, key and value of each setting of a mapping of sections, as far as it is one; the rest is in `_shape`."""
    for section, keys in given.items() if isinstance(given, Mapping) else ():
        for key, value in keys.items() if isinstance(keys, Mapping) else ():
            if _is_setting(section) and _is_setting(key):
                yield section, key, value


def _is_setting(name: Any) -> bool:
    return isinstance(name, str) and _SETTING.fullmatch(name) is not None


def _shape(name: str, given: Any, example: str) -> Iterator[str]:
    """Check that a variable maps sections of grafana.ini to mappings of keys."""
    if not isinstance(given, Mapping):
        yield f"{name} is no mapping; it should map a section of grafana.ini to its keys, like {example}"
        return
    for section, keys in given.items():
        if not _is_setting(section):
            yield f"{name} has {section!r}, which is no section of grafana.ini, like {example}"
        elif not isinstance(keys, Mapping):
            yield f"{name} has no mapping for {section}; it should map a section of grafana.ini to its keys, like {example}"
        else:
            for key in keys:
                if not _is_setting(key):
                    yield f"{name} has {key!r} in {section}, which is no key of grafana.ini, like {example}"


def config_problems(values: Mapping[str, Any]) -> Iterator[str]:
    """Return a sentence for each setting that is none, or that is a secret."""
    name = "grafana_config"
    yield from _shape(name, values[name], "{users: {viewers_can_edit: true}}")
    for section, key, value in _settings(values[name]):
        setting = f"{section}.{key}"
        if isinstance(value, Mapping):
            yield (
                f"{name} has a mapping for {setting}; grafana.ini has sections and keys only, so a section below another is written "
                f'with a dot: "{setting}": {{…}}'
            )
        elif _is_secret(key, value):
            yield (
                f"{name} has {setting}, a secret, and a ConfigMap keeps it in the clear; make a Secret and name it in grafana_secrets: "
                f"{{{section}: {{{key}: {{name: …, key: …}}}}}}"
            )
        elif not isinstance(value, str | int | float):
            yield f"{name} has {'nothing' if value is None else 'a list'} for {setting}; it should be a string, a number, true or false"


def _is_secret(key: str, value: Any) -> bool:
    """Whether a value of grafana.ini is a secret itself, not an empty one, a switch, or a reference to it."""
    if not isinstance(value, str | int) or isinstance(value, bool) or value == "":
        return False
    text = str(value)
    return (key.lower().endswith(_SECRET_ENDINGS) and not _REFERENCE.fullmatch(text)) or bool(_PASSWORD_IN_ADDRESS.search(text))


def secret_problems(values: Mapping[str, Any]) -> Iterator[str]:
    """Return a sentence for each setting that names no Secret, or that is made twice."""
    name = "grafana_secrets"
    example = "{auth.generic_oauth: {client_secret: {name: grafana-oidc, key: client_secret}}}"
    yield from _shape(name, values[name], example)
    fields: dict[str, Callable[[str], Any]] = {"name": _NAME.fullmatch, "key": _SECRET_KEY.fullmatch}
    config = {(section, key) for section, key, _value in _settings(values["grafana_config"])}
    pods = [pod for pod in (values.get("observability_pod"), values.get("grafana_pod")) if isinstance(pod, Mapping)]
    listed = [item for pod in pods if isinstance(pod.get("extra_env"), list) for item in pod["extra_env"]]
    taken = {item.get("name") for item in listed if isinstance(item, Mapping)}
    variables: dict[str, str] = {}
    for section, key, reference in _settings(values[name]):
        right = isinstance(reference, Mapping) and set(reference) == set(fields)
        if not right or not all(isinstance(reference[field], str) and matches(reference[field]) for field, matches in fields.items()):
            # Not what it is: it may be the secret itself.
            yield f"{name} has no Secret for {section}.{key}; it should have name and key of one, like {example}"
        if (section, key) in config:
            yield f"{name} has {section}.{key}, and grafana_config has it too; it should be in one of them"
        made = variable(section, key)
        if made in taken:
            yield f"{name} has {section}.{key}, and an extra_env has it too, {made}; it should be in one of them"
        if made in variables:
            yield f"{name} has {section}.{key} and {variables[made]}, which are both {made}"
        variables[made] = f"{section}.{key}"
