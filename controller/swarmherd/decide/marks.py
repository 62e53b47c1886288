# SPDX-License-Identifier: GPL-3.0-or-later
"""What a move writes on nodes while it is under way, as the collection's module for moves writes it. Pure.

`swarmherd.paused` = `SERVICE.UNTIL` stands beside a pause that a move set; `swarmherd.deny.SERVICE` = `yes`, with
`swarmherd.deny-until.SERVICE`, sends a service's tasks away. UNTIL, in seconds since 1970, says until when the move may
be alive. `swarmherd.cordoned` = `UNTIL` stands beside the pause of a node that goes down again and again. A pause with
none of these labels is a person's.
"""

from __future__ import annotations

from datetime import UTC, datetime

from swarmherd.model import Availability, ClusterView, Node

PAUSED = "swarmherd.paused"
DENY = "swarmherd.deny."
DENY_UNTIL = "swarmherd.deny-until."
CORDONED = "swarmherd.cordoned"
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = 253_402_300_799
"""The last second that a datetime can be of."""


def paused_for(node: Node) -> str | None:
    """The service whose move paused the node; None where no move did."""
    said = node.labels.get(PAUSED)
    return None if said is None else said.rpartition(".")[0] or said


def denied(node: Node) -> tuple[str, ...]:
    """The services that a move keeps off the node, by name."""
    keys = (key.removeprefix(prefix) for prefix in (DENY, DENY_UNTIL) for key in node.labels if key.startswith(prefix))
    return tuple(sorted(set(keys)))


def leftovers(view: ClusterView, service: str) -> tuple[str, ...]:
    """What moves of `service` have set on nodes, in words."""
    found = []
    for node in sorted(view.nodes, key=lambda node: (node.hostname, node.id)):
        if service in denied(node):
            found.append(f"the label {DENY}{service} on {node.hostname}")
        if paused_for(node) == service:
            found.append(f"the pause of {node.hostname}")
    return tuple(found)


def cordoned_until(node: Node) -> datetime | None:
    """Until when a cordon of ours is to last; None for a node that bears no label of one.

    A label whose value is no time has been over for long.
    """
    said = node.labels.get(CORDONED)
    return None if said is None else _moment(said)


def is_cordoned(node: Node) -> bool:
    """Whether it is our own cordon that keeps tasks from the node, and no person's will."""
    return CORDONED in node.labels and node.availability is Availability.PAUSE


def forgotten(node: Node, now: datetime) -> tuple[str, ...]:
    """The services whose moves have set marks here that nobody can be behind any more."""
    found = {name for name in denied(node) if _moment(node.labels.get(DENY_UNTIL + name, "")) <= now}
    paused = node.labels.get(PAUSED)
    if paused is not None and _moment(paused.rpartition(".")[2]) <= now:
        found.add(paused_for(node) or "")
    return tuple(sorted(found))


def _moment(text: str) -> datetime:
    if not (text.isascii() and text.isdigit()) or len(text) > 12 or int(text) > _LAST:
        return _NEVER
    return datetime.fromtimestamp(int(text), UTC)
