# SPDX-License-Identifier: GPL-3.0-or-later
"""Where tasks run, in a few lines of YAML, and a cluster in memory that does what actions ask.

nodes:
  n1: {memory: 70, cpu: 30, anchors: [shop_db], state: ready, availability: active, labels: {zone: a}}
      used shares in percent, unknown where they are missing; 8 GiB and 4 cores each
services:
  shop_web: {at: [n1, n1, n2:starting], gib: 0.6, cores: 0.2, reserve: 0.5, follows: [shop_db], …}
      a task per entry, `n1:starting` has not started; `gib` and `cores` are measured of each, `reserve` is reserved in
      GiB, `follows` are the constraints that it has; the others as in the model
memory: {shop_web: {moves: [600], failures: 1, last_failure: 20}}      seconds ago
came: {n3: 400}                                                        nodes that came so many seconds ago
bound: {shop_db: [shop_api]}                                           who was bound to which anchor by the policy
pauses: [{who: ada, why: deploying, service: shop_api}]
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from swarmherd.model import (
    Action,
    AnchorMemory,
    Availability,
    ClusterView,
    Memory,
    Node,
    NodeMemory,
    NodeState,
    NodeUse,
    Pause,
    Reading,
    Role,
    Service,
    ServiceMemory,
    Task,
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
    )


def memory_of(described: Mapping[str, Any]) -> Memory:
    services = {
        name: ServiceMemory(
            moves=tuple(sorted(ago(seconds) for seconds in text.get("moves", ()))),
            failures=text.get("failures", 0),
            last_failure_at=ago(text["last_failure"]) if "last_failure" in text else None,
            last_version=text.get("version", 10),
        )
        for name, text in described.get("memory", {}).items()
    }
    pauses = tuple(Pause(p["who"], p["why"], ago(60), p.get("service", "")) for p in described.get("pauses", ()))
    came = {name: NodeMemory(ago(seconds), returned=True) for name, seconds in described.get("came", {}).items()}
    anchors = {name: AnchorMemory(tuple(names)) for name, names in described.get("bound", {}).items()}
    return Memory(services, pauses, came, anchors)


def _share(text: Mapping[str, Any], key: str) -> Reading | None:
    return _reading(text.get(key), 0.01)


def _reading(value: float | None, unit: float = 1.0) -> Reading | None:
    return None if value is None else Reading(value * unit, ago(5), "asked")


def _node(name: str, text: Mapping[str, Any]) -> Node:
    labels = {anchor_label(anchor): "yes" for anchor in text.get("anchors", ())}
    return Node(
        name,
        name,
        Role.WORKER,
        NodeState(text.get("state", "ready")),
        Availability(text.get("availability", "active")),
        labels={**labels, **text.get("labels", {})},
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
        constraints=tuple(anchor_constraint(anchor) for anchor in text.get("follows", ())),
        max_per_node=text.get("max_per_node", 0),
        local_data=text.get("local_data", False),
        start_first=text.get("start_first", False),
        restarts=text.get("restarts", True),
        more_filters=text.get("more_filters", False),
    )


def _tasks(name: str, text: Mapping[str, Any]) -> Iterable[Task]:
    at = ago(text.get("age", 3600))
    for slot, entry in enumerate(text.get("at", ()), 1):
        node, _colon, state = entry.partition(":")
        desired = TaskState.SHUTDOWN if state == "stopping" else TaskState.RUNNING
        now = TaskState.RUNNING if state in ("", "stopping") else TaskState(state)
        yield Task(f"{name}.{slot}", name, slot, node, now, desired, at, at)
    for number in range(text.get("failed", 0)):
        yield Task(f"{name}.f{number}", name, 1, "", TaskState.FAILED, TaskState.SHUTDOWN, ago(60), ago(60), "exit 1")


# ---------------------------------------------------------------- a cluster that obeys


def applied(view: ClusterView, action: Action, now: datetime) -> ClusterView:
    """The view once `action` is done: a move lands on the first node where it may."""
    if action.kind == "release":
        return _released(view, action)
    return _relabelled(view, action, now) if action.kind == "relabel" else _moved(view, action, now)


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
