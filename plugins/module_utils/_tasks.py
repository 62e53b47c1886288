# SPDX-License-Identifier: GPL-3.0-or-later
"""How a service stands: which of its tasks run, which do not and why. Pure, over the documents of Docker's API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Iterable, Mapping, Sequence

from ._constraints import matches
from ._nodes import hostname
from ._values import stripped

Document = Mapping[str, Any]

IN_PROGRESS = ("updating", "rollback_started")
STOPPED = ("paused", "rollback_paused", "rollback_completed")
ROLLED_BACK_WHOLLY = "rollback_completed"
ROLLED_BACK = ("rollback_paused", ROLLED_BACK_WHOLLY)
BROKEN = ("failed", "rejected")
RESTARTING_PARTS = ("ContainerSpec", "Resources", "RestartPolicy", "Networks", "LogDriver", "ForceUpdate")
"""The parts of a task's spec that Swarm makes a new task for."""


@dataclass(frozen=True)
class Progress:
    """One look at a service. `wanted` counts tasks; `running` only those of the current spec on nodes that are up.

    Of a global service, Swarm leaves what is on a paused node as it is: there every task that runs counts.
    """

    wanted: int
    running: int
    kept: int
    """Tasks that Swarm means to keep running, whatever they are doing now."""
    tasks: tuple[dict[str, Any], ...]
    failures: tuple[dict[str, Any], ...]
    update_state: str
    update_message: str

    @property
    def converged(self) -> bool:
        return self.running == self.wanted == self.kept and self.update_state not in IN_PROGRESS

    @property
    def stopped(self) -> bool:
        """True when Swarm itself has given up the update: waiting longer changes nothing."""
        return self.update_state in STOPPED

    @property
    def sentence(self) -> str:
        parts = [f"{self.running} of {self.wanted} tasks run"]
        if self.kept > self.wanted:
            parts.append(f"{self.kept - self.wanted} more are not stopped yet")
        if self.update_state in IN_PROGRESS or self.stopped:
            parts.append(f"update {self.update_state}" + (f" ({self.update_message})" if self.update_message else ""))
        parts.extend(failure_sentence(failure) for failure in self.failures)
        return "; ".join(parts)

    def seen(self) -> dict[str, Any]:
        """The keys of a module's result that tell what was seen."""
        return {"running": self.running, "tasks": list(self.tasks), "failures": list(self.failures)}


def failure_sentence(failure: Mapping[str, Any]) -> str:
    where = f" on {failure['node']}" if failure["node"] else ""
    return f"{failure['name']}{where} is {failure['state']}: {failure['error'] or 'no reason given'}"


def progress(service: Document, tasks: Iterable[Document], nodes: Sequence[Document]) -> Progress:
    """How `service` stands, from the lists of its tasks and of all nodes."""
    names = {node["ID"]: hostname(node) for node in nodes}
    up = {node["ID"] for node in nodes if node["Status"]["State"] == "ready"}
    tasks = sorted(tasks, key=lambda task: (_place(task), task["CreatedAt"], task["ID"]))
    kept = [task for task in tasks if task["DesiredState"] == "running"]
    _active, paused = _global_places(service, nodes)
    running = [task for task in kept if _runs(task, up) and (task["NodeID"] in paused or is_current(task, service))]
    status = service.get("UpdateStatus") or {}
    return Progress(
        wanted=wanted_tasks(service, kept, nodes),
        running=len(running),
        kept=len(kept),
        tasks=tuple(_told(task, service, names) for task in kept),
        failures=_failures(tasks, running, service, names),
        update_state=status.get("State", "") or "none",
        update_message=status.get("Message", ""),
    )


def is_current(task: Document, service: Document) -> bool:
    """True when the task was made from the service's present spec.

    The placement is left out: Swarm keeps a running task whose node still matches, and moves one whose node does not.
    """
    made, present = task["Spec"], service["Spec"]["TaskTemplate"]
    return all(_meaning(made.get(part)) == _meaning(present.get(part)) for part in RESTARTING_PARTS)


def _meaning(part: Any) -> Any:
    return (stripped(part) if isinstance(part, dict) else part) or None


def replicas(service: Document) -> int | None:
    """The wanted replicas, or None where the service has no count (global services and jobs)."""
    mode = service["Spec"].get("Mode") or {}
    if "Replicated" not in mode:
        return None
    count = (mode["Replicated"] or {}).get("Replicas")
    return 1 if count is None else int(count)


