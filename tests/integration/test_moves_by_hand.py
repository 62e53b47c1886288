# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves and drains by hand on a real Swarm: exactly the tasks that were meant change, and nothing is left behind."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from . import lab as on

pytestmark = pytest.mark.usefixtures("lab")

SWARMHERD = str(on.BIN / "swarmherd")
MOVED, BYSTANDER = "swarmherd-test-moved", "swarmherd-test-bystander"
IMAGE = ["swarmherd-lab/base:bookworm", "sleep", "infinity"]
Create = Callable[..., str]


@pytest.fixture
def create() -> Iterator[Create]:
    """Make services that do nothing, and take them away at the end."""
    made: list[str] = []

    def one(name: str, replicas: int, *options: str) -> str:
        made.append(name)
        words = ["service", "create", "--detach", "--no-resolve-image", "--name", name, "--replicas", str(replicas)]
        on.docker(*words, "--restart-delay", "0s", "--stop-grace-period", "1s", *options, *IMAGE)
        on.wait_until(lambda: on.running(name) == replicas, f"{replicas} replicas of {name} run", 30)
        return name

    yield one
    for name in made:
        on.docker("service", "rm", name)


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    """The lab's hosts, and a state of one's own."""
    return on.inventory(tmp_path, {}, {})


def swarmherd(inventory: Path, *arguments: str) -> str:
    return on.run(SWARMHERD, "-i", str(inventory), *arguments, timeout=180).stdout


def told(inventory: Path, *arguments: str) -> Any:
    return json.loads(swarmherd(inventory, *arguments, "--json"))


def tasks(service: str) -> dict[str, tuple[str, str]]:
    """Id and node of each task that Swarm wants running, by its name."""
    form = "{{.Name}} {{.ID}} {{.Node}}"
    words = ["service", "ps", "--no-trunc", "--filter", "desired-state=running", "--format", form, service]
    lines = (line.split() for line in on.docker(*words).splitlines())
    return {name: (task, node) for name, task, node in lines}


def nodes() -> dict[str, dict[str, Any]]:
    """Each node's specification, by hostname."""
    ids = on.docker("node", "ls", "--quiet").split()
    found = json.loads(on.docker("node", "inspect", *ids))
    return {one["Description"]["Hostname"]: one["Spec"] for one in found}


def marks() -> list[str]:
    """What moves have set on nodes."""
    return [
        f"{name}: {label}"
        for name, spec in nodes().items()
        for label in spec.get("Labels") or {}
        if label.startswith(("swarmherd.paused", "swarmherd.deny"))
    ]


def test_a_move_replaces_the_services_tasks_on_one_node_and_no_other_task(create: Create, inventory: Path) -> None:
    moved, bystander = create(MOVED, 3), create(BYSTANDER, 3)
    before, others = tasks(moved), tasks(bystander)
    source = before[f"{moved}.1"][1]
    done = told(inventory, "move", moved, "--from", source, "--reason", "a test")
    after = tasks(moved)
    meant = {name for name, (_task, node) in before.items() if node == source}
    assert {name for name in before if before[name] != after[name]} == meant
    assert {one["name"] for one in done["replaced"]} == meant
    assert source not in {node for _task, node in after.values()}
    assert (tasks(bystander), marks()) == (others, [])


def test_a_single_replica_goes_to_the_node_that_was_named_and_never_runs_twice(create: Create, inventory: Path) -> None:
    moved, bystander = create(MOVED, 1), create(BYSTANDER, 3)
    others, (source,) = tasks(bystander), {node for _task, node in tasks(moved).values()}
    target = next(name for name in sorted(nodes()) if name != source)
    done = told(inventory, "move", moved, "--from", source, "--to", target)
    assert (done["outcome"], done["parameters"]["swarmherd_method"]) == ("done", "pause_and_stop")
    assert [node for _task, node in tasks(moved).values()] == [target]
    assert (tasks(bystander), marks()) == (others, [])
    assert {spec["Availability"] for spec in nodes().values()} == {"active"}


