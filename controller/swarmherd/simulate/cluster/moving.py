# SPDX-License-Identifier: GPL-3.0-or-later
"""`move.yml` in the simulated cluster: by deny label, by pause and stop, or by a stop alone, and clearing what is left.

The marks on nodes are those of the collection (`plugins/module_utils/_marks.py`): each stands in the very write that it
explains, and says until when the move that set it may be alive.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass

from swarmherd.decide.foretell import landing, moved
from swarmherd.decide.marks import DENY, DENY_UNTIL, PAUSED, denied, paused_for
from swarmherd.model import Availability, Lever, Node, NodeState, Service, Task, TaskState
from swarmherd.simulate.cluster.api import Api, running_on
from swarmherd.simulate.cluster.balancing import backend_of, drained, used_again
from swarmherd.simulate.cluster.errors import ModuleFailedError
from swarmherd.simulate.cluster.steps import ANSIBLE_SECONDS, AT_REST, WAIT, Result, Step, Steps, Variables

SPARE_SECONDS = 60
GRACE_SECONDS = 10
STOP = "stop"
"""The task is stopped, and may start again where it was."""
BROKEN = (TaskState.FAILED, TaskState.REJECTED)
Writing = Generator[Step, None, None]


@dataclass(frozen=True, slots=True)
class Order:
    """One move, decided on one reading."""

    service: Service
    source: Node
    moving: tuple[Task, ...]
    allowed: frozenset[str]
    avoid: tuple[str, ...]
    until: int
    seconds: float
    backend: str
    """The load balancer's that serves it; empty for none."""

    @property
    def leaving(self) -> tuple[str, ...]:
        return tuple(task.id for task in self.moving)


def move(api: Api, variables: Variables) -> Steps:
    """The steps of `tasks/move.yml`."""
    name = variables["swarmherd_service"]
    yield Step("playbook started", ANSIBLE_SECONDS)
    if variables.get("swarmherd_state") == "cleared":
        yield from cleared(api, name)
        yield from used_again(api, backend_of(variables))
        return {}
    task = variables.get("swarmherd_task") or ""
    method = variables.get("swarmherd_method") or (Lever.PAUSE_AND_STOP if task else Lever.DENY_LABEL)
    try:
        order = _ordered(api, variables, task, method)
    except ModuleFailedError:
        yield from cleared(api, name)
        raise
    if not order.moving:
        return {"version": order.service.version}
    try:
        service = yield from _gone(api, order, method)
        heirs = yield from _landed(api, order, service)
    except ModuleFailedError:
        yield from cleared(api, name)
        yield from used_again(api, order.backend, order.leaving)
        raise
    yield from cleared(api, name)
    yield from used_again(api, order.backend, order.leaving)
    if wrong := [one for one in heirs if order.allowed and one.node_id not in order.allowed]:
        raise ModuleFailedError(f"landed on the wrong node: {wrong[0].id}")
    result: Result = {"version": service.version}
    return result


def _ordered(api: Api, variables: Variables, task: str, method: str) -> Order:
    """Fails, with nothing written, where the service was changed or is not to be moved."""
    service, source = api.service(variables["swarmherd_service"]), api.node(variables["swarmherd_node"])
    api.refuse_unexpected(service, variables.get("swarmherd_expected_version"))
    kept = api.kept(service.name)
    moving = tuple(one for one in running_on(kept, source.id) if task in ("", one.id))
    avoid = tuple(variables.get("swarmherd_avoid_nodes") or ())
    seconds = float(variables.get("swarmherd_wait_timeout") or 60)
    until = int(api.swarm.timeline.now.timestamp() + seconds) + GRACE_SECONDS + SPARE_SECONDS
    allowed = frozenset(variables.get("swarmherd_allowed_nodes") or ())
    order = Order(service, source, moving, allowed, avoid, until, seconds, backend_of(variables))
    if moving:
        _refuse(api, order, kept, method)
    return order


def _refuse(api: Api, order: Order, kept: Sequence[Task], method: str) -> None:
    name = order.service.name
    if order.service.update_state not in AT_REST:
        raise ModuleFailedError(f"refused: {name} is being updated")
    if len(api.view().running(name)) != order.service.replicas or len(kept) != order.service.replicas:
        raise ModuleFailedError(f"refused: {name} does not stand as it should")
    if method == Lever.DENY_LABEL and order.source.availability is Availability.PAUSE:
        raise ModuleFailedError(f"refused: {order.source.hostname} is paused")
    if method != Lever.DENY_LABEL and len(order.moving) > 1:
        raise ModuleFailedError("task: there are several; name one")
    if not _places(api, order, method):
        raise ModuleFailedError(f"refused: no node would take a task of {name}")
    for node in api.view().nodes:
        other = paused_for(node)
        if other not in (None, name) and node.id in (*order.avoid, order.source.id):
            raise ModuleFailedError(f"{node.hostname} is paused by a move of {other}")


