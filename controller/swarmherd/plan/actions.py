# SPDX-License-Identifier: GPL-3.0-or-later
"""Decisions as actions: the playbook's variables, what they were decided on (S16, S17), and the undo."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from swarmherd.decide.words import one_line
from swarmherd.model import (
    EMPTY,
    Action,
    ClusterView,
    Cordon,
    Decision,
    Direction,
    Finding,
    Following,
    Lever,
    Move,
    Recreation,
    Service,
)
from swarmherd.plan.capacity import ignored
from swarmherd.plan.draining import by_hand
from swarmherd.policy import Capacity, Policy, balancer_of

LARGEST_COUNT = 100_000


def scaling(
    cluster: str,
    action_id: str,
    decision: Decision,
    service: Service,
    policy: Policy,
    draining: Mapping[str, Any] = EMPTY,
) -> Action:
    """The action of a decision, carrying the count and the version that it was decided on, and its undo.

    `draining`: what is drained at the load balancer before it goes.
    """
    reason = decision.reasons[-1]
    waits = decision.direction is Direction.UP and ignored(policy, service.name)
    return Action(
        id=action_id,
        kind="scale",
        cluster=cluster,
        service=service.name,
        parameters={
            **draining,
            **({"swarmherd_capacity": Capacity.IGNORE.value} if waits else {}),
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


def relabelling(cluster: str, action_id: str, following: Following) -> Action:
    """The anchor's label added where it runs, the dependents bound to it, and then taken off other nodes (S4).

    Where no other node has the label there is nothing to go back to: the undo is empty.
    """
    reason = following.reasons[-1]
    old = [node for node in following.labelled if node != following.node]
    dependents = [{"name": name, "expected_version": version} for name, version in sorted(following.versions.items())]
    both = {"swarmherd_anchor": following.anchor, "swarmherd_dependents": dependents}
    return Action(
        id=action_id,
        kind="relabel",
        cluster=cluster,
        service=following.anchor,
        parameters={**both, "swarmherd_node": following.node, "swarmherd_old_nodes": old, "swarmherd_reason": reason},
        undo=_relabelled_back(following, old),
        reason=reason,
        evidence=following.evidence,
    )


def releasing(cluster: str, action_id: str, following: Following) -> Action:
    """Those who follow no longer lose their constraint, then nodes the label that nobody needs.

    Nothing of it needs setting back: each step leaves all tasks where they are, and what is left of it is decided anew.
    """
    reason = following.reasons[-1]
    freed = [{"name": name, "expected_version": version} for name, version in sorted(following.freed.items())]
    return Action(
        id=action_id,
        kind="release",
        cluster=cluster,
        service=following.anchor,
        parameters={
            "swarmherd_anchor": following.anchor,
            "swarmherd_dependents": freed,
            "swarmherd_old_nodes": list(following.unlabelled),
            "swarmherd_reason": reason,
        },
        undo={},
        reason=reason,
    )


def _relabelled_back(following: Following, old: list[str]) -> Mapping[str, Any]:
    """Old and new exchanged. The dependents have other versions by then, so none is expected."""
    if not old:
        return {}
    return {
        "swarmherd_anchor": following.anchor,
        "swarmherd_dependents": [{"name": name} for name in sorted(following.versions)],
        "swarmherd_node": old[0],
        "swarmherd_old_nodes": [following.node],
    }


def moving(cluster: str, action_id: str, move: Move, service: Service, policy: Policy) -> Action:
    """A move by its lever. The undo clears what it leaves on nodes; a task that has moved stays where it is."""
    both: dict[str, Any] = {
        "swarmherd_service": move.service,
        "swarmherd_node": move.source,
        "swarmherd_task": move.task,
        "swarmherd_method": Lever(move.lever).value,
        "swarmherd_allowed_nodes": list(move.allowed),
        "swarmherd_avoid_nodes": list(move.avoid),
    }
    consent = {"swarmherd_force": True} if service.local_data else {}
    first = drained_first(policy, service)
    version = service.version if move.version is None else move.version
    return Action(
        id=action_id,
        kind="move",
        cluster=cluster,
        service=move.service,
        parameters={
            **both,
            **consent,
            **first,
            "swarmherd_expected_version": version,
            "swarmherd_reason": move.reasons[0],
        },
        undo={**both, "swarmherd_state": "cleared"},
        reason=move.reasons[0],
        evidence=move.evidence,
    )


def cordoning(cluster: str, action_id: str, cordon: Cordon) -> Action:
    """A cordon begun or ended. It is one write, so there is nothing to undo."""
    reason = cordon.reasons[-1]
    until = {"swarmherd_cordon_until": int(cordon.until.timestamp())} if cordon.cordon and cordon.until else {}
    version = {} if cordon.version is None else {"swarmherd_expected_version": cordon.version}
    said = {"swarmherd_measure": "cordon" if cordon.cordon else "uncordon", "swarmherd_node": cordon.node}
    return Action(
        action_id, "failover", cluster, "", {**said, **until, **version, "swarmherd_reason": reason}, {}, reason
    )


def recreating(cluster: str, action_id: str, one: Recreation, service: Service) -> Action:
    """A service bound to another node, or its task made anew. The undo binds it to the old node again."""
    reason = one.reasons[-1]
    said: dict[str, Any] = {
        "swarmherd_measure": "recreate",
        "swarmherd_service": one.service,
        "swarmherd_node": one.node,
    }
    bound = (
        {"swarmherd_constraints": list(one.add), "swarmherd_remove_constraints": list(one.remove)} if one.add else {}
    )
    back = {"swarmherd_constraints": list(one.remove), "swarmherd_remove_constraints": list(one.add)} if one.add else {}
    hook = {"swarmherd_fence_hook": one.fence_hook} if one.fence_hook else {}
    version = service.version if one.version is None else one.version
    expected = {"swarmherd_expected_version": version, "swarmherd_reason": reason}
    undo = {**said, **back} if back else {}
    return Action(action_id, "failover", cluster, one.service, {**said, **bound, **hook, **expected}, undo, reason)


def clearing(cluster: str, action_id: str, finding: Finding) -> Action:
    """What moves have left on nodes is cleared."""
    reason = finding.reasons[-1]
    said = {"swarmherd_measure": "clear", "swarmherd_service": finding.service, "swarmherd_reason": reason}
    return Action(action_id, "failover", cluster, finding.service, said, {}, reason)


def bootstrapping(cluster: str, action_id: str, nodes: Mapping[str, Mapping[str, str]], reason: str) -> Action:
    """Every host of the inventory joins the Swarm that there is, in its role and with its labels (`nodes`: by node).

    What has joined stays: there is no undo.
    """
    said = {"swarmherd_nodes": {name: dict(labels) for name, labels in nodes.items()}, "swarmherd_reason": reason}
    return Action(action_id, "bootstrap", cluster, "", said, {}, reason)


def drained_first(policy: Policy, service: Service) -> Mapping[str, str]:
    """What tells a move's playbook to drain the tasks at the load balancer before it stops them (S18)."""
    backend = balancer_of(policy, service)
    return {} if backend is None else {"swarmherd_balancer_backend": backend}


def manual_scale(
    view: ClusterView,
    service: str,
    replicas: int,
    reason: str,
    new_id: Callable[[], str],
    policy: Policy | None = None,
) -> Action:
    """A person's scaling of `service`, carried out like any other action, behind the balancer that `policy` names.

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
    backend = balancer_of(policy, found) if policy is not None else None
    draining = by_hand(view, found, replicas, backend) if backend is not None else EMPTY
    return scaling(view.cluster, new_id(), decision, found, policy or Policy(), draining)
