# SPDX-License-Identifier: GPL-3.0-or-later
"""Where tasks run, in a few lines of YAML, and a cluster in memory that does what actions ask.

nodes:
  n1: {memory: 70, cpu: 30, anchors: [shop_db], state: ready, availability: active, role: worker, labels: {zone: a}}
      n1 is its id, and its hostname where none is given;
      used shares in percent, unknown where they are missing; 8 GiB and 4 cores each; `probe` is what our own look at
      the host says: answers, silent, missed (one look), stale, or how many looks it missed; without it nobody looked
services:
  shop_web: {at: [n1, n1, n2:starting], gib: 0.6, cores: 0.2, reserve: 0.5, follows: [shop_db], …}
      a task per entry, `n1:starting` has not started; `gib` and `cores` are measured of each, `reserve` is reserved in
      GiB, `follows` are the constraints that it has, `constraints` those beside them; the others as in the model.
      `health: [ill, well, starting, silent]` is what each task's check says, null for unknown; `ports: [[8080, 18080]]`
      each publishes in host mode
memory: {shop_web: {moves: [600], failures: 1, last_failure: 20}}      seconds ago
came: {n3: 400}                                                        nodes that came so many seconds ago
fell: {n3: [400, 60]}, cordoned: {n3: [300]}                           nodes that went down or were cordoned, when
fences: {n3: it burns}                                                 hosts that ada has said to be off
ailments: {web.1: {ill: 75, tries: [restart], tried: 90, answered: true}}      ill since, and tried, so long ago
bound: {shop_db: [shop_api]}                                           who was bound to which anchor by the policy
pauses: [{who: ada, why: deploying, service: shop_api}]
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from swarmherd.model import (
    Action,
    Ailment,
    AnchorMemory,
    Availability,
    ClusterView,
    Fence,
    Health,
    Memory,
    Node,
    NodeMemory,
    NodeState,
    NodeUse,
    Pause,
    Plan,
    Probe,
    Reading,
    Role,
    Service,
    ServiceMemory,
    Task,
    TaskHealth,
    TaskState,
    TaskUse,
    UpdateState,
)
from swarmherd.policy import anchor_constraint, anchor_label

from tests.controller.described import NOW, ago

GIB = 2**30
NODE_GIB, CORES = 8, 4


def view_of(described: Mapping[str, Any]) -> ClusterView:
    services = described.get("services", {})
    tasks = [task for name, text in services.items() for task in _tasks(name, text)]
    return ClusterView(
        cluster="shop",
        at=NOW,
        nodes=tuple(_node(name, text or {}) for name, text in described["nodes"].items()),
        services=tuple(_service(name, text) for name, text in services.items()),
        tasks=tuple(tasks),
        node_use={
            name: NodeUse(cpu=_share(text, "cpu"), memory=_share(text, "memory"))
            for name, text in described["nodes"].items()
            if text and {"cpu", "memory"} & text.keys()
        },
        task_use={
            task.id: TaskUse(
                cpu=_reading(services[task.service].get("cores")),
                memory=_reading(services[task.service].get("gib"), GIB),
            )
            for task in tasks
        },
        probes={name: _probe(text["probe"]) for name, text in described["nodes"].items() if text and "probe" in text},
        health={task: health for name, text in services.items() for task, health in _health(name, text)},
    )


def _probe(said: str | int) -> Probe:
    """Hosts are silent for a minute."""
    if said in ("answers", 0):
        return Probe(ago(1), exporter=True, tcp=True)
    misses = said if isinstance(said, int) else 1 if said == "missed" else 60
    at = ago(600 if said == "stale" else 1)
    return Probe(at, misses, ago(60), exporter=False, tcp=False, problem="timed out")


def memory_of(described: Mapping[str, Any]) -> Memory:
    services = {
        name: ServiceMemory(
            moves=tuple(sorted(ago(seconds) for seconds in text.get("moves", ()))),
            failures=text.get("failures", 0),
            last_failure_at=ago(text["last_failure"]) if "last_failure" in text else None,
            last_version=text.get("version", 10),
            clear_failures=text.get("clear_failures", 0),
            last_clear_failure_at=ago(text["last_clear_failure"]) if "last_clear_failure" in text else None,
        )
        for name, text in described.get("memory", {}).items()
    }
    pauses = tuple(Pause(p["who"], p["why"], ago(60), p.get("service", "")) for p in described.get("pauses", ()))
    came = {name: NodeMemory(ago(seconds), returned=True) for name, seconds in described.get("came", {}).items()}
    for field, told in (("falls", described.get("fell", {})), ("cordons", described.get("cordoned", {}))):
        for name, times in told.items():
            came[name] = replace(came.get(name, NodeMemory(None)), **{field: tuple(ago(s) for s in times)})
    fences = {name: Fence("ada", why, ago(30)) for name, why in described.get("fences", {}).items()}
    ailments = {place: _ailment(place, text) for place, text in described.get("ailments", {}).items()}
    anchors = {name: AnchorMemory(tuple(names)) for name, names in described.get("bound", {}).items()}
    return Memory(services, pauses, came, anchors=anchors, fences=fences, ailments=ailments)


def _ailment(place: str, text: Mapping[str, Any]) -> Ailment:
    service = place.partition(".")[0]
    return Ailment(
        service=service,
        answered=text.get("answered", True),
        task=text.get("task", place) if "ill" in text else "",
        ill_since=ago(text["ill"]) if "ill" in text else None,
        ill_at=ago(text.get("seen", 15)) if "ill" in text else None,
        well_since=ago(text["well"]) if "well" in text else None,
        tries=tuple(text.get("tries", ())),
        tried_at=ago(text["tried"]) if "tried" in text else None,
    )


def _health(name: str, text: Mapping[str, Any]) -> Iterable[tuple[str, TaskHealth]]:
    words = {"ill": Health.UNHEALTHY, "silent": Health.UNHEALTHY, "well": Health.HEALTHY, "starting": Health.STARTING}
    for slot, said in enumerate(text.get("health", ()), 1):
        if said is not None:
            why = {"ill": "status 503", "silent": "no connection"}.get(said, "")
            yield f"{name}.{slot}", TaskHealth(words[said], NOW, "http://n", why, answered=said != "silent")


def _share(text: Mapping[str, Any], key: str) -> Reading | None:
    return _reading(text.get(key), 0.01)


def _reading(value: float | None, unit: float = 1.0) -> Reading | None:
    return None if value is None else Reading(value * unit, ago(5), "asked")


def _node(name: str, text: Mapping[str, Any]) -> Node:
    labels = {anchor_label(anchor): "yes" for anchor in text.get("anchors", ())}
    return Node(
        name,
        text.get("hostname", name),
        Role(text.get("role", "worker")),
        NodeState(text.get("state", "ready")),
        Availability(text.get("availability", "active")),
        labels={**labels, **text.get("labels", {})},
        version=40,
        cpus=CORES,
        memory_bytes=text.get("gib", NODE_GIB) * GIB,
    )


def _service(name: str, text: Mapping[str, Any]) -> Service:
    reserve = text.get("reserve")
    return Service(
        id=f"id-{name}",
        name=name,
        version=text.get("version", 10),
        replicas=text.get("replicas", len(text.get("at", ()))),
        updated_at=ago(text.get("updated", 9000)),
        labels=text.get("labels", {}),
        update_state=UpdateState(text.get("update_state", "none")),
        memory_reservation_bytes=None if reserve is None else int(reserve * GIB),
        constraints=(*(anchor_constraint(one) for one in text.get("follows", ())), *text.get("constraints", ())),
        max_per_node=text.get("max_per_node", 0),
        local_data=text.get("local_data", False),
        start_first=text.get("start_first", False),
        restarts=text.get("restarts", True),
        update_started_at=ago(text["update_started"]) if "update_started" in text else None,
        update_message=text.get("update_message", ""),
        update_parallelism=text.get("parallelism", 1),
        has_previous=text.get("has_previous", True),
        more_filters=text.get("more_filters", False),
        template=text.get("template", ""),
    )


def _tasks(name: str, text: Mapping[str, Any]) -> Iterable[Task]:
    at = ago(text.get("age", 3600))
    for slot, entry in enumerate(text.get("at", ()), 1):
        node, _colon, state = entry.partition(":")
        desired = TaskState.SHUTDOWN if state == "stopping" else TaskState.RUNNING
        now = TaskState.RUNNING if state in ("", "stopping") else TaskState(state)
        ports = tuple(map(tuple, text.get("ports", ())))
        yield Task(f"{name}.{slot}", name, slot, node, now, desired, at, at, host_ports=ports)
    for number in range(text.get("failed", 0)):
        made = text.get("failed_of", "")
        ended = (TaskState.FAILED, TaskState.SHUTDOWN)
        yield Task(f"{name}.f{number}", name, 1, "", *ended, ago(60), ago(60), "exit 1", template=made)


# ---------------------------------------------------------------- a cluster that obeys


def applied(view: ClusterView, action: Action, now: datetime) -> ClusterView:
    """The view once `action` is done: a move lands on the first node where it may."""
    if action.kind == "restart":
        return _restarted(view, action, now)
    if action.kind == "release":
        return _released(view, action)
    return _relabelled(view, action, now) if action.kind == "relabel" else _moved(view, action, now)


def _restarted(view: ClusterView, action: Action, now: datetime) -> ClusterView:
    """Another task in the slot, on the same node."""
    said = action.parameters

    def new(task: Task) -> Task:
        return replace(task, id=f"{task.id}'", state_at=now, created_at=now)

    tasks = tuple(new(task) if task.id == said["swarmherd_task"] else task for task in view.tasks)
    return replace(view, tasks=tasks)


def _moved(view: ClusterView, action: Action, now: datetime) -> ClusterView:
    said = action.parameters
    for task in view.tasks_of(action.service):
        if task.node_id == said["swarmherd_node"] and said["swarmherd_task"] in ("", task.id):
            view = put(view, task, said["swarmherd_allowed_nodes"][0], now)
    return view


def _relabelled(view: ClusterView, action: Action, now: datetime) -> ClusterView:
    said = action.parameters
    label, names = anchor_label(said["swarmherd_anchor"]), {one["name"] for one in said["swarmherd_dependents"]}
    nodes = tuple(_labelled(node, label, said["swarmherd_node"], said["swarmherd_old_nodes"]) for node in view.nodes)
    bound = anchor_constraint(said["swarmherd_anchor"])
    services = tuple(
        replace(s, constraints=(*s.constraints, bound), version=s.version + 1)
        if s.name in names and bound not in s.constraints
        else s
        for s in view.services
    )
    view = replace(view, nodes=nodes, services=services)
    for name in names:
        for task in view.tasks_of(name):
            view = put(view, task, said["swarmherd_node"], now)
    return view


def _released(view: ClusterView, action: Action) -> ClusterView:
    said = action.parameters
    label, names = anchor_label(said["swarmherd_anchor"]), {one["name"] for one in said["swarmherd_dependents"]}
    bound = anchor_constraint(said["swarmherd_anchor"])
    services = tuple(
        replace(s, constraints=tuple(c for c in s.constraints if c != bound), version=s.version + 1)
        if s.name in names
        else s
        for s in view.services
    )
    nodes = tuple(_labelled(node, label, "", said["swarmherd_old_nodes"]) for node in view.nodes)
    return replace(view, services=services, nodes=nodes)


def _labelled(node: Node, label: str, new: str, old: Iterable[str]) -> Node:
    labels = {key: value for key, value in node.labels.items() if key != label or node.id not in old}
    return replace(node, labels={**labels, label: "yes"} if node.id == new else labels)


def put(view: ClusterView, task: Task, node_id: str, now: datetime) -> ClusterView:
    """The view with this task on that node, and its use counted there."""
    if task.node_id == node_id:
        return view
    use = dict(view.node_use)
    of_task = view.task_use.get(task.id, TaskUse())
    for place, sign in ((task.node_id, -1), (node_id, 1)):
        if place in use:
            use[place] = NodeUse(
                cpu=_shifted(use[place].cpu, of_task.cpu, sign / CORES),
                memory=_shifted(use[place].memory, of_task.memory, sign / (NODE_GIB * GIB)),
            )
    there = replace(task, node_id=node_id, state=TaskState.RUNNING, state_at=now, created_at=now)
    return replace(view, tasks=tuple(there if one.id == task.id else one for one in view.tasks), node_use=use)


def _shifted(share: Reading | None, size: Reading | None, factor: float) -> Reading | None:
    if share is None or share.value is None or size is None or size.value is None:
        return share
    return replace(share, value=share.value + size.value * factor)


def in_another_order(view: ClusterView, chance: random.Random) -> ClusterView:
    """The same nodes, services and tasks, whose order carries no meaning."""

    def shuffled(items: tuple[Any, ...]) -> Any:
        return tuple(chance.sample(items, len(items)))

    return replace(view, nodes=shuffled(view.nodes), services=shuffled(view.services), tasks=shuffled(view.tasks))


def kinds(found: Plan) -> list[tuple[str, str]]:
    """What a plan does, and to which service."""
    return [(action.kind, action.service) for action in found.actions]
