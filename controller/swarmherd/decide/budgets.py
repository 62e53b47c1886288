# SPDX-License-Identifier: GPL-3.0-or-later
"""S11: how many moves there may be within any hour. What a person moved counts like what was decided."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from swarmherd.decide.words import count
from swarmherd.model import Memory, Node, NodeMemory
from swarmherd.policy import Policy, RebalanceKeys


def moves_spent(
    policy: Policy, memory: Memory, now: datetime, service: str, source: Node | None, planned: int = 0
) -> str | None:
    """Why no task of `service` may leave `source` now, `planned` moves being planned already."""
    keys = policy.rebalance or RebalanceKeys()

    def of_late(moves: Iterable[datetime]) -> int:
        return sum(at > now - timedelta(hours=1) for at in moves)

    if sum(of_late(one.moves) for one in memory.services.values()) + planned >= keys.moves_per_hour:
        return f"the budget of {count(keys.moves_per_hour, 'move')} per hour is used up"
    if of_late(memory.of(service).moves) >= keys.service_moves_per_hour:
        return f"the budget of {count(keys.service_moves_per_hour, 'move')} of a service per hour is used up"
    if source is not None and of_late(memory.nodes.get(source.id, NodeMemory(None)).moves) >= keys.node_moves_per_hour:
        most = count(keys.node_moves_per_hour, "move")
        return f"the budget of {most} off a node per hour is used up for {source.hostname}"
    return None
