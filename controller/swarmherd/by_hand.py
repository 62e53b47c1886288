# SPDX-License-Identifier: GPL-3.0-or-later
"""A person's moves, restarts, rollbacks, drains and sizes as actions, carried out like any other. Pure.

Each raises LookupError for what is not there and ValueError for what will not do, with one sentence for the person.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from swarmherd.decide.advise import Advice
from swarmherd.decide.marks import leftovers
from swarmherd.decide.place import Placer
from swarmherd.decide.place.seen import nodes as seen_nodes
from swarmherd.decide.place.seen import shape as seen_shape
from swarmherd.decide.units import MOST_AVOIDED
from swarmherd.decide.words import count, one_line
from swarmherd.model import (
    Action,
    Availability,
    ClusterView,
    Healing,
    Lever,
    Node,
    NodeState,
    Remedy,
    Service,
    Task,
    UpdateState,
)
from swarmherd.plan.actions import drained_first
from swarmherd.plan.remedies import restarting, rolling_back
from swarmherd.plan.resizing import resizing
from swarmherd.policy import Policy
from swarmherd.policy.units import resembling

AT_REST = (UpdateState.NONE, UpdateState.COMPLETED, UpdateState.ROLLBACK_COMPLETED)
SHOWN = 5
NewId = Callable[[], str]


def find_node(view: ClusterView, name: str) -> Node:
    """The node of this hostname or id."""
    if (found := view.node(name)) is not None:
        return found
    named = [node for node in view.nodes if node.hostname == name]
    if len(named) == 1:
        return named[0]
    if named:
        ids = ", ".join(sorted(f"{node.id} ({node.state.value})" for node in named))
        raise LookupError(f"several nodes are called {name}: give one of the ids {ids}")
    names = [node.hostname for node in view.nodes]
    remedy = resembling(name, names) or f"there are {_listed(sorted(names))}"
    raise LookupError(f"there is no node {one_line(name)} in cluster {view.cluster}; {remedy}")


def find_service(view: ClusterView, name: str) -> Service:
    """The service of this name or id."""
    found = next((service for service in view.services if name in (service.name, service.id)), None)
    if found is None:
        remedy = resembling(name, [service.name for service in view.services])
        raise LookupError(
            f"there is no service {one_line(name)} in cluster {view.cluster}{f'; {remedy}' if remedy else ''}"
        )
    return found


def manual_move(
    view: ClusterView,
    policy: Policy,
    name: str,
    source_name: str,
    reason: str,
    new_id: NewId,
    *,
    target_name: str = "",
    task: str = "",
    leave_data: bool = False,
) -> Action:
    """A service's tasks on one node, or one of them, go to another node: to `target_name` where that is given.

    `task` is an id or the beginning of one. `leave_data` consents to leaving a node's own volume behind (S10).
    """
    service, source = find_service(view, name), find_node(view, source_name)
    _refuse_unmovable(view, service, leave_data)
    here = _here(view, service, source)
    moving, lever = _levered(service, source, here, task)
    allowed, avoided = _places(view, service, source, moving, find_node(view, target_name) if target_name else None)
    where = f" to {find_node(view, target_name).hostname}" if target_name else ""
    what = f"task {moving[0].id} of {service.name}" if len(moving) == 1 else f"{len(moving)} tasks of {service.name}"
    because = f"move {what} off {source.hostname}{where} by hand, because {one_line(reason)}"
    both: dict[str, Any] = {
        "swarmherd_service": service.name,
        "swarmherd_node": source.id,
        "swarmherd_task": moving[0].id if lever is Lever.PAUSE_AND_STOP or task else "",
        "swarmherd_method": lever.value,
        "swarmherd_allowed_nodes": allowed,
        "swarmherd_avoid_nodes": avoided,
    }
    force = {"swarmherd_force": True} if leave_data else {}
    return Action(
        id=new_id(),
        kind="move",
        cluster=view.cluster,
        service=service.name,
        parameters={
            **both,
            **force,
            **drained_first(policy, service),
            "swarmherd_expected_version": service.version,
            "swarmherd_reason": because,
        },
        undo={**both, "swarmherd_state": "cleared"},
        reason=because,
    )


def manual_restart(
    view: ClusterView, policy: Policy, name: str, reason: str, new_id: NewId, *, task: str = ""
) -> Action:
    """One task of a service is stopped, and Swarm starts it anew. `task` is an id, the beginning of one, or a slot."""
    service = find_service(view, name)
    _refuse_unmovable(view, service, leave_data=True)
    there = sorted(view.tasks_of(service.name), key=lambda one: (one.slot, one.id))
    found = [one for one in there if not task or one.id.startswith(task) or task == str(one.slot)]
    ids = _listed(f"{one.id} (slot {one.slot})" for one in there)
    if not found:
        raise LookupError(f"{service.name} has no task {one_line(task)}; it has {ids or 'none'}")
    if len(found) > 1:
        raise ValueError(f"one task is restarted at a time: give --task with one of {ids}")
    where = view.node(found[0].node_id)
    host = where.hostname if where is not None else found[0].node_id
    because = f"restart {service.name}.{found[0].slot} on {host} by hand, because {one_line(reason)}"
    places = _its_own_node(view, service, found[0]) if service.local_data else ([], [])
    one = Healing(
        service.name,
        Remedy.RESTART,
        (because,),
        task=found[0].id,
        node=found[0].node_id,
        allowed=tuple(places[0]),
        avoid=tuple(places[1]),
        version=service.version,
    )
    return restarting(view.cluster, new_id(), one, service, policy)


def _its_own_node(view: ClusterView, service: Service, task: Task) -> tuple[list[str], list[str]]:
    """S10: what has a volume of its node starts there again: the others that could take it are paused meanwhile."""
    nodes = seen_nodes(view, without=[task.id])
    fit = {ranked.node for ranked in Placer(nodes).ranking(seen_shape(service, 1).shape)}
    others = sorted(fit - {task.node_id})
    if len(others) > MOST_AVOIDED:
        raise ValueError(
            f"{service.name} has a volume or path of its node, and {len(others)} other nodes would take its task "
            f"without it, of which {MOST_AVOIDED} at most are paused: bind it to its node by a constraint first"
        )
    return [task.node_id], others


def manual_rollback(view: ClusterView, name: str, reason: str, new_id: NewId) -> Action:
    """A service goes back to its previous specification, whatever its update is doing."""
    service = find_service(view, name)
    if service.update_state in (UpdateState.ROLLBACK_STARTED, UpdateState.ROLLBACK_COMPLETED):
        raise ValueError(
            f"{service.name} is rolled back already: once more would bring the other specification in force again"
        )
    if not service.has_previous and service.update_state is not UpdateState.ROLLBACK_PAUSED:
        raise ValueError(f"Docker keeps no previous specification of {service.name} to go back to")
    because = f"roll {service.name} back by hand, because {one_line(reason)}"
    return rolling_back(view.cluster, new_id(), service, because)


def manual_resources(view: ClusterView, advice: Advice, reason: str, new_id: NewId) -> Action:
    """A service gets the reservations and limits that are proposed, on the version that they were proposed for."""
    service = find_service(view, advice.service.name)
    known = [one for one in advice.proposals if not one.problem]
    if not known:
        raise ValueError(f"nothing is proposed for {service.name}: {advice.cpu.problem}")
    if service.update_state not in AT_REST:
        raise ValueError(
            f"{service.name} is not at rest (its update is {service.update_state.value}): wait until it is"
        )
    if large := next((one for one in known if one.too_large), None):
        raise ValueError(f"no task of {service.name} would find a place: {large.reasons[-1]}")
    _refuse_to_leave_data(view, service)
    because = f"size {service.name} by its past, because {one_line(reason)}"
    return resizing(view.cluster, new_id(), advice, because)


def _refuse_to_leave_data(view: ClusterView, service: Service) -> None:
    """S10: an update lets Swarm choose the nodes anew."""
    if not service.local_data or service.replicas is None:
        return
    mine = [task.id for task in view.tasks_of(service.name)]
    fit = Placer(seen_nodes(view, without=mine)).ranking(seen_shape(service, 1).shape)
    if len(fit) > 1:
        raise ValueError(
            f"{service.name} has a volume or path of its node, and its new tasks might start on any of {len(fit)} "
            "nodes without it: bind it to its node by a constraint first"
        )


def manual_availability(view: ClusterView, name: str, availability: Availability, reason: str, new_id: NewId) -> Action:
    """A node is drained, paused or made active. A drain that leaves no node for tasks is refused."""
    node = find_node(view, name)
    others = [one for one in view.nodes if one.id != node.id and _takes_tasks(one)]
    if availability is not Availability.ACTIVE and not others:
        raise ValueError(
            f"no other node takes tasks, so those of {node.hostname} would have no place; add a node first"
        )
    verb = {Availability.DRAIN: "drain", Availability.PAUSE: "pause"}.get(availability, "activate")
    because = f"{verb} {node.hostname} by hand, because {one_line(reason)}"
    both = {"swarmherd_node": node.id, "swarmherd_reason": because}
    return Action(
        id=new_id(),
        kind="drain",
        cluster=view.cluster,
        service="",
        parameters={**both, "swarmherd_availability": availability.value},
        undo={**both, "swarmherd_availability": node.availability.value},
        reason=because,
    )


def _takes_tasks(node: Node) -> bool:
    return node.state is NodeState.READY and node.availability is Availability.ACTIVE


def _refuse_unmovable(view: ClusterView, service: Service, leave_data: bool) -> None:
    """S6, S10: not while it changes, not while it waits for a place, and not away from its data."""
    name = service.name
    if service.replicas is None:
        raise ValueError(f"{name} is not in replicated mode: its tasks have their nodes by rule")
    if service.update_state not in AT_REST:
        raise ValueError(f"{name} is not at rest (its update is {service.update_state.value}): wait until it is")
    running, wanted = len(view.running(name)), service.replicas
    if running != wanted and not leftovers(view, name):
        raise ValueError(f"{running} of {wanted} replicas of {name} run: move it when all do; explain says why")
    if not service.restarts:
        raise ValueError(f"{name} does not replace every task that ends (its restart condition): none would come back")
    if service.local_data and not leave_data:
        raise ValueError(
            f"{name} has a volume or path of its node, which stays behind when its tasks move; "
            "--leave-data moves it nevertheless"
        )


def _here(view: ClusterView, service: Service, source: Node) -> list[Task]:
    tasks = sorted(view.tasks_of(service.name), key=lambda task: (task.slot, task.id))
    here = [task for task in tasks if task.node_id == source.id]
    if not here:
        names = {node.id: node.hostname for node in view.nodes}
        at = sorted({names.get(task.node_id, task.node_id) for task in tasks if task.node_id})
        raise ValueError(f"{service.name} has no task on {source.hostname}; it has some on {_listed(at) or 'no node'}")
    return here


def _levered(service: Service, source: Node, here: list[Task], task: str) -> tuple[list[Task], Lever]:
    """Which tasks move, and how: by the deny label only what may run twice for a moment, and only all of them."""
    moving = [one for one in here if one.id.startswith(task)] if task else here
    ids = _listed(one.id for one in here)
    if not moving:
        raise LookupError(f"{source.hostname} has no task {one_line(task)} of {service.name}; it has {ids}")
    if task and len(moving) > 1:
        raise ValueError(f"{one_line(task)} is the beginning of several ids: give one of {ids} in full")
    if may_overlap(service) and len(moving) == len(here):
        return moving, Lever.DENY_LABEL
    if len(moving) > 1:
        raise ValueError(
            f"{service.name} must not run twice, so its tasks move one by one: give --task with one of {ids}"
        )
    return moving, Lever.PAUSE_AND_STOP


def may_overlap(service: Service) -> bool:
    """Whether an old and a new task may run beside each other: it is start-first, or stateless with some replicas."""
    return service.start_first or ((service.replicas or 0) > 1 and not service.local_data)


def _places(
    view: ClusterView, service: Service, source: Node, moving: list[Task], target: Node | None
) -> tuple[list[str], list[str]]:
    """The node ids where it may land, and those to be paused meanwhile so that Swarm chooses among the former."""
    all_of_them, one = (seen_shape(service, replicas).shape for replicas in (len(moving), 1))
    seen = seen_nodes(view, without=[task.id for task in moving])
    others = [node for node in seen if node.id != source.id]
    if target is not None and target.id == source.id:
        raise ValueError(f"{source.hostname} is where it is: give another node to go to")
    places = [node for node in others if target is None or node.id == target.id]
    placed = Placer(places).place([all_of_them])[0]
    if placed.unplaced:
        where = target.hostname if target is not None else "no other node"
        can = "cannot" if target is not None else "can"
        what = "a task" if len(moving) == 1 else f"{len(moving)} tasks"
        raise ValueError(f"{where} {can} take {what} of {service.name}: {placed.explanation}")
    if target is None:
        return [], []
    return [target.id], sorted({ranked.node for ranked in Placer(others).ranking(one)} - {target.id})


def _listed(names: Iterable[str]) -> str:
    found = list(names)
    more = f" and {count(len(found) - SHOWN, 'other')}" if len(found) > SHOWN else ""
    return ", ".join(found[:SHOWN]) + more
