# SPDX-License-Identifier: GPL-3.0-or-later
"""Constraints and affinities: what they look like as text, and which values of a node's attribute satisfy them.

Swarm's own text is `node.labels.disk==ssd` or `!=`, on the attributes below; values compare without regard to case,
and an attribute that a node lacks is like the empty value, so that `!=` holds there (swarmkit, constraint.go). The
operators In, NotIn, Exists and DoesNotExist say the same of several values; `==` is In with one value.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from enum import StrEnum

ATTRIBUTES = ("node.id", "node.hostname", "node.role", "node.ip", "node.platform.os", "node.platform.arch")
LABELS = ("node.labels.", "engine.labels.")
_KEY = re.compile(r"[a-z_][a-z0-9\-_./]*", re.ASCII | re.IGNORECASE)
_VALUE = re.compile(r"[a-z0-9:\-_\s.*()?+\[\]\\^$|/]+", re.ASCII | re.IGNORECASE)
_EXAMPLE = "write something like node.labels.disk==ssd or node.role!=manager"


class ConstraintError(ValueError):
    """Text that is no constraint: what is wrong with it, and what to write instead."""

    def __init__(self, message: str, remedy: str = _EXAMPLE) -> None:
        self.message, self.remedy = message, remedy
        super().__init__(f"{message}; {remedy}")


class Operator(StrEnum):
    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


@dataclass(frozen=True, slots=True)
class Constraint:
    """What must hold of one attribute of a node."""

    attribute: str
    operator: Operator
    values: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        listed = self.operator in (Operator.IN, Operator.NOT_IN)
        if listed != bool(self.values):
            wants = "needs a value" if listed else "takes no value"
            raise ConstraintError(f"{self.operator.value} {wants}", "In and NotIn list values, the others none")

    def __str__(self) -> str:
        if len(self.values) == 1:
            return f"{self.attribute}{'==' if self.operator is Operator.IN else '!='}{self.values[0]}"
        listed = f" ({', '.join(self.values)})" if self.values else ""
        return f"{self.attribute} {self.operator.value}{listed}"

    def holds(self, value: str) -> bool:
        """Whether an attribute of this value (empty where the node lacks it) satisfies the constraint."""
        match self.operator:
            case Operator.EXISTS:
                return value != ""
            case Operator.DOES_NOT_EXIST:
                return value == ""
            case Operator.IN:
                return self._listed(value)
            case _:
                return not self._listed(value)

    def _listed(self, value: str) -> bool:
        if self.attribute == "node.ip":
            return any(_within(value, network) for network in self.values)
        return value.casefold() in (one.casefold() for one in self.values)


@dataclass(frozen=True, slots=True)
class Affinity:
    """A wish: all of these hold, and it weighs so much among a task's wishes."""

    selector: tuple[Constraint, ...]
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not self.selector or not self.weight > 0:
            raise ConstraintError("an affinity needs a selector and a weight above 0", "write node.labels.disk==ssd:10")


def parse_constraint(text: str) -> Constraint:
    """Reads Swarm's own text. Raises ConstraintError."""
    key, sign, value = _split(text)
    attribute = parse_attribute(key)
    if not _VALUE.fullmatch(value):
        raise ConstraintError(
            f"{text!r} compares with {value!r}, which Swarm does not allow"
            if value
            else f"{text!r} compares with nothing"
        )
    if attribute == "node.ip" and not _is_network(value):
        raise ConstraintError(f"{value!r} is no address", "write one such as 10.0.0.5 or 10.0.0.0/24")
    return Constraint(attribute, Operator.IN if sign == "==" else Operator.NOT_IN, (value,))


def parse_attribute(key: str) -> str:
    """The attribute that `key` names, with its fixed part in lower case. Raises ConstraintError."""
    lowered = key.lower()
    if lowered in ATTRIBUTES:
        return lowered
    for prefix in LABELS:
        if lowered.startswith(prefix) and _KEY.fullmatch(key) and len(key) > len(prefix):
            return prefix + key[len(prefix) :]
    known = ", ".join((*ATTRIBUTES, *(f"{prefix}NAME" for prefix in LABELS)))
    raise ConstraintError(f"{key!r} is nothing that a constraint can be about", f"use one of {known}")


def parse_affinity(text: str) -> Affinity:
    """Reads `node.labels.disk==ssd:10`; without a weight it is 1. Raises ConstraintError."""
    body, colon, weight = text.rpartition(":")
    if not colon or "=" not in body:
        return Affinity((parse_constraint(text),))
    try:
        number = float(weight)
    except ValueError:
        raise ConstraintError(f"{weight!r} is no weight", "write a number above 0 after the last colon") from None
    if not 0 < number < float("inf"):
        raise ConstraintError(f"{weight!r} is no weight", "write a number above 0 after the last colon")
    return Affinity((parse_constraint(body),), number)


def _split(text: str) -> tuple[str, str, str]:
    for sign in ("==", "!="):
        key, found, value = text.partition(sign)
        if found:
            return key.strip(), sign, value.strip()
    raise ConstraintError(f"{text!r} has neither == nor !=")


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _within(address: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