def mode_name(service: Document) -> str:
    """`replicated`, `global`, `replicated-job` or `global-job`."""
    known = {
        "Replicated": "replicated",
        "Global": "global",
        "ReplicatedJob": "replicated-job",
        "GlobalJob": "global-job",
    }
    return next((known[key] for key in service["Spec"].get("Mode") or {} if key in known), "replicated")


def wanted_tasks(service: Document, kept: Iterable[Document], nodes: Iterable[Document]) -> int:
    """How many tasks run when all is well: the replicas, or one on every node that takes tasks of this service.

    A paused node takes none: of `kept`, the tasks to keep running, it has those that it had.
    """
    count = replicas(service)
    if count is not None:
        return count
    active, paused = _global_places(service, nodes)
    return len(active) + sum(1 for task in kept if task.get("NodeID") in paused)


def _global_places(service: Document, nodes: Iterable[Document]) -> tuple[set[str], set[str]]:
    """Ids of the active nodes that a service without a count runs on, and of the paused ones."""
    constraints = (service["Spec"]["TaskTemplate"].get("Placement") or {}).get("Constraints") or []
    places = [node for node in nodes if replicas(service) is None and takes_tasks(node, constraints)]
    paused = {node["ID"] for node in places if node["Spec"].get("Availability") == "pause"}
    return {node["ID"] for node in places} - paused, paused


def takes_tasks(node: Document, constraints: Iterable[str]) -> bool:
    """True when the node is up, not drained, and matches every constraint. A paused node keeps what it has."""
    if node["Status"]["State"] != "ready" or node["Spec"].get("Availability", "active") == "drain":
        return False
    return all(matches(node, constraint) for constraint in constraints)


def _place(task: Document) -> str:
    """What a task's successors share with it: its slot, or its node in a global service."""
    return f"{task['Slot']:09d}" if task.get("Slot") else task.get("NodeID", "")


def _runs(task: Document, up: Iterable[str]) -> bool:
    return task["Status"]["State"] == "running" and task.get("NodeID") in up


def _told(task: Document, service: Document, names: Mapping[str, str]) -> dict[str, Any]:
    """A task in the words of a module's result."""
    node_id = task.get("NodeID", "")
    status = task["Status"]
    return {
        "id": task["ID"],
        "name": f"{service['Spec']['Name']}.{task.get('Slot') or names.get(node_id, node_id)}",
        "slot": task.get("Slot", 0),
        "node": names.get(node_id, node_id),
        "state": status["State"],
        "error": status.get("Err", ""),
        "at": status.get("Timestamp", ""),
    }


def _failures(
    tasks: Sequence[Document], running: Sequence[Document], service: Document, names: Mapping[str, str]
) -> tuple[dict[str, Any], ...]:
    """For each place that does not run, its newest task that says why. Old failures of places that run are history."""
    healthy = {_place(task) for task in running}
    newest = {_place(task): task for task in tasks}
    reasons = {_place(task): task for task in tasks if task["Status"].get("Err") or task["Status"]["State"] in BROKEN}
    return tuple(
        _told(reasons[place], service, names)
        for place in sorted(reasons)
        if place not in healthy and _is_meant_to_run(newest[place])
    )


def failures_of(
    spec: Document, service: Document, tasks: Iterable[Document], nodes: Sequence[Document]
) -> tuple[dict[str, Any], ...]:
    """For each place, the newest task of `spec` that broke; also after Swarm rolled `service` back to another spec."""
    names = {node["ID"]: hostname(node) for node in nodes}
    broken = [task for task in tasks if task["Status"]["State"] in BROKEN and is_current(task, {"Spec": spec})]
    newest = {_place(task): task for task in sorted(broken, key=lambda task: (task["CreatedAt"], task["ID"]))}
    return tuple(_told(newest[place], service, names) for place in sorted(newest))


def _is_meant_to_run(task: Document) -> bool:
    """False for the last task of a place that was given up on purpose: scaled away, or on a drained node.

    A task that failed is shut down as well, and the next one may be waiting for the restart delay.
    """
    desired = task["DesiredState"]
    return desired != "remove" and (desired != "shutdown" or task["Status"]["State"] in BROKEN)
