"""Rule files of an inventory, as Prometheus takes them (configuration reference 3.13, "Recording rules" and "Alerting rules")."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ...messages import nearest, wrong
from .values import duration, set_here, strings

_GROUP_KEYS = ("name", "interval", "query_offset", "limit", "rules", "labels")
_RULE_KEYS = ("record", "alert", "expr", "for", "keep_firing_for", "labels", "annotations")
_ALERT_KEYS = ("for", "keep_firing_for", "annotations")
_FILE_NAME = re.compile(r"[A-Za-z0-9]([-._A-Za-z0-9]{0,198}[A-Za-z0-9])?")
_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
OWN_RULE_FILES = ("high-availability",)
RULES = "prometheus_rules"


def rule_problems(values: Mapping[str, Any], own: Collection[str]) -> Iterator[str]:
    """Return a sentence for each rule file of the inventory that Prometheus would reject, or that takes the place of one of the stack.

    `own` are the series that the stack records itself.
    """
    files = values[RULES]
    for file, content in files.items() if isinstance(files, Mapping) else ():
        if not isinstance(file, str) or not _FILE_NAME.fullmatch(file):
            yield wrong(RULES, str(file), content, "a file is named with letters, digits and - . _ (without a directory)")
        elif file in OWN_RULE_FILES:
            yield wrong(RULES, file, content, "the stack has a file of that name, which would be replaced; take another one")
        if not isinstance(content, Mapping) or not isinstance(content.get("groups"), list):
            hint = "; read a text with lookup('ansible.builtin.file', …) | from_yaml" if isinstance(content, str) else ""
            yield wrong(
                RULES, str(file), content, f"a file is a mapping with a list of groups, {{groups: [{{name: …, rules: […]}}]}}{hint}"
            )
            continue
        for key in content.keys() - {"groups"}:
            yield wrong(RULES, f"{file}.{key}", content[key], f"a file of rules has groups only{nearest(key, ('groups',))}")
        yield from _groups(str(file), content["groups"])
    for path, rule in each_rule(files):
        if isinstance(rule.get("record"), str) and rule["record"] in own:
            yield wrong(RULES, f"{path}, record", rule["record"], "the stack records that itself; take another name")


def _groups(file: str, groups: list[Any]) -> Iterator[str]:
    names: set[str] = set()
    for number, group in enumerate(groups, start=1):
        if not isinstance(group, Mapping):
            yield wrong(RULES, f"{file}, group {number}", group, "a group is a mapping with name and rules")
            continue
        title = group.get("name")
        if not isinstance(title, str) or not title:
            yield wrong(RULES, f"{file}, name of group {number}", title, "every group needs a name, a string")
            title = f"group {number}"
        elif title in names:
            yield wrong(RULES, f"{file}, name of group {number}", title, "the file has a group of that name already")
        names.add(title)
        path = f"{file}.{title}"
        for key in group.keys() - set(_GROUP_KEYS):
            yield wrong(RULES, f"{path}.{key}", group[key], f"a group has {', '.join(_GROUP_KEYS)}{nearest(key, _GROUP_KEYS)}")
        for key in ("interval", "query_offset"):
            if key in group and duration(group[key]) is None:
                yield wrong(RULES, f"{path}.{key}", group[key], "it should be a duration like 30s or 1m")
        if "labels" in group:
            yield from strings(RULES, f"{path}.labels", group["labels"])
            yield from set_here(RULES, f"{path}.labels", group["labels"])
        rules = group.get("rules")
        if not isinstance(rules, list):
            yield wrong(RULES, f"{path}.rules", rules, "it should be a list of rules")
        for place, rule in enumerate(rules if isinstance(rules, list) else (), start=1):
            yield from _rule(f"{path}, rule {place}", rule)


def _rule(path: str, rule: Any) -> Iterator[str]:
    if not isinstance(rule, Mapping):
        yield wrong(RULES, path, rule, "a rule is a mapping with record or alert, and expr")
        return
    for key in rule.keys() - set(_RULE_KEYS):
        yield wrong(RULES, f"{path}, {key}", rule[key], f"a rule has {', '.join(_RULE_KEYS)}{nearest(key, _RULE_KEYS)}")
    if ("record" in rule) == ("alert" in rule):
        yield f"{RULES} has {path}: {'record and alert' if 'record' in rule else 'neither record nor alert'}; a rule has one of the two"
    if "record" in rule and (not isinstance(rule["record"], str) or not _METRIC.fullmatch(rule["record"])):
        yield wrong(RULES, f"{path}, record", rule["record"], "it should be the name of a metric: letters, digits, '_' and ':'")
    if "alert" in rule and (not isinstance(rule["alert"], str) or not rule["alert"]):
        yield wrong(RULES, f"{path}, alert", rule["alert"], "it should be the name of an alert")
    if "record" in rule:
        for key in rule.keys() & set(_ALERT_KEYS):
            yield wrong(RULES, f"{path}, {key}", rule[key], "only an alert has it")
    if not isinstance(rule.get("expr"), str) or not rule["expr"].strip():
        yield wrong(RULES, f"{path}, expr", rule.get("expr"), "it should be an expression in PromQL, as a string")
    for key in ("for", "keep_firing_for"):
        if key in rule and duration(rule[key]) is None:
            yield wrong(RULES, f"{path}, {key}", rule[key], "it should be a duration like 5m")
    for key in ("labels", "annotations"):
        if key in rule:
            yield from strings(RULES, f"{path}, {key}", rule[key])
    yield from set_here(RULES, f"{path}, labels", rule.get("labels"))


def each_rule(files: Any) -> Iterator[tuple[str, Mapping[Any, Any]]]:
    """Return place and content of every rule in the rule files of the inventory, those aside that `rule_problems` rejects as a whole."""
    for file, content in files.items() if isinstance(files, Mapping) else ():
        groups = content.get("groups") if isinstance(content, Mapping) else None
        for group in groups if isinstance(groups, list) else ():
            rules = group.get("rules") if isinstance(group, Mapping) else None
            for number, rule in enumerate(rules if isinstance(rules, list) else (), start=1):
                if isinstance(rule, Mapping):
                    yield f"{file}.{group.get('name')}, rule {number}", rule
