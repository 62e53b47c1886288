# SPDX-License-Identifier: GPL-3.0-or-later
"""What a move writes on nodes while it is under way, so that whoever comes next can tell it from a person's will. Pure.

A mark stands in the very node update that it explains, and says until when the move that set it may be alive:

- `swarmherd.paused` = `SERVICE.UNTIL` beside the availability `pause`: a move paused this node;
- `swarmherd.deny.SERVICE` = `yes` with `swarmherd.deny-until.SERVICE` = `UNTIL`: a move sends that service away.

Beside these, `swarmherd.cordoned` = `UNTIL` with the availability `pause` says that the node goes down again and again,
and is kept from new tasks for a while. No move touches that.

UNTIL is in seconds since 1970. A pause without such a label is a person's, and no concern of a move.
"""

from __future__ import annotations

import copy
from typing import Any, Callable, Dict, Mapping, NamedTuple

Document = Mapping[str, Any]
Spec = Dict[str, Any]

PAUSED = "swarmherd.paused"
DENY = "swarmherd.deny."
DENY_UNTIL = "swarmherd.deny-until."
CORDONED = "swarmherd.cordoned"


class Mark(NamedTuple):
    kind: str
    """`pause` or `deny`."""
    service: str
    """The name of the service that moves."""
    until: float
    """0 where the mark does not say: nobody can be behind it any more."""


def deny_constraint(service: str) -> str:
    """The constraint of a service that its deny label works through."""
    return f"node.labels.{DENY}{service} != yes"


def marks(node: Document) -> list[Mark]:
    """Those on one node, as the managers list it."""
    labels = node["Spec"].get("Labels") or {}
    found = []
    if PAUSED in labels:
        service, _dot, until = labels[PAUSED].rpartition(".")
        found.append(Mark("pause", service or until, _seconds(until)))
    denied = {key[len(prefix) :] for prefix in (DENY, DENY_UNTIL) for key in labels if key.startswith(prefix)}
    found += [Mark("deny", name, _seconds(labels.get(DENY_UNTIL + name, ""))) for name in sorted(denied)]
    return found


def _seconds(text: str) -> float:
    return float(text) if text.isdigit() else 0.0


def leftover(service: str | None, now: float) -> Callable[[Mark], bool]:
    """Tells the marks that a task for `service` clears: its own service's, and those that no move can be behind.

    With None all marks are meant, those of moves under way included.
    """
    return lambda mark: service is None or mark.service == service or mark.until <= now


def paused(spec: Document, service: str, until: float) -> Spec:
    """A node's spec with the pause of a move of `service`."""
    return {**_labelled(spec, {PAUSED: f"{service}.{int(until)}"}), "Availability": "pause"}


def denied(spec: Document, service: str, until: float) -> Spec:
    """A node's spec with the label that sends `service` away."""
    return _labelled(spec, {DENY + service: "yes", DENY_UNTIL + service: str(int(until))})


def cleaned(node: Document, drop: Callable[[Mark], bool]) -> Spec:
    """The node's spec without the marks that `drop` tells, and without what they stand for.

    A node whose availability somebody changed after the move paused it keeps that; only the label goes.
    """
    spec = copy.deepcopy(dict(node["Spec"]))
    labels = dict(spec.get("Labels") or {})
    for mark in filter(drop, marks(node)):
        if mark.kind == "pause":
            labels.pop(PAUSED)
            if spec.get("Availability") == "pause":
                spec["Availability"] = "active"
        else:
            labels.pop(DENY + mark.service, None)
            labels.pop(DENY_UNTIL + mark.service, None)
    if labels != (spec.get("Labels") or {}):
        spec["Labels"] = labels
    return spec


def is_cordoned(node: Document) -> bool:
    """Whether it is a cordon that keeps tasks from the node, and no person's will."""
    spec = node["Spec"]
    return CORDONED in (spec.get("Labels") or {}) and spec.get("Availability", "active") == "pause"


def cordoned(spec: Document, until: int) -> Spec:
    """A node's spec with a cordon."""
    return {**_labelled(spec, {CORDONED: str(until)}), "Availability": "pause"}


def without_cordon(spec: Document) -> Spec:
    """A node's spec without the label of a cordon; its availability stays."""
    held = spec.get("Labels") or {}
    labels = {key: value for key, value in held.items() if key != CORDONED}
    return copy.deepcopy(dict(spec)) if labels == held else {**copy.deepcopy(dict(spec)), "Labels": labels}


def _labelled(spec: Document, labels: Mapping[str, str]) -> Spec:
    return {**copy.deepcopy(dict(spec)), "Labels": {**(spec.get("Labels") or {}), **labels}}
