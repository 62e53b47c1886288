# SPDX-License-Identifier: GPL-3.0-or-later
"""What a move writes on nodes while it is under way, as the collection's module for moves writes it. Pure.

`swarmherd.paused` = `SERVICE.UNTIL` stands beside a pause that a move set; `swarmherd.deny.SERVICE` = `yes`, with
`swarmherd.deny-until.SERVICE`, sends a service's tasks away. UNTIL, in seconds since 1970, says until when the move may
be alive. A pause without the label is a person's.
"""

from __future__ import annotations

from swarmherd.model import ClusterView, Node

PAUSED = "swarmherd.paused"
DENY = "swarmherd.deny."
DENY_UNTIL = "swarmherd.deny-until."


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