@pytest.mark.slow
def test_a_move_whose_command_was_killed_is_cleared_by_the_next_cycle(create: Create, inventory: Path) -> None:
    moved = create(MOVED, 1, "--stop-grace-period", "10s")
    ((_task, source),) = tasks(moved).values()
    command = [SWARMHERD, "-i", str(inventory), "move", moved, "--from", source]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as killed:
        on.wait_until(marks, "the move has paused a node", 60)
        killed.kill()
    swarmherd(inventory, "run", "--once")
    assert marks() == []
    assert {spec["Availability"] for spec in nodes().values()} == {"active"}
    (entry,) = told(inventory, "history")
    assert entry["outcome"] in ("done", "undone")
    on.wait_until(lambda: on.running(moved) == 1, "it runs", 30)


@contextmanager
def engine_killed(host: str) -> Iterator[None]:
    """The engine of a host dies, and comes back at the end."""
    on.ssh(host, "systemctl", "kill", "--signal=KILL", "docker.service")
    on.ssh(host, "systemctl", "stop", "docker.socket", "docker.service")
    try:
        yield
    finally:
        on.ssh(host, "systemctl", "start", "docker.service")
        state = ["node", "inspect", "--format", "{{.Status.State}}", host]
        on.wait_until(lambda: on.docker(*state).strip() == "ready", f"{host} is ready again", 90)


@pytest.mark.slow
def test_a_move_whose_only_target_dies_on_the_way_is_given_up_and_clears_up(create: Create, tmp_path: Path) -> None:
    """It is given up with its reason; the task runs again where it can, and nobody else's was touched."""
    inventory = on.inventory(tmp_path, {"playbook_timeout_seconds": 60}, {})
    moved = create(MOVED, 1, "--stop-grace-period", "10s", "--constraint", "node.hostname==worker1")
    on.docker("service", "update", "--detach", "--constraint-rm", "node.hostname==worker1", moved)
    others = tasks(create(BYSTANDER, 2, "--constraint", "node.hostname!=worker2"))
    command = [SWARMHERD, "-i", str(inventory), "move", moved, "--from", "worker1", "--to", "worker2"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as move:
        on.wait_until(marks, "the move has paused a node", 60)
        with engine_killed("worker2"):
            assert move.wait(timeout=180) != 0
            (entry,) = told(inventory, "history")
            assert (entry["outcome"], "replicas run" in entry["detail"]) == ("given_up", True), entry["detail"]
            assert marks() == []
            assert {spec["Availability"] for spec in nodes().values()} == {"active"}
            on.wait_until(lambda: on.running(moved) == 1, "it runs again", 60)
    assert "worker2" not in {node for _task, node in tasks(moved).values()}
    assert tasks(BYSTANDER) == others


@pytest.mark.slow
def test_a_drained_node_is_empty_and_takes_tasks_again_when_that_is_undone(create: Create, inventory: Path) -> None:
    moved = create(MOVED, 3)
    source = next(node for _task, node in tasks(moved).values() if node != "manager1")
    assert told(inventory, "drain", source, "--reason", "a test")["outcome"] == "done"
    try:
        assert source not in {node for _task, node in tasks(moved).values()}
        assert on.running(moved) == 3
        assert "because somebody drained it" in swarmherd(inventory, "explain", source)
    finally:
        told(inventory, "drain", source, "--undo")
    assert nodes()[source]["Availability"] == "active"


def test_explain_says_in_swarms_words_and_in_ours_why_a_task_waits(create: Create, inventory: Path) -> None:
    moved = create(MOVED, 1)
    on.docker("service", "update", "--detach", "--constraint-add", "node.labels.nowhere==yes", moved)
    on.docker("service", "scale", "--detach", f"{moved}=2")
    on.wait_until(lambda: "no suitable node" in sentences(inventory, moved), "Swarm says why", 30)
    assert "constraint not satisfied (node.labels.nowhere==yes)" in sentences(inventory, moved)


def sentences(inventory: Path, subject: str) -> str:
    return " ".join(told(inventory, "explain", subject)["sentences"])
