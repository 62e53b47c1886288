# SPDX-License-Identifier: GPL-3.0-or-later
"""One task moved on the lab, by each lever, against a forced update of its service: seconds, and what else restarted.

Seconds count from the start of the command, for a move `ansible-playbook playbooks/enact/move.yml`, to the moment since
which Swarm has the last of the new tasks running. Restart delay and stop grace are 0 s for all three.
"""

from __future__ import annotations

import json
import statistics
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from tests.integration import lab as on

MOVED, BYSTANDER = "swarmherd-bench-moved", "swarmherd-bench-bystander"
Tasks = dict[str, tuple[str, str]]
"""Service and node, by the task's id."""


@contextmanager
def services() -> Iterator[None]:
    """One of three replicas to move, and one of six to see that it stays."""
    quick = ["--detach", "--no-resolve-image", "--stop-grace-period", "0s", "--restart-delay", "0s"]
    wanted = {MOVED: 3, BYSTANDER: 6}
    try:
        for name, replicas in wanted.items():
            create = ["service", "create", *quick, "--update-parallelism", "0", "--name", name]
            on.docker(*create, "--replicas", str(replicas), "swarmherd-lab/base:bookworm", "sleep", "infinity")
        for name, replicas in wanted.items():
            settled(name, replicas)
        yield
    finally:
        for name in wanted:
            on.docker("service", "rm", name, check=False)


def settled(name: str, replicas: int) -> None:
    on.wait_until(lambda: on.running(name) == replicas, f"{replicas} replicas of {name} run", 60)


def tasks() -> Tasks:
    """Every task of the two services that is to run."""
    found: Tasks = {}
    for name in (MOVED, BYSTANDER):
        ids = on.docker("service", "ps", "--quiet", "--no-trunc", "--filter", "desired-state=running", name).split()
        documents = json.loads(on.docker("inspect", "--type", "task", *ids))
        found |= {task["ID"]: (name, task["NodeID"]) for task in documents}
    return found


def since(began: datetime, new: list[str]) -> float:
    """Seconds from `began` until the last of these tasks ran."""
    documents = json.loads(on.docker("inspect", "--type", "task", *new))
    ran = max(datetime.fromisoformat(task["Status"]["Timestamp"]) for task in documents)
    return (ran - began).total_seconds()


def by_deny_label(before: Tasks) -> None:
    """The service's only task on some node."""
    nodes = Counter(node for name, node in before.values() if name == MOVED)
    lonely = next(node for node, count in sorted(nodes.items()) if count == 1)
    move(node=lonely, method="deny_label")


def by_pause_and_stop(before: Tasks) -> None:
    task, node = next((task, node) for task, (name, node) in before.items() if name == MOVED)
    move(node=node, task=task, method="pause_and_stop")


def move(**variables: str) -> None:
    given = {f"swarmherd_{key}": value for key, value in {"service": MOVED, **variables}.items()}
    on.playbook("playbooks/enact/move.yml", "-e", json.dumps(given))


def by_forced_update(_before: Tasks) -> None:
    on.docker("service", "update", "--force", "--quiet", MOVED)


WAYS: dict[str, Callable[[Tasks], None]] = {
    "deny_label": by_deny_label,
    "pause_and_stop": by_pause_and_stop,
    "forced_update": by_forced_update,
}


def moves(rounds: int) -> dict[str, Any]:
    """By way: the median seconds, and the tasks that restarted beside the one that was meant, at most."""
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    others: dict[str, list[int]] = {name: [] for name in WAYS}
    with services():
        for _round in range(rounds):
            for name, way in WAYS.items():
                before, began = tasks(), datetime.now(UTC)
                way(before)
                settled(MOVED, 3)
                after = tasks()
                seconds[name].append(since(began, [task for task in after if task not in before]))
                others[name].append(len(before.keys() - after.keys()) - 1)
    return {
        name: {"seconds": round(statistics.median(seconds[name]), 2), "other_tasks_restarted": max(others[name])}
        for name in WAYS
    }
