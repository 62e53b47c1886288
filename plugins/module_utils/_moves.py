# SPDX-License-Identifier: GPL-3.0-or-later
"""Moving tasks: whether it may be done, where they could go, and whether they have arrived. Pure."""

from __future__ import annotations

from typing import Any, Collection, Iterable, Mapping, NamedTuple, Sequence

from . import _nodes
from ._constraints import matches
from ._errors import SwarmError
from ._tasks import BROKEN, IN_PROGRESS, STOPPED, mode_name, replicas

Document = Mapping[str, Any]

DENY_LABEL = "deny_label"
PAUSE_AND_STOP = "pause_and_stop"
STOP = "stop"
ONE_BY_ONE = (PAUSE_AND_STOP, STOP)
"""Methods for exactly one task, whose container somebody stops in between."""
FORCE = "force: true moves it nevertheless"


def told(task: Document, service: str, nodes: Iterable[Document]) -> dict[str, Any]:
    """A task in the words of a move's result. `addresses` are its own on its networks, without their masks."""
    names = {node["ID"]: _nodes.hostname(node) for node in nodes}
    node_id, status = task.get("NodeID", ""), task["Status"]
    attachments = task.get("NetworksAttachments") or []
    return {
        "id": task["ID"],
        "name": f"{service}.{task.get('Slot', 0)}",
        "slot": task.get("Slot", 0),
        "node": names.get(node_id, node_id),
        "node_id": node_id,
        "state": status["State"],
        "error": status.get("Err", ""),
        "created_at": task["CreatedAt"],
        "addresses": [address.partition("/")[0] for net in attachments for address in net.get("Addresses") or []],
    }


def kept(service: Document, tasks: Iterable[Document], nodes: Iterable[Document]) -> list[dict[str, Any]]:
    """The tasks that Swarm means to keep running, in the words of a result, by slot."""
    nodes = list(nodes)
    running = [task for task in tasks if task["DesiredState"] == "running"]
    by_slot = sorted(running, key=lambda task: (task.get("Slot", 0), task["CreatedAt"]))
    return [told(task, service["Spec"]["Name"], nodes) for task in by_slot]


# ---------------------------------------------------------------- may it be done?


def refuse_unmovable(service: Document, method: str) -> None:
    """Raises a SwarmError, with the remedy, where the method would do harm to the service (S6, S10, S14)."""
    problem = objection(service, method)
    if problem:
        raise SwarmError(f"refused: {service['Spec']['Name']} {problem}; {FORCE}")


def objection(service: Document, method: str) -> str:
    """Why the service is not to be moved by that method, or an empty string."""
    template = service["Spec"]["TaskTemplate"]
    state = (service.get("UpdateStatus") or {}).get("State", "")
    condition = (template.get("RestartPolicy") or {}).get("Condition") or "any"
    if state in IN_PROGRESS:
        return f"is being updated ({state}): wait until that is over"
    if state in STOPPED and state != "rollback_completed":
        return f"has an update that stopped half way ({state}): finish it or roll it back first"
    if condition != "any":
        return f"has the restart condition {condition}, and Swarm might not replace a task that ends"
    if has_local_data(template) and method != STOP:
        return "has a volume or path of its node, which stays behind when its tasks move"
    if method == DENY_LABEL and not may_overlap(service):
        return (
            "is stop-first and has a single replica: with a deny label the new task can run beside the old one;"
            f" move it with method {PAUSE_AND_STOP}"
        )
    return ""


def has_local_data(template: Document) -> bool:
    """A path of the node, or a volume that no driver brings along to another node."""
    mounts = (template.get("ContainerSpec") or {}).get("Mounts") or []
    return any(
        mount.get("Type") == "bind" or (mount.get("Type", "volume") == "volume" and _driver(mount) in ("", "local"))
        for mount in mounts
    )


def _driver(mount: Document) -> str:
    return ((mount.get("VolumeOptions") or {}).get("DriverConfig") or {}).get("Name") or ""


