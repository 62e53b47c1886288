# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a service is where it is, and what holds it there. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from swarmherd.decide.marks import leftovers
from swarmherd.decide.place.constraints import ConstraintError, parse_constraint
from swarmherd.decide.words import duration, number, one_line
from swarmherd.explain.room import room_for
from swarmherd.explain.words import amount, listed
from swarmherd.model import Arrangement, ClusterView, Node, NodeState, Service, Task, TaskState, UpdateState
from swarmherd.policy import Policy, anchor_constraint, anchor_label

AT_REST = (UpdateState.NONE, UpdateState.COMPLETED, UpdateState.ROLLBACK_COMPLETED)
SHOWN_TASKS = 5
ANCHOR = anchor_label("")


def about_service(
    view: ClusterView, policy: Policy, service: Service, arrangement: Arrangement, now: datetime
) -> Iterator[str]:
    """Sentences, the most telling first."""
    yield _where(view, service)
    if service.update_state not in AT_REST:
        state = service.update_state.value.replace("_", " ")
        yield f"Its update is {state}: until that is over, nothing of ours but healing touches it."
    waiting = [task for task in view.tasks_of(service.name) if is_waiting(task)]
    for task in waiting[:SHOWN_TASKS]:
        yield from why_waiting(view, policy, service, task, now)
    if len(waiting) > SHOWN_TASKS:
        yield f"{len(waiting) - SHOWN_TASKS} more of its tasks wait."
    yield from what_holds(view, service)
    yield from _followers(view, service)
    if marks := leftovers(view, service.name):
        yield f"A move of it is under way, or was cut short: it has set {listed(marks)}."
    if not waiting:
        room = room_for(view, policy, service)
        yield room.sentence("another task of it")
    yield from why_not_moved(arrangement, service.name)
    yield from (
        f"Of its health: {one_line(one.because)}." for one in arrangement.healing if one.service == service.name
    )


def is_waiting(task: Task) -> bool:
    """Wanted, and not yet running."""
    order = list(TaskState)
    return task.desired is TaskState.RUNNING and order.index(task.state) < order.index(TaskState.RUNNING)


def why_waiting(view: ClusterView, policy: Policy, service: Service, task: Task, now: datetime) -> Iterator[str]:
    """What Swarm says of a task that does not run yet, and what our own filters find."""
    name, since = f"{task.service}.{task.slot} ({task.id})", duration(abs((now - task.created_at).total_seconds()))
    node = view.node(task.node_id)
    if node is not None:
        said = f", and Swarm says: {one_line(task.message)}" if task.message else ""
        yield f"{name} was given to {node.hostname} {since} ago and is {task.state.value}{said}."
        return
    yield f"{name} has waited for a node for {since}; Swarm says: {one_line(task.message) or 'nothing'}."
    room = room_for(view, policy, service, without=[task.id])
    yield room.sentence("it" if room.takes else name)
    yield from (f"Not readable: {problem}." for problem in room.problems)


def what_holds(view: ClusterView, service: Service) -> Iterator[str]:
    """Constraints and anchors, each with the nodes that it leaves, and whatever else ties it to a node."""
    for text in service.constraints:
        yield _constraint(view, text)
    if service.local_data:
        yield "It has a volume or path of its node, which would stay behind: it is moved with consent only."
    if service.max_per_node:
        yield f"A node takes at most {service.max_per_node} of its tasks."
    if service.host_ports:
        ports = listed(str(port) for port in sorted(service.host_ports))
        yield f"It takes the port {ports} of its node, so a node takes one of its tasks."
    if service.cpu_reservation or service.memory_reservation_bytes:
        parts = [f"{number(service.cpu_reservation)} CPU"] if service.cpu_reservation else []
        parts += [amount(service.memory_reservation_bytes)] if service.memory_reservation_bytes else []
        yield f"Each task reserves {listed(parts)}."


def why_not_moved(arrangement: Arrangement, service: str) -> Iterator[str]:
    """What is decided now about where it runs, as far as anything is."""
    for following in arrangement.following:
        if service == following.anchor or service in following.dependents:
            yield f"Of the anchor {following.anchor}: {one_line(following.because)}."
    for balance in arrangement.balances:
        yield from (f"To be moved: {one_line(move.because)}." for move in balance.moves if move.service == service)
    rescue = arrangement.rescue
    yield from (f"Of its waiting: {one_line(one.because)}." for one in rescue.findings if one.service == service)
    yield from (f"Of bringing it up: {one_line(one.because)}." for one in rescue.recreations if one.service == service)
    if why := arrangement.stays.get(service):
        yield f"None of its tasks is moved to even out the load, because {one_line(why)}."


def _where(view: ClusterView, service: Service) -> str:
    names = {node.id: node.hostname for node in view.nodes}
    running = view.running(service.name)
    at = Counter(names.get(task.node_id, task.node_id) for task in running)
    places = listed(f"{many} on {name}" for name, many in sorted(at.items()))
    wanted = "it has a task on every node that fits" if service.replicas is None else f"{service.replicas} wanted"
    wanted = "it is a job, whose tasks end by themselves" if service.job else wanted
    return f"{service.name} runs {len(running)} tasks, {wanted}{f': {places}' if places else ''}."


def _constraint(view: ClusterView, text: str) -> str:
    try:
        constraint = parse_constraint(text)
    except ConstraintError as error:
        return f"Its constraint {one_line(text)} is not readable: {error}."
    ready = (node for node in view.nodes if node.state is NodeState.READY)
    left = [node.hostname for node in ready if constraint.holds(_value(node, constraint.attribute))]
    nodes = f"that leaves {listed(sorted(left))}" if left else "no node that is up satisfies it"
    key = constraint.attribute.removeprefix("node.labels.")
    anchor = key.removeprefix(ANCHOR) if key.startswith(ANCHOR) else ""
    if anchor and "".join(text.split()).casefold() == anchor_constraint(anchor).casefold():
        return f"It follows {anchor}, by the constraint {constraint}: {nodes}."
    return f"Its constraint {constraint} must hold: {nodes}."


def _value(node: Node, attribute: str) -> str:
    for prefix, labels in (("node.labels.", node.labels), ("engine.labels.", node.engine_labels)):
        if attribute.startswith(prefix):
            return labels.get(attribute.removeprefix(prefix), "")
    known = {
        "node.id": node.id,
        "node.hostname": node.hostname,
        "node.role": node.role.value,
        "node.ip": node.address,
        "node.platform.os": node.os,
        "node.platform.arch": node.arch,
    }
    return known.get(attribute, "")


def _followers(view: ClusterView, service: Service) -> Iterator[str]:
    wanted = anchor_constraint(service.name).casefold()
    behind = sorted(
        other.name
        for other in view.services
        if wanted in ("".join(text.split()).casefold() for text in other.constraints)
    )
    label = anchor_label(service.name)
    at = sorted(node.hostname for node in view.nodes if node.labels.get(label, "").casefold() == "yes")
    if behind or at:
        where = f"its label is on {listed(at)}" if at else "no node has its label, so they have no place"
        yield f"It is the anchor of {listed(behind) or 'nothing'}: {where}."
