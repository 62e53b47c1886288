# SPDX-License-Identifier: GPL-3.0-or-later
"""From decisions to actions: what may be done in this cycle, and in which order.

Guards shrink or veto, and each that does appends its sentence to the decision's reasons. The mode is not looked at:
whether actions are run or only recorded is the enactor's matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime

from swarmherd.decide import decide
from swarmherd.decide.memory import remember
from swarmherd.decide.words import count, duration, one_line
from swarmherd.model import Action, ClusterView, Decision, Direction, Memory, Plan, Service
from swarmherd.policy import Policy

LONGEST_BACKOFF_SECONDS = 3600.0
LARGEST_COUNT = 100_000
_ORDER = {Direction.UP: 0, Direction.DOWN: 1, Direction.NONE: 2}
"""The safe way first: more replicas, then fewer."""


def conclude(
    view: ClusterView, policy: Policy, memory: Memory, now: datetime, new_id: Callable[[], str]
) -> tuple[Plan, Memory]:
    """Everything between observe and enact: the plan of one cycle, and what the next one must remember."""
    decisions = decide(view, policy, memory, now)
    after = remember(memory, decisions, policy, now)
    return plan(decisions, view, policy, after, now, new_id), after


def plan(
    decisions: Iterable[Decision],
    view: ClusterView,
    policy: Policy,
    memory: Memory,
    now: datetime,
    new_id: Callable[[], str],
) -> Plan:
    """At most one action per service and `policy.actions_per_cycle` in all, ups before downs, then by name.

    Services whose actions failed wait (S13). Every decision is in the plan's, with what planning made of it.
    """
    there = {service.name: service for service in view.services}
    actions: list[Action] = []
    told: list[Decision] = []
    for decision in sorted(decisions, key=_urgency):
        service = there.get(decision.service)
        if decision.direction is Direction.NONE or service is None:
            told.append(decision)
        elif why := _refusal(service, policy, memory, now, actions):
            told.append(_held(decision, why))
        else:
            told.append(decision)
            actions.append(_scaling(view.cluster, new_id(), decision, service))
    return Plan(view.cluster, now, tuple(actions), tuple(sorted(told, key=lambda d: d.service)))


def _urgency(decision: Decision) -> tuple[int, str, int]:
    """Ups first, then downs; of two decisions about one service the larger count wins."""
    return _ORDER[decision.direction], decision.service, -(decision.then or 0)


def _refusal(service: Service, policy: Policy, memory: Memory, now: datetime, actions: list[Action]) -> str | None:
    """Why there is no action for `service` in this cycle, after those already in `actions`."""
    if any(action.service == service.name for action in actions):
        return "another action for it is planned already"
    if why := _backing_off(service, policy, memory, now):
        return why
    if len(actions) >= policy.actions_per_cycle:
        return f"the cycle's budget of {count(policy.actions_per_cycle, 'action')} is used up"
    return None


def _backing_off(service: Service, policy: Policy, memory: Memory, now: datetime) -> str | None:
    """S13: wait twice as long after each failure in a row, and give up after so many, until the service is changed."""
    past = memory.of(service.name)
    if past.last_failure_at is None or past.failures == 0:
        return None
    if service.version != past.last_version and service.updated_at > past.last_failure_at:
        return None  # changed since, and not by us: that may have been the cure
    if past.failures >= policy.give_up_after:
        return f"{past.failures} actions failed in a row: given up until the service is changed"
    wait = min(LONGEST_BACKOFF_SECONDS, policy.backoff_seconds * 2.0 ** (past.failures - 1))
    ago = abs((now - past.last_failure_at).total_seconds())
    if ago >= wait:
        return None
    return f"its last action failed {duration(ago)} ago ({past.failures} in a row), next try after {duration(wait)}"


def _held(decision: Decision, why: str) -> Decision:
    reason = f"leave {decision.service} at {decision.now}, because {why}"
    return replace(decision, then=decision.now, reasons=(*decision.reasons, reason))


def _scaling(cluster: str, action_id: str, decision: Decision, service: Service) -> Action:
    """The action of a decision, carrying the count and the version that it was decided on (S16, S17), and its undo."""
    reason = decision.reasons[-1]
    return Action(
        id=action_id,
        kind="scale",
        cluster=cluster,
        service=service.name,
        parameters={
            "swarmherd_service": service.name,
            "swarmherd_replicas": decision.then,
            "swarmherd_expected_replicas": decision.now,
            "swarmherd_expected_version": service.version if decision.version is None else decision.version,
            "swarmherd_reason": reason,
        },
        undo={"swarmherd_service": service.name, "swarmherd_replicas": decision.now},
        reason=reason,
        evidence=decision.evidence,
    )


def manual_scale(view: ClusterView, service: str, replicas: int, reason: str, new_id: Callable[[], str]) -> Action:
    """A person's scaling of `service`, carried out like any other action.

    Raises LookupError where there is no such service, and ValueError where it has no count, or where the count or the
    reason will not do; each with one sentence for the person.
    """
    found = view.service(service)
    if found is None:
        raise LookupError(f"there is no service {service} in cluster {view.cluster}")
    if found.replicas is None:
        raise ValueError(f"{service} is not in replicated mode, so it has no count to scale")
    if not 0 <= replicas <= LARGEST_COUNT:
        raise ValueError(f"{service} cannot have {replicas} replicas: give a number from 0 to {LARGEST_COUNT}")
    if not reason.strip():
        raise ValueError(f"scaling {service} by hand needs a reason: others will ask why")
    because = f"scale {service} from {found.replicas} to {replicas} by hand, because {one_line(reason)}"
    decision = Decision(service, found.replicas, replicas, None, (because,), version=found.version)
    return _scaling(view.cluster, new_id(), decision, found)
