# SPDX-License-Identifier: GPL-3.0-or-later
"""Which tasks may be moved to even out the load, and why the others stay (S6, S10, S11, S14, S19)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

from swarmherd.decide.backoff import backing_off
from swarmherd.decide.follow import unwilling
from swarmherd.decide.scene import FOLLOWING, MOVING, Scene
from swarmherd.decide.words import count, duration
from swarmherd.model import Lever, NodeState, Service, Task, TaskState
from swarmherd.policy import RebalanceKeys

PROTECTED_PRIORITY = 80
HOUR = timedelta(hours=1)


def budgets(scene: Scene) -> RebalanceKeys:
    """The budgets of all moves; their defaults where rebalancing is off and only refilling is on."""
    return scene.policy.rebalance or RebalanceKeys()


def why_services_stay(scene: Scene) -> dict[str, str]:
    """By service: why none of its tasks is moved. Services that are not here may be moved."""
    found = ((service, _stays(scene, service)) for service in scene.view.services)
    return {service.name: why for service, why in sorted(found, key=lambda one: one[0].name) if why is not None}


def _stays(scene: Scene, service: Service) -> str | None:
    return next((why for rule in _RULES if (why := rule(scene, service))), None)


def _not_named(scene: Scene, service: Service) -> str | None:
    if problems := scene.wishes.problems.get(service.name):
        return f"{problems[0].key}: {problems[0].message}; {problems[0].remedy}"
    named = scene.wishes.of(service.name).opted_in
    return None if named else "neither the policy nor a label of its own names it"


def _not_counted(_scene: Scene, service: Service) -> str | None:
    if service.replicas is None:
        return "it is not in replicated mode"
    return "it is set to 0 replicas" if service.replicas == 0 else None


def _follows(scene: Scene, service: Service) -> str | None:
    anchor = scene.wishes.of(service.name).follows
    return f"it follows {anchor} and goes where {anchor} goes" if anchor else None


def _kept(scene: Scene, service: Service) -> str | None:
    """S10, S11, S14: what a person must allow first."""
    wish = scene.wishes.of(service.name)
    if wish.move.do_not_disturb:
        return "it is not to be disturbed (move.do_not_disturb)"
    if wish.priority >= PROTECTED_PRIORITY:
        return f"its priority {wish.priority} is {PROTECTED_PRIORITY} or more"
    if service.local_data and not wish.move.local_data:
        return "it keeps data on its node, which would stay behind (move.local_data)"
    if service.replicas == 1 and not wish.move.singles:
        return "it has a single replica, which would be gone while it moves (move.singles)"
    return None


def _not_replaced(_scene: Scene, service: Service) -> str | None:
    return None if service.restarts else "Swarm does not replace its tasks (restart condition)"


def _asks_for_more(_scene: Scene, service: Service) -> str | None:
    """S12: nobody can tell which node would take it, and so whether any would."""
    if not service.more_filters:
        return None
    return "it needs generic resources, such as GPUs, or cluster volumes, and what nodes have of them is not read"


def _few_running(scene: Scene, service: Service) -> str | None:
    """S11, S14: one is gone for a moment whatever the lever. A single that may be moved has no others to wait for."""
    running, least = len(scene.cycle.index.running(service.name)), scene.wishes.of(service.name).move.min_running
    if service.replicas == 1 or running - 1 >= least:
        return None
    return f"{running} of its replicas run, and {least} must go on while one moves (move.min_running)"


def _objected(scene: Scene, service: Service) -> str | None:
    return scene.objection(service, MOVING) or backing_off(service, scene.policy, scene.memory, scene.now)


def _just_moved(scene: Scene, service: Service) -> str | None:
    moves, wait = scene.memory.of(service.name).moves, budgets(scene).service_cooldown
    ago = abs((scene.now - moves[-1]).total_seconds()) if moves else wait
    return None if ago >= wait else f"it was moved {duration(ago)} ago, and rests for {duration(wait)}"


def _group_stays(scene: Scene, service: Service) -> str | None:
    """An anchor moves with all that follow it, or not at all."""
    group = scene.followers(service.name)
    if group and service.replicas != 1:
        return f"{group[0]} follows it, and would be left behind while its {service.replicas} replicas move one by one"
    for name in group:
        if scene.wishes.of(name).priority >= PROTECTED_PRIORITY:
            return f"{name} follows it, and its priority is {PROTECTED_PRIORITY} or more"
        if why := scene.objection(scene.cycle.index.services[name], (*FOLLOWING, MOVING[-1])):
            return f"{name} follows it and is left alone: {why}"
    return unwilling(scene, set(group))


_RULES: tuple[Callable[[Scene, Service], str | None], ...] = (
    *(_not_named, _not_counted, _follows, _kept, _not_replaced, _asks_for_more),
    *(_objected, _few_running, _just_moved, _group_stays),
)


def ripe(scene: Scene, service: Service) -> Iterator[Task]:
    """The service's tasks that run and have run long enough to be moved (S11)."""
    least = timedelta(seconds=budgets(scene).min_task_age)
    for task in scene.wanted(service.name):
        if task.state is TaskState.RUNNING and scene.now - task.state_at >= least:
            yield task


def lever(scene: Scene, service: Service, source: str) -> Lever:
    """The deny label takes all of a service's tasks off the node and may let old and new overlap: so it is for one
    that is the service's only one there, and for services that bear two at once. Else the node is paused and the one
    container stopped."""
    alone = sum(task.node_id == source for task in scene.wanted(service.name)) == 1
    bears_two = service.start_first or (not service.local_data and (service.replicas or 0) >= 2)
    return Lever.DENY_LABEL if alone and bears_two else Lever.PAUSE_AND_STOP


def resting(scene: Scene, cooldown_seconds: float) -> str | None:
    """Why nothing at all is moved in this cycle."""
    if not scene.policy.enabled:
        return "the policy is switched off (swarmherd_policy.enabled)"
    if why := lost(scene):
        return why
    moves = sorted(at for service in scene.memory.services.values() for at in service.moves)
    most = budgets(scene).moves_per_hour
    hour = [at for at in moves if abs(scene.now - at) < HOUR]
    if len(hour) >= most:
        return f"the budget of {count(most, 'move')} per hour is used up (rebalance.moves_per_hour)"
    if moves and (ago := abs((scene.now - moves[-1]).total_seconds())) < cooldown_seconds:
        return f"the last move was {duration(ago)} ago, and the next is due after {duration(cooldown_seconds)}"
    return None


def lost(scene: Scene) -> str | None:
    """Swarm's own rescheduling comes first (S9)."""
    found = [
        task
        for task in scene.view.tasks
        if task.desired is TaskState.RUNNING and task.node_id and not _up(scene, task.node_id)
    ]
    if not found:
        return None
    return f"Swarm has yet to replace {count(len(found), 'task')} of nodes that are not ready"


def _up(scene: Scene, node_id: str) -> bool:
    node = scene.nodes.get(node_id)
    return node is not None and node.state is NodeState.READY