def _places(api: Api, order: Order, method: str) -> frozenset[str]:
    if method == STOP:
        return landing(api.view(), order.service, gone=order.leaving, closed=order.avoid).nodes
    return moved(api.view(), order.service, order.source.id, avoid=order.avoid).nodes


def _gone(api: Api, order: Order, method: str) -> Generator[Step, None, Service]:
    """What keeps Swarm from choosing the node again, then the balancer, then what sends the tasks away (S18)."""
    stopping = (order.source.id,) if method == Lever.PAUSE_AND_STOP else ()
    yield from _pause(api, order, (*order.avoid, *stopping))
    yield from drained(api, order.backend, order.leaving)
    if method == Lever.DENY_LABEL:
        return (yield from _denied(api, order))
    api.stop_container(order.moving[0].id, order.source.id)
    yield Step("container stopped")
    return order.service


def _denied(api: Api, order: Order) -> Generator[Step, None, Service]:
    """The constraint has to be there before the label (measured: no task restarts for it)."""
    name = order.service.name
    constraint = f"node.labels.{DENY}{name} != yes"
    held = order.service.constraints
    wanted = held if constraint in held else (*held, constraint)
    service = api.update_service(name, order.service.version, constraints=wanted)
    yield Step("service constrained")
    marks = {DENY + name: "yes", DENY_UNTIL + name: str(order.until)}
    api.update_node(order.source.id, lambda now: ({**now.labels, **marks}, now.availability))
    yield Step("node denied")
    return service


def _pause(api: Api, order: Order, node_ids: Sequence[str]) -> Writing:
    """A node that is not active already stays as somebody left it."""

    def paused(now: Node) -> tuple[Mapping[str, str], Availability] | None:
        if now.availability is not Availability.ACTIVE:
            return None
        return {**now.labels, PAUSED: f"{order.service.name}.{order.until}"}, Availability.PAUSE

    for node_id in node_ids:
        api.update_node(node_id, paused)
        yield Step("node paused")


def _landed(api: Api, order: Order, service: Service) -> Generator[Step, None, list[Task]]:
    """Every slot that was to go has an heir that runs. Fails past the bound, at a heir that breaks, and where somebody
    changes the service meanwhile (S17)."""
    deadline = api.swarm.timeline.seconds + order.seconds
    slots = {task.slot for task in order.moving}
    gone = {task.id for task in order.moving}
    while True:
        now = api.service(service.name)
        if (now.replicas, now.image, now.constraints) != (service.replicas, service.image, service.constraints):
            found = {"replicas": now.replicas, "version": now.version}
            raise ModuleFailedError(f"conflict: somebody changed {now.name} while it moved", conflict=True, found=found)
        heirs = [task for task in api.kept(service.name) if task.slot in slots and task.id not in gone]
        up = {node.id for node in api.view().nodes if node.state is NodeState.READY}
        if len(heirs) == len(slots) and all(t.state is TaskState.RUNNING and t.node_id in up for t in heirs):
            yield Step("tasks run anew")
            return heirs
        if any(task.state in BROKEN for task in heirs):
            raise ModuleFailedError("the new task does not start", version=service.version)
        if api.swarm.timeline.seconds >= deadline:
            raise ModuleFailedError(f"waited {order.seconds:g} s for {service.name} to run elsewhere")
        yield WAIT


def cleared(api: Api, service: str) -> Writing:
    """The marks of this service's moves, and those that no move can be behind any more."""
    for node in api.view().nodes:
        if paused_for(node) is not None or denied(node):
            api.update_node(node.id, _unmarked(service, api.swarm.timeline.now.timestamp()))
            yield Step("marks cleared")


def _unmarked(service: str, now: float) -> Callable[[Node], tuple[Mapping[str, str], Availability] | None]:
    def clean(node: Node) -> tuple[Mapping[str, str], Availability] | None:
        labels, availability = dict(node.labels), node.availability
        for name in denied(node):
            if name == service or _past(labels.get(DENY_UNTIL + name, ""), now):
                labels.pop(DENY + name, None)
                labels.pop(DENY_UNTIL + name, None)
        mine = paused_for(node)
        if mine is not None and (mine == service or _past(labels[PAUSED].rpartition(".")[2], now)):
            labels.pop(PAUSED)
            if availability is Availability.PAUSE:
                availability = Availability.ACTIVE
        return None if labels == dict(node.labels) else (labels, availability)

    return clean


def _past(until: str, now: float) -> bool:
    return not until.isdigit() or float(until) <= now