def may_overlap(service: Document) -> bool:
    """Whether two tasks in one place do no harm: it is updated start-first, or has several replicas and no data."""
    if (service["Spec"].get("UpdateConfig") or {}).get("Order") == "start-first":
        return True
    return (replicas(service) or 0) > 1 and not has_local_data(service["Spec"]["TaskTemplate"])


def refuse_without_replicas(service: Document) -> None:
    """No force helps here: Swarm makes no task elsewhere for these."""
    mode = mode_name(service)
    if mode != "replicated":
        name = service["Spec"]["Name"]
        raise SwarmError(f"{name} is {mode}: its tasks have their nodes by rule; change its constraints instead")


# ---------------------------------------------------------------- what moves, and where to


def chosen(here: Sequence[Document], task: str, method: str, where: str) -> list[Document]:
    """Of a service's tasks on one node those to move. `task` is an id or the beginning of one; empty means all."""
    if task:
        found = [one for one in here if one["ID"].startswith(task)]
        if len(found) > 1:
            raise SwarmError(f"task: {task} is the beginning of several ids; give one in full")
        if method == DENY_LABEL and found and len(here) > 1:
            raise SwarmError(
                f"task: a deny label sends all {len(here)} tasks off {where}; for one of them take {PAUSE_AND_STOP}"
            )
        return found
    if method in ONE_BY_ONE and len(here) > 1:
        ids = ", ".join(sorted(one["ID"] for one in here))
        raise SwarmError(f"task: {where} has {len(here)} tasks of it, and {method} moves one: name one of {ids}")
    return list(here)


class Places(NamedTuple):
    """The ids of the nodes where a task could land, and of every other node why it could not."""

    nodes: tuple[str, ...]
    why_not: tuple[str, ...]


def places(
    service: Document,
    tasks: Sequence[Document],
    nodes: Sequence[Document],
    source: str,
    allowed: Collection[str],
    avoid: Collection[str],
) -> Places:
    """Where Swarm could put a task that leaves `source`. Resources are left to Swarm, which knows all reservations."""
    good, why_not = [], [f"{node_id} is not in the Swarm" for node_id in allowed if not _nodes.only(nodes, node_id)]
    for node in nodes:
        problem = _no_place(service, tasks, node, source, allowed, avoid)
        if problem:
            why_not.append(f"{_nodes.hostname(node)} {problem}")
        else:
            good.append(node["ID"])
    return Places(tuple(good), tuple(why_not))


def _no_place(
    service: Document,
    tasks: Sequence[Document],
    node: Document,
    source: str,
    allowed: Collection[str],
    avoid: Collection[str],
) -> str:
    placement = service["Spec"]["TaskTemplate"].get("Placement") or {}
    unmatched = [text for text in placement.get("Constraints") or [] if not matches(node, text)]
    availability = node["Spec"].get("Availability", "active")
    most, there = _most_per_node(service, placement), _count(tasks, node["ID"])
    reasons = (
        (node["ID"] == source, "is the node to leave"),
        (bool(allowed) and node["ID"] not in allowed, "is not among allowed_nodes"),
        (node["ID"] in avoid, "is among avoid_nodes"),
        (not _nodes.is_up(node), f"is {node['Status']['State']}"),
        (availability != "active", f"has the availability {availability}"),
        (bool(unmatched), f"does not match {', '.join(unmatched)}"),
        (there >= most, f"has {there} of at most {most:g} tasks already"),
    )
    return next((reason for holds, reason in reasons if holds), "")


def _most_per_node(service: Document, placement: Document) -> float:
    ports = (service["Spec"].get("EndpointSpec") or {}).get("Ports") or []
    alone = any(port.get("PublishMode") == "host" and port.get("PublishedPort") for port in ports)
    return min(placement.get("MaxReplicas") or float("inf"), 1 if alone else float("inf"))


