# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything between observe and enact in one call."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from swarmherd.decide import arrange, decide, remember, remember_anchors, remember_health, remember_nodes
from swarmherd.model import ClusterView, Memory, Plan
from swarmherd.plan.planning import plan
from swarmherd.policy import Policy


def conclude(
    view: ClusterView, policy: Policy, memory: Memory, now: datetime, new_id: Callable[[], str]
) -> tuple[Plan, Memory]:
    """The plan of one cycle, and what the next one must remember."""
    decisions, arrangement = decide(view, policy, memory, now), arrange(view, policy, memory, now)
    healed = remember_health(memory, view, policy, now)
    concerned = arrangement.concerned | {one.service for one in healed.ailments.values()}
    after = remember_nodes(remember(healed, decisions, policy, now, concerned), view, now)
    after = remember_anchors(after, view, arrangement.following)
    return plan(decisions, view, policy, after, now, new_id, arrangement), after
