# SPDX-License-Identifier: GPL-3.0-or-later
"""What is on a node, what follows it elsewhere, and who had set the node's availability. Pure."""

from __future__ import annotations

from typing import Any, Iterable, Mapping, Sequence

from . import _marks, _nodes

Document = Mapping[str, Any]

OVER = ("complete", "shutdown", "failed", "rejected", "remove", "orphaned")
"""States of a task that has no container running any more."""


def set_by(node: Document) -> str:
    """`move`, `cordon`, `somebody`, or an empty string where the node is active."""
    if node["Spec"].get("Availability", "active") == "active":
        return ""
    if _marks.is_cordoned(node):
        return "cordon"
    return "move" if any(mark.kind == "pause" for mark in _marks.marks(node)) else "somebody"


def shown(node: Document) -> dict[str, Any]:
    """A node for diff mode."""
    marks = [f"{mark.kind} for {mark.service}" for mark in _marks.marks(node)]
    marks += ["cordon"] if _marks.CORDONED in (node["Spec"].get("Labels") or {}) else []
    return {"availability": node["Spec"].get("Availability", "active"), "marks": marks}


def tasks_on(
    node_id: str, tasks: Iterable[Document], services: Iterable[Document], nodes: Sequence[Document]
) -> list[dict[str, Any]]:
    """The tasks on a node that are alive. Of a node that is down nobody hears their end: what Swarm wants counts."""
    node = _nodes.only(nodes, node_id)
    silent = node is None or _nodes.is_down(node)
    alive = [
        task
        for task in tasks
        if task.get("NodeID") == node_id
        and task["Status"]["State"] not in OVER
        and not (silent and task["DesiredState"] != "running")
    ]
    return _told(alive, services, nodes)


def successors(
    before: Iterable[Mapping[str, Any]],
    tasks: Iterable[Document],
    services: Iterable[Document],
    nodes: Sequence[Document],
) -> list[dict[str, Any]]:
    """The tasks that Swarm wants in the places of `before`. A global service has none on another node."""
    places = {(one["service_id"], one["slot"]) for one in before if one["slot"]}
    stayed = {one["id"] for one in before}
    wanted = [task for task in tasks if task["DesiredState"] in ("ready", "running")]
    there = [task for task in wanted if task["ID"] in stayed or (task["ServiceID"], task.get("Slot", 0)) in places]
    return _told(there, services, nodes)


def _told(tasks: Iterable[Document], services: Iterable[Document], nodes: Iterable[Document]) -> list[dict[str, Any]]:
    names = {service["ID"]: service["Spec"]["Name"] for service in services}
    hosts = {node["ID"]: _nodes.hostname(node) for node in nodes}
    told = [_one(task, names, hosts) for task in tasks]
    return sorted(told, key=lambda one: (one["name"], one["id"]))


def _one(task: Document, names: Mapping[str, str], hosts: Mapping[str, str]) -> dict[str, Any]:
    node_id, service_id = task.get("NodeID", ""), task.get("ServiceID", "")
    host = hosts.get(node_id, node_id)
    return {
        "id": task["ID"],
        "name": f"{names.get(service_id, service_id)}.{task.get('Slot') or host}",
        "service_id": service_id,
        "slot": task.get("Slot", 0),
        "node": host,
        "node_id": node_id,
        "state": task["Status"]["State"],
        "error": task["Status"].get("Err", ""),
    }


def sentence(left: Sequence[Mapping[str, Any]]) -> str:
    names = ", ".join(f"{one['name']} is {one['state']}" for one in left[:10])
    return f"{len(left)} tasks are left: {names}" + (", …" if len(left) > 10 else "")