def _count(tasks: Sequence[Document], node_id: str) -> int:
    return sum(1 for task in tasks if task.get("NodeID") == node_id and task["DesiredState"] == "running")


# ---------------------------------------------------------------- have they arrived?


class Landing(NamedTuple):
    """One look at tasks that are on their way. Each entry has name, slot, before, after, from, to, state and error."""

    moved: tuple[dict[str, Any], ...]
    tasks: tuple[dict[str, Any], ...]
    """All tasks of the service that Swarm means to keep running."""

    @property
    def done(self) -> bool:
        return all(one["landed"] for one in self.moved)

    @property
    def rejected(self) -> dict[str, Any] | None:
        """A new task that its node refused or that ended at once: waiting longer does not make it better."""
        return next((one for one in self.moved if not one["landed"] and one["state"] in BROKEN), None)

    @property
    def over(self) -> bool:
        return self.done or self.rejected is not None

    @property
    def sentence(self) -> str:
        return "; ".join(_way(one) for one in self.moved)


def _way(one: Mapping[str, Any]) -> str:
    if not one["after"]:
        return f"{one['name']} is still on {one['from']}"
    where = f" on {one['to']}" if one["to"] else ""
    return f"{one['name']} is {one['state']}{where}" + (f" ({one['error']})" if one["error"] else "")


def landing(
    before: Sequence[Mapping[str, Any]],
    moving: Collection[str],
    service: Document,
    tasks: Sequence[Document],
    nodes: Sequence[Document],
) -> Landing:
    """How far the tasks with the ids `moving` are. `before` are the service's tasks as `kept` told them earlier."""
    up = {node["ID"] for node in nodes if _nodes.is_up(node)}
    ways = []
    for old in before:
        if old["id"] not in moving:
            continue
        leaving = any(task["ID"] == old["id"] and task["DesiredState"] == "running" for task in tasks)
        new = None if leaving else _successor(old, tasks)
        seen = told(new, service["Spec"]["Name"], nodes) if new else {}
        ways.append(
            {
                "name": old["name"],
                "slot": old["slot"],
                "before": old["id"],
                "after": seen.get("id", ""),
                "from": old["node"],
                "to": seen.get("node", ""),
                "to_id": seen.get("node_id", ""),
                "state": seen.get("state", ""),
                "error": seen.get("error", ""),
                "landed": bool(new) and seen["state"] == "running" and seen["node_id"] in up,
            }
        )
    return Landing(tuple(ways), tuple(kept(service, tasks, nodes)))


def _successor(old: Mapping[str, Any], tasks: Sequence[Document]) -> Document | None:
    """The newest task of the slot that was made after `old` and says something: a running one before a failed one.

    A slot keeps the tasks that it had earlier, so failures of last week are told by their time.
    """
    later = [
        task
        for task in tasks
        if task.get("Slot") == old["slot"] and task["ID"] != old["id"] and task["CreatedAt"] > old["created_at"]
    ]
    later.sort(key=lambda task: (task["Status"]["State"] == "running", _broken(task), task["CreatedAt"]))
    return later[-1] if later else None


def _broken(task: Document) -> bool:
    return task["Status"]["State"] in BROKEN


def refuse_wrong_landing(seen: Landing, source: str, allowed: Collection[str]) -> None:
    """Raises a SwarmError where a task runs, but not where it was to go."""
    wrong = [one for one in seen.moved if one["to_id"] == source or (allowed and one["to_id"] not in allowed)]
    if wrong:
        told_wrong = ", ".join(f"{one['name']} runs on {one['to']}" for one in wrong)
        raise SwarmError(f"landed on the wrong node: {told_wrong}; what the move had set is undone")


def restarted(before: Sequence[Mapping[str, Any]], moving: Collection[str], seen: Landing) -> list[str]:
    """Ids of tasks that were not to move, and are gone all the same."""
    there = {task["id"] for task in seen.tasks}
    return [task["id"] for task in before if task["id"] not in moving and task["id"] not in there]
