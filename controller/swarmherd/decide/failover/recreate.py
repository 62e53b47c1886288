# SPDX-License-Identifier: GPL-3.0-or-later
"""Services that only their dead node could run: brought up elsewhere, once that node can do no harm any more (S10).

Two kinds: one that is bound to the node by a constraint, and a single whose restart condition keeps Swarm from
replacing it. Everything else is Swarm's business (S9).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from swarmherd.decide import objections
from swarmherd.decide.backoff import backing_off
from swarmherd.decide.failover.standings import by_node, keys_of
from swarmherd.decide.failover.waiting import pinned, pinned_to
from swarmherd.decide.fits import shape_of
from swarmherd.decide.place import Placer, TaskShape, seen
from swarmherd.decide.place.constraints import parse_constraint
from swarmherd.decide.scene import Scene, settings_of
from swarmherd.decide.words import one_line
from swarmherd.model import Finding, Node, NodeStanding, NodeState, Recreation, Service, Standing, Task, TaskState
from swarmherd.policy import Fencing

_ASKED = (objections.paused, objections.updating, objections.just_changed)
"""What speaks against it. Waiting tasks do not: they are what is put right."""


def recreations(scene: Scene, standings: Sequence[NodeStanding], findings: Sequence[Finding]) -> tuple[Recreation, ...]:
    """One for each service that has opted in and cannot run without a node that failed, by name."""
    failed = {one.node for one in standings if one.standing is Standing.FAILED}
    why = by_node(standings)
    waiting = {one.service for one in findings}
    down = [
        service
        for service in sorted(scene.view.services, key=lambda one: one.name)
        if scene.wishes.of(service.name).opted_in and service.replicas and not scene.cycle.index.running(service.name)
    ]
    return tuple(
        _decided(scene, service, node, why[node.id])
        for service in down
        for node in _bound_to(scene, service, waiting)
        if node.id in failed and node.state is NodeState.DOWN
    )


def _bound_to(scene: Scene, service: Service, waiting: set[str]) -> Iterator[Node]:
    """The one node without which it cannot run, if there is one."""
    if pins := pinned(service):
        nodes = {node.id: node for _text, constraint in pins for node in pinned_to(scene, constraint)}
        if len(nodes) == 1 and service.name in waiting:
            yield from nodes.values()
        return
    last = _last_task(scene, service)
    if last is not None and (node := scene.nodes.get(last.node_id)) is not None:
        yield node


def _last_task(scene: Scene, service: Service) -> Task | None:
    """The last task of a single that Swarm gave up when its node went down, for longer than a moment."""
    if service.restarts or service.replicas != 1 or scene.wanted(service.name):
        return None
    tasks = [task for task in scene.view.tasks if task.service == service.name]
    last = max(tasks, key=lambda task: (task.created_at, task.id), default=None)
    if last is None or last.state in (TaskState.COMPLETE, TaskState.FAILED, TaskState.REJECTED):
        return None  # its own end, not its node's
    past = scene.memory.nodes.get(last.node_id)
    fell = past.falls[-1] if past is not None and past.falls else last.state_at
    return last if (scene.now - fell).total_seconds() >= keys_of(scene).pending_after else None


def _decided(scene: Scene, service: Service, node: Node, standing: NodeStanding) -> Recreation:
    here = Recreation(service.name, node.id, (), version=service.version)
    failed = f"{node.hostname} failed ({standing.because})"
    if why := next((why for rule in _RULES if (why := rule(scene, service, node))), None):
        return replace(here, reasons=(f"leave {service.name} down, although {failed}, because {why}",))
    fenced, hook = _fenced(scene, service, node)
    if not fenced:
        why = f"nobody has confirmed that the host is off: once it is, say swarmherd fence {node.hostname} --why …"
        return replace(here, reasons=(f"leave {service.name} down, although {failed}, because {why}",))
    shape = _free(scene, service)
    placer = Placer(seen.nodes(scene.view), settings_of(scene.policy.placement))
    if not (ranking := placer.ranking(shape)):
        [placed] = placer.place([shape])
        why = f"no node takes it: {placed.explanation or 'there are no nodes'}"
        return replace(here, reasons=(f"leave {service.name} down, although {failed}, because {why}",))
    because = f"because {failed}; {fenced}"
    if not (pins := pinned(service)):
        done = f"make the task of {service.name} anew where Swarm chooses, {because}"
        return replace(here, recreate=True, fence_hook=hook, reasons=(done,))
    target = scene.nodes[ranking[0].node]
    done = f"bind {service.name} to {target.hostname} instead of {node.hostname}, {because}"
    return replace(
        here,
        recreate=True,
        target=target.id,
        add=(_pin(scene, pins[0][1].attribute, target),),
        remove=tuple(text for text, _constraint in pins),
        fence_hook=hook,
        reasons=(done,),
    )


def _fenced(scene: Scene, service: Service, node: Node) -> tuple[str, str]:
    """Why the old task can do no harm, and the file of tasks that is to make sure of it; empty where it may."""
    if (fence := scene.memory.fences.get(node.id)) is not None:
        return f"{one_line(fence.who)} says that its host is off", ""
    if scene.wishes.of(service.name).failover.fencing is Fencing.NONE:
        return "the policy asks for no fencing (failover.fencing: none)", ""
    hook = keys_of(scene).fence_hook or ""
    return (f"{hook} makes sure first that its host is off", hook) if hook else ("", "")


def _pin(scene: Scene, attribute: str, target: Node) -> str:
    """In the words of the old one, unless two nodes share the name."""
    twins = [node for node in scene.view.nodes if node.hostname == target.hostname]
    by_name = attribute == "node.hostname" and len(twins) == 1
    return f"node.hostname == {target.hostname}" if by_name else f"node.id == {target.id}"


def _free(scene: Scene, service: Service) -> TaskShape:
    """All of its tasks, without the constraints that bind it to the old node."""
    shape = shape_of(scene, service.name)
    pins = {parse_constraint(text) for text, _constraint in pinned(service)}
    kept = tuple(constraint for constraint in shape.constraints if constraint not in pins)
    return replace(shape, replicas=1, constraints=kept)


# ---------------------------------------------------------------- what speaks against it


def _off(scene: Scene, _service: Service, _node: Node) -> str | None:
    if not scene.policy.enabled:
        return "the policy is switched off (swarmherd_policy.enabled)"
    return None if scene.policy.failover is not None else "the policy does not speak of failover"


def _unwilling(scene: Scene, service: Service, _node: Node) -> str | None:
    consent = scene.wishes.of(service.name).move
    if consent.do_not_disturb:
        return "it is not to be disturbed (move.do_not_disturb)"
    if service.local_data and not consent.local_data:
        return "it keeps data on its node, which would stay behind (move.local_data)"
    return None


def _ours_to_follow(scene: Scene, service: Service, _node: Node) -> str | None:
    anchor = scene.wishes.of(service.name).follows
    return f"it follows {anchor} and goes where {anchor} goes" if anchor else None


def _objected(scene: Scene, service: Service, _node: Node) -> str | None:
    return scene.objection(service, _ASKED) or backing_off(service, scene.policy, scene.memory, scene.now)


_RULES: tuple[Callable[[Scene, Service, Node], str | None], ...] = (_off, _unwilling, _ours_to_follow, _objected)
