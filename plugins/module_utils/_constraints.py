# SPDX-License-Identifier: GPL-3.0-or-later
"""Placement constraints as Swarm reads them: their text, and which nodes match. Pure.

The expressions that a key and a value have to match are swarmkit's own (manager/constraint/constraint.go). An attribute
that a node lacks is like an empty value, so `!=` holds there; values compare without regard to case.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Any, Iterable, Mapping, NamedTuple

from ._errors import SwarmError

Document = Mapping[str, Any]

ATTRIBUTES = ("node.id", "node.hostname", "node.role", "node.ip", "node.platform.os", "node.platform.arch")
LABELS = ("node.labels.", "engine.labels.")

_KEY = re.compile(r"[a-z_][a-z0-9\-_.]+", re.ASCII | re.IGNORECASE)
_VALUE = re.compile(r"[a-z0-9:\-_\s.*()?+\[\]\\^$|/]+", re.ASCII | re.IGNORECASE)


class Constraint(NamedTuple):
    """`node.labels.disk == ssd`, taken apart."""

    key: str
    negated: bool
    value: str

    @property
    def text(self) -> str:
        return f"{self.key} {'!=' if self.negated else '=='} {self.value}"

    @property
    def meaning(self) -> tuple[str, bool, str]:
        """The same for two texts that mean the same."""
        return _attribute_name(self.key), self.negated, self.value.lower()


def parse(text: str, option: str = "constraints") -> Constraint:
    """Raises a SwarmError that names `option` where Swarm would not take the text, or would match no node by it."""
    constraint = _taken_apart(text)
    if constraint is None:
        raise SwarmError(f"{option}: {text!r} compares nothing; write KEY==VALUE or KEY!=VALUE")
    key, _negated, value = constraint
    if not _KEY.fullmatch(key) or not _is_known(key):
        known = ", ".join((*ATTRIBUTES, *(f"{prefix}NAME" for prefix in LABELS)))
        raise SwarmError(f"{option}: {text!r}: {key!r} is nothing that a constraint can be about; use one of {known}")
    if not _VALUE.fullmatch(value):
        raise SwarmError(f"{option}: {text!r}: {value!r} is no value that Swarm takes; use letters, digits and -_.:/")
    return constraint


def with_and_without(held: Iterable[str], add: Iterable[str], remove: Iterable[str]) -> list[str]:
    """`held` in its order and its own words, without `remove`, and then what `add` brings that is not there."""
    gone = {parse(text, "remove_constraints").meaning for text in remove}
    wanted = {constraint.meaning: constraint.text for constraint in map(parse, add)}
    both = sorted(text for meaning, text in wanted.items() if meaning in gone)
    if both:
        raise SwarmError(f"remove_constraints: {', '.join(both)} stands in constraints as well; name it in one of them")
    kept = [text for text in held if meaning(text) not in gone]
    present = {meaning(text) for text in kept}
    return kept + [text for wish, text in wanted.items() if wish not in present]


def meaning(text: str) -> tuple[str, bool, str] | None:
    """The same for two texts that are one constraint; None for what is none."""
    constraint = _taken_apart(text)
    return constraint.meaning if constraint else None


def matches(node: Document, text: str) -> bool:
    """Whether the node satisfies one constraint. Like Swarm, no node does where it is about nothing known."""
    constraint = _taken_apart(text)
    if constraint is None or not _is_known(constraint.key):
        return False
    found = _attribute(node, constraint.key)
    if _attribute_name(constraint.key) == "node.ip":
        return _within(found, constraint.value) != constraint.negated
    return (found.lower() == constraint.value.lower()) != constraint.negated


def _taken_apart(text: str) -> Constraint | None:
    sign = "!=" if "!=" in text else "=="
    key, found, value = (part.strip() for part in text.partition(sign))
    return Constraint(key, sign == "!=", value) if found else None


def _is_known(key: str) -> bool:
    name = _attribute_name(key)
    return name in ATTRIBUTES or any(name.startswith(prefix) and len(name) > len(prefix) for prefix in LABELS)


def _attribute_name(key: str) -> str:
    """Swarm takes the fixed part in any case; the name of a label is taken as it is."""
    lowered = key.lower()
    for prefix in LABELS:
        if lowered.startswith(prefix):
            return prefix + key[len(prefix) :]
    return lowered


def _attribute(node: Document, key: str) -> str:
    description = node.get("Description") or {}
    name = _attribute_name(key)
    labels = {
        "node.labels.": node["Spec"].get("Labels") or {},
        "engine.labels.": (description.get("Engine") or {}).get("Labels") or {},
    }
    for prefix, values in labels.items():
        if name.startswith(prefix):
            return values.get(name[len(prefix) :], "")
    platform = description.get("Platform") or {}
    plain = {
        "node.id": node["ID"],
        "node.hostname": description.get("Hostname", ""),
        "node.role": node["Spec"].get("Role", ""),
        "node.ip": node["Status"].get("Addr", ""),
        "node.platform.os": platform.get("OS", ""),
        "node.platform.arch": platform.get("Architecture", ""),
    }
    return plain.get(name, "")


def _within(address: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
