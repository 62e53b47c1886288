# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster in a few lines of YAML: what the files in `cases/` are written in.

nodes:     {n1: ready}                                 n1 is there and ready unless told
services:
  shop_api:
    replicas: 3                                        null: not in replicated mode
    tasks: {running: 3}                                states and their counts; `running@n2` names the node
    young: {count: 2, ago: 30}                         so many of the tasks are as they are for 30 s only, not for 600
    failed: {count: 4, ago: 60, message: exit 1}       older tasks that failed; `template: old`: made from that
    cpu: 91 | [91, 80, null] | unknown: timeout        of every task, of each, or of the query
    memory: 40
    requests_per_replica: 120 | unknown: timeout       of the whole service, as are `query:0`, `rates:requests`, …
    labels, version, update_state, memory_limit, …     as in the model; `updated: 12` is seconds ago
memory:
  shop_api: {last_up: 12, version: 7, blind_cycles: 2, wishes: {30: 5}}      seconds ago; wishes by seconds ago
pauses: [{who: ada, why: deploying, service: shop_api, direction: up}]
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from swarmherd.model import (
    Availability,
    ClusterView,
    Direction,
    Memory,
    Node,
    NodeState,
    Pause,
    Reading,
    Recommendation,
    Role,
    Sample,
    Service,
    ServiceMemory,
    Task,
    TaskState,
    UpdateState,
)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PER_TASK = ("cpu", "memory")
_OWN = {
    "replicas",
    "tasks",
    "failed",
    "young",
    "labels",
    "version",
    "update_state",
    "updated",
    "memory_limit",
    "cpu_limit",
}
_OWN |= {"memory_reservation", "cpu_reservation", "template"}


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def view_of(described: Mapping[str, Any]) -> ClusterView:
    """The view that `described` describes, at NOW."""
    services = described.get("services", {})
    tasks = {name: _tasks(name, text) for name, text in services.items()}
    samples = {
        (name, metric): _sample(metric, said, tasks[name])
        for name, text in services.items()
        for metric, said in text.items()
        if metric not in _OWN
    }
    return ClusterView(
        cluster="shop",
        at=NOW,
        nodes=tuple(_node(name, state) for name, state in {"n1": "ready", **described.get("nodes", {})}.items()),
        services=tuple(_service(name, text) for name, text in services.items()),
        tasks=tuple(task for found in tasks.values() for task in found),
        samples=samples,
    )


def memory_of(described: Mapping[str, Any], pauses: list[dict[str, Any]] | None = None) -> Memory:
    services = {name: _service_memory(text) for name, text in described.items()}
    return Memory(services, tuple(_pause(text) for text in pauses or ()))


def _node(name: str, state: str) -> Node:
    return Node(name, name, Role.WORKER, NodeState(state), Availability.ACTIVE)


def _service(name: str, text: Mapping[str, Any]) -> Service:
    return Service(
        id=f"id-{name}",
        name=name,
        version=text.get("version", 10),
        replicas=text.get("replicas", 1),
        updated_at=ago(text.get("updated", 3600)),
        labels={str(key): str(value) for key, value in text.get("labels", {}).items()},
        update_state=UpdateState(text.get("update_state", "none")),
        cpu_limit=text.get("cpu_limit"),
        cpu_reservation=text.get("cpu_reservation"),
        memory_limit_bytes=text.get("memory_limit", 1_000_000),
        memory_reservation_bytes=text.get("memory_reservation"),
        template=text.get("template", ""),
    )


def _tasks(name: str, text: Mapping[str, Any]) -> tuple[Task, ...]:
    states = text.get("tasks", {"running": text.get("replicas") or 0})
    wanted = [state for state, count in states.items() for _task in range(count)]
    found = [_task(name, slot, *state.partition("@")[::2]) for slot, state in enumerate(wanted, 1)]
    young = text.get("young", {"count": 0})
    grown = len(found) - young["count"]
    found[grown:] = [replace(task, state_at=ago(young["ago"])) for task in found[grown:]]
    failed = text.get("failed", {})
    for number in range(failed.get("count", 0)):
        at = ago(failed.get("ago", 60))
        found.append(
            Task(
                f"{name}.1.f{number}",
                name,
                1,
                "n1",
                TaskState(failed.get("state", "failed")),
                TaskState.SHUTDOWN,
                at,
                at,
                failed.get("message", ""),
                template=failed.get("template", ""),
            )
        )
    return tuple(found)


def _task(service: str, slot: int, state: str, node: str) -> Task:
    at = ago(600)
    return Task(f"{service}.{slot}", service, slot, node or "n1", TaskState(state), TaskState.RUNNING, at, at)


def _sample(metric: str, said: Any, tasks: tuple[Task, ...]) -> Sample:
    if isinstance(said, Mapping):
        return Sample(whole=Reading(None, ago(5), metric, said["unknown"]))
    if metric not in PER_TASK:
        return Sample(whole=Reading(float(said), ago(5), metric))
    running = [task for task in tasks if task.desired is TaskState.RUNNING]
    values = said if isinstance(said, list) else [said] * len(running)
    pairs = zip(running, values, strict=False)
    return Sample(by_task={task.id: Reading(float(v), ago(5), metric) for task, v in pairs if v is not None})


def _service_memory(text: Mapping[str, Any]) -> ServiceMemory:
    instants = {
        f"{key}_at": ago(text[key]) for key in ("last_up", "last_down", "last_failure") if text.get(key) is not None
    }
    return ServiceMemory(
        last_version=text.get("version"),
        asleep=text.get("asleep", False),
        failures=text.get("failures", 0),
        blind_cycles=text.get("blind_cycles", 0),
        good_cycles=text.get("good_cycles", 0),
        recommendations=tuple(Recommendation(ago(s), n) for s, n in text.get("wishes", {}).items()),
        **instants,
    )


def _pause(text: Mapping[str, Any]) -> Pause:
    direction = Direction(text.get("direction", "none"))
    return Pause(text["who"], text["why"], ago(60), text.get("service", ""), direction)
