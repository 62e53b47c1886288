# SPDX-License-Identifier: GPL-3.0-or-later
"""What to do about every service that the policy or a label names, and why: (view, policy, memory, now) -> decisions.

`decide` is about how many replicas there are, `arrange` about where they run.

Pure: the same view, policy, memory and instant give the same decisions, in any order of their parts, today and in a
replay. Nothing here reads a clock, a network or a file.
"""

from __future__ import annotations

from datetime import datetime

from swarmherd.decide.arrange import arrange
from swarmherd.decide.memory import remember, remember_health, remember_nodes, remember_result
from swarmherd.decide.release import remember_anchors
from swarmherd.decide.scale import leave_alone, scale
from swarmherd.decide.situation import Cycle, Index
from swarmherd.model import ClusterView, Decision, Memory
from swarmherd.policy import Policy, scale_policies

__all__ = [
    "arrange",
    "decide",
    "remember",
    "remember_anchors",
    "remember_health",
    "remember_nodes",
    "remember_result",
]


def decide(view: ClusterView, policy: Policy, memory: Memory, now: datetime) -> tuple[Decision, ...]:
    """Exactly one decision for each service that the policy or its own labels name, by name (S20).

    The mode is none of its business: observing and enforcing decide alike. Never raises on what was read from the
    cluster: nonsense in a label leaves that service alone, with the problem as the reason.
    """
    cycle = Cycle(view, policy, memory, now, scale_policies(policy, view.services), Index.of(view))
    return tuple(_about(name, cycle) for name in sorted(cycle.policies.names | policy.services.keys()))


def _about(name: str, cycle: Cycle) -> Decision:
    service, scaled = cycle.index.services.get(name), cycle.policies.by_service.get(name)
    if service is None:
        return leave_alone(name, f"the policy names {name}, but there is no such service")
    if problems := cycle.policies.problems.get(name):
        return leave_alone(name, f"{problems[0].key}: {problems[0].message}; {problems[0].remedy}", service)
    if scaled is None:
        return leave_alone(name, "neither the policy nor its labels say how to scale it", service)
    if service.replicas is None:
        return leave_alone(name, "it is not in replicated mode", service)
    return scale(cycle.situation(service, service.replicas, scaled))
