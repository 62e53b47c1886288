# SPDX-License-Identifier: GPL-3.0-or-later
"""What heals, as actions: one task restarted, one task moved, one service rolled back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from swarmherd.decide.heal import PLACE
from swarmherd.model import Action, Cause, Healing, Lever, Move, Remedy, Service
from swarmherd.plan.actions import drained_first, moving
from swarmherd.policy import Policy


def healing(cluster: str, action_id: str, one: Healing, service: Service, policy: Policy) -> Action:
    """The action of a remedy that is not `none`. It names the place that it heals, so that it is counted there."""
    if one.remedy is Remedy.ROLLBACK:
        made = rolling_back(cluster, action_id, service, one.reasons[-1], one.version)
    elif one.remedy is Remedy.RESTART:
        made = restarting(cluster, action_id, one, service, policy)
    else:
        move = Move(
            cause=Cause.HEAL,
            service=one.service,
            task=one.task,
            source=one.node,
            lever=Lever.PAUSE_AND_STOP,
            allowed=one.allowed,
            reasons=(one.reasons[-1],),
            avoid=one.avoid,
            version=one.version,
        )
        made = moving(cluster, action_id, move, service, policy)
    return replace(made, parameters={**made.parameters, PLACE: one.place}, evidence=one.evidence)


def restarting(cluster: str, action_id: str, one: Healing, service: Service, policy: Policy) -> Action:
    """One task stopped, which Swarm starts anew. The undo clears what is set on nodes meanwhile."""
    reason = one.reasons[-1]
    both: dict[str, Any] = {
        "swarmherd_service": service.name,
        "swarmherd_node": one.node,
        "swarmherd_task": one.task,
        "swarmherd_allowed_nodes": list(one.allowed),
        "swarmherd_avoid_nodes": list(one.avoid),
    }
    consent = {"swarmherd_force": True} if service.local_data and not one.allowed else {}
    return Action(
        id=action_id,
        kind="restart",
        cluster=cluster,
        service=service.name,
        parameters={
            **both,
            **consent,
            **drained_first(policy, service),
            "swarmherd_expected_version": service.version if one.version is None else one.version,
            "swarmherd_reason": reason,
        },
        undo={**both, "swarmherd_state": "cleared"},
        reason=reason,
        evidence=one.evidence,
    )


def rolling_back(cluster: str, action_id: str, service: Service, reason: str, version: int | None = None) -> Action:
    """A service's previous specification put in force again. There is no undo: to roll back twice is to go forward."""
    return Action(
        id=action_id,
        kind="rollback",
        cluster=cluster,
        service=service.name,
        parameters={
            "swarmherd_service": service.name,
            "swarmherd_expected_version": service.version if version is None else version,
            "swarmherd_reason": reason,
        },
        undo={},
        reason=reason,
    )
