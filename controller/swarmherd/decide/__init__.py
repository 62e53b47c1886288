# SPDX-License-Identifier: GPL-3.0-or-later
"""What to do about every service that the policy or a label names, and why: (view, policy, memory, now) -> decisions.

Pure: the same view, policy, memory and instant give the same decisions, in any order of their parts, today and in a
replay. Nothing here reads a clock, a network or a file.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from swarmherd.decide.memory import remember, remember_result
from swarmherd.decide.scale import leave_alone, scale
from swarmherd.decide.situation import Index, Situation
from swarmherd.model import ClusterView, Decision, Memory, Service
from swarmherd.policy import Policy, ScalePolicies, scale_policies

__all__ = ["decide", "remember", "remember_result"]


def decide(view: ClusterView, policy: Policy, memory: Memory, now: datetime) -> tuple[Decision, ...]:
    """Exactly one decision for each service that the policy or its own labels name, by name (S20).

    The mode is none of its business: observing and enforcing decide alike. Never raises on what was read from the
    cluster: nonsense in a label leaves that service alone, with the problem as the reason.
    """
    index = Index.of(view)
    policies = scale_policies(policy, view.services)
    decisions = []
    for name in sorted(policies.names | policy.services.keys()):
        service = index.services.get(name)
        if why := _no_footing(name, service, policies):
            decisions.append(leave_alone(name, why, service))
        elif service is not None and service.replicas is not None:
            situation = Situation(
                service=service,
                replicas=service.replicas,
                scale=policies.by_service[name],
                policy=policy,
                memory=memory.of(name),
                pauses=tuple(pause for pause in memory.pauses if pause.service in ("", name)),
                tasks=index.wanted.get(name, ()),
                running=index.running(name),
                failures=index.failed_since(name, now - timedelta(seconds=policy.crash_loop.within)),
                samples=view.samples,
                now=now,
            )
            decisions.append(scale(situation))
    return tuple(decisions)


def _no_footing(name: str, service: Service | None, policies: ScalePolicies) -> str | None:
    """Why nothing can be decided about a service at all."""
    if service is None:
        return f"the policy names {name}, but there is no such service"
    if name in policies.problems:
        problem = policies.problems[name][0]
        return f"{problem.key}: {problem.message}; {problem.remedy}"
    if name not in policies.by_service:
        return "neither the policy nor its labels say how to scale it"
    return "it is not in replicated mode" if service.replicas is None else None
