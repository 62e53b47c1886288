# SPDX-License-Identifier: GPL-3.0-or-later
"""Decisions as actions: the playbook's variables, what they were decided on (S16, S17), and the undo."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from swarmherd.decide.words import one_line
from swarmherd.model import Action, ClusterView, Decision, Following, Lever, Move, Service
from swarmherd.policy import Policy, service_wishes

LARGEST_COUNT = 100_000


def scaling(cluster: str, action_id: str, decision: Decision, service: Service) -> Action:
    """The action of a decision, carrying the count and the version that it was decided on, and its undo."""
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


def drained_first(policy: Policy, service: Service) -> Mapping[str, str]:
    """What tells a move's playbook to drain the tasks at the load balancer before it stops them (S18)."""
    backend = service_wishes(policy, [service]).of(service.name).balancer
    return {} if backend is None else {"swarmherd_balancer_backend": backend}


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
    return scaling(view.cluster, new_id(), decision, found)
