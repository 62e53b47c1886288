# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks that move work, as people run them: what was to move moves, and no other task of the Swarm restarts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from . import lab as on

pytestmark = pytest.mark.usefixtures("lab")

NAME = "swarmherd-test-many"
SINGLE = "swarmherd-test-single"
SLOW = "swarmherd-test-slow"
Tasks = dict[str, tuple[str, str]]


def create(name: str, *options: str, image: str = "swarmherd-lab/base:bookworm", command: tuple[str, ...] = ()) -> None:
    quick = ["--stop-grace-period", "0s", "--restart-delay", "0s", "--endpoint-mode", "dnsrr"]
    on.docker("service", "create", "--detach", "--no-resolve-image", *quick, "--name", name, *options, image, *command)


def tasks() -> Tasks:
    """Name and node of every task of the Swarm that is to run, by id."""
    ids = on.docker("node", "ls", "--quiet").split()
    listed = on.docker("node", "ps", "--no-trunc", "--filter", "desired-state=running", "--format", "{{json .}}", *ids)
    return {task["ID"]: (task["Name"], task["Node"]) for task in map(json.loads, listed.splitlines())}


def nodes() -> dict[str, Any]:
    """Availability and labels of each node, by hostname."""
    ids = on.docker("node", "ls", "--quiet").split()
    found = json.loads(on.docker("node", "inspect", *ids))
    return {
        node["Description"]["Hostname"]: (node["Spec"]["Availability"], node["Spec"].get("Labels") or {})
        for node in found
    }


def task_of(name: str, found: Tasks) -> tuple[str, str]:
    """The id and the node of the first task of a service."""
    return next((task, node) for task, (called, node) in found.items() if called.rpartition(".")[0] == name)


def enact(kind: str, check: bool = True, **variables: Any) -> str:
    given = json.dumps({f"swarmherd_{key}": value for key, value in variables.items()})
    command = ["ansible-playbook", "-i", on.INVENTORY, f"playbooks/enact/{kind}.yml", "-e", given]
    return on.run(*command, timeout=120, check=check, **on.SECOND_RUN).stdout


@pytest.fixture
def services() -> Iterator[None]:
    """One of three replicas, and one that must not run twice. No node has a mark afterwards."""
    create(NAME, "--replicas", "3", command=("sleep", "infinity"))
    create(SINGLE, command=("sleep", "infinity"))
    on.wait_until(lambda: (on.running(NAME), on.running(SINGLE)) == (3, 1), "the services run", 30)
    before = nodes()
    yield
    on.docker("service", "rm", NAME, SINGLE)
    assert nodes() == before


@pytest.mark.usefixtures("services")
def test_a_task_that_is_named_moves_and_nothing_else_restarts() -> None:
    before = tasks()
    task, node = task_of(SINGLE, before)
    enact("move", service=SINGLE, node=node, task=task)
    after = tasks()
    assert set(before) - set(after) == {task}
    assert [after[new][0] for new in set(after) - set(before)] == [f"{SINGLE}.1"]
    assert task_of(SINGLE, after)[1] != node


@pytest.mark.slow
@pytest.mark.usefixtures("services")
def test_several_moves_are_made_in_turn_and_the_first_that_fails_is_the_last() -> None:
    before = tasks()
    task, node = task_of(NAME, before)
    single, there = task_of(SINGLE, before)
    moves = [
        {"service": NAME, "node": node},
        {"service": NAME, "node": "nowhere"},
        {"service": SINGLE, "node": there, "task": single},
    ]
    said = enact("rebalance", check=False, moves=moves)
    after = tasks()
    assert "has no node nowhere" in said
    assert set(before) - set(after) == {task}
    assert task_of(NAME, {new: after[new] for new in set(after) - set(before)})[1] != node


@pytest.fixture
def slow() -> Iterator[str]:
    """A service whose container takes its time to stop."""
    create(SLOW, "--stop-grace-period", "10s", command=("sleep", "infinity"))
    on.wait_until(lambda: on.running(SLOW) == 1, "the slow service runs", 30)
    yield SLOW
    on.docker("service", "rm", SLOW)


@pytest.mark.slow
def test_a_playbook_killed_in_mid_move_leaves_a_mark_that_the_next_one_clears(slow: str) -> None:
    before = nodes()
    task, node = task_of(slow, tasks())
    command = [str(on.BIN / "ansible-playbook"), "-i", on.INVENTORY, "playbooks/enact/move.yml"]
    command += ["-e", f"swarmherd_service={slow}", "-e", f"swarmherd_node={node}", "-e", f"swarmherd_task={task}"]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(on.ROOT / "ansible.cfg")}
    quiet = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    with subprocess.Popen(command, cwd=on.ROOT, env=environment, start_new_session=True, **quiet) as playbook:
        on.wait_until(lambda: nodes()[node][0] == "pause", "the node is paused", 20)
        os.killpg(playbook.pid, signal.SIGKILL)
    assert nodes()[node][1]["swarmherd.paused"].startswith(f"{slow}.")
    enact("move", service=slow, node=node, state="cleared")
    assert nodes() == before


@pytest.mark.usefixtures("services")
def test_a_drained_node_is_empty_when_the_playbook_ends() -> None:
    node = "worker1"
    try:
        enact("drain", node=node)
        assert [name for name, where in tasks().values() if where == node] == []
        assert nodes()[node][0] == "drain"
    finally:
        enact("drain", node=node, availability="active")


@pytest.mark.usefixtures("services")
def test_dependents_follow_their_anchor_and_keep_running_where_they_are_right_already() -> None:
    before = tasks()
    label = f"swarmherd.anchor.{SINGLE}"
    home = task_of(SINGLE, before)[1]
    other = next(node for node in nodes() if node != home)
    try:
        enact("relabel", anchor=SINGLE, node=home, dependents=[{"name": NAME}])
        beside = tasks()
        stayed = {task for task, (name, node) in before.items() if name.startswith(f"{NAME}.") and node == home}
        assert stayed <= set(beside)
        assert {node for name, node in beside.values() if name.startswith(f"{NAME}.")} == {home}
        enact("relabel", anchor=SINGLE, node=other, old_nodes=[home, "gone"], dependents=[{"name": NAME}])
        assert {node for name, node in tasks().values() if name.startswith(f"{NAME}.")} == {other}
        assert label not in nodes()[home][1]
        assert tasks().keys() & before.keys() >= {task_of(SINGLE, before)[0]}
    finally:
        for node in (home, other):
            on.docker("node", "update", "--label-rm", label, node, check=False)


@pytest.fixture
def shop() -> Iterator[str]:
    """A shop behind the lab's load balancer, in use by it."""
    create("shop_web", "--network", "swarmherd", "--replicas", "2", image="swarmherd-lab/shop:1")
    on.wait_until(lambda: len(in_use()) == 2, "the load balancer uses both tasks", 60)
    yield "shop_web"
    on.docker("service", "rm", "shop_web")


def servers() -> dict[str, list[str]]:
    """The load balancer's servers of the shop that have an address: operational and administrative state."""
    ask = [
        "python3",
        "-c",
        "import socket; s = socket.socket(socket.AF_UNIX); s.connect('/run/swarmherd/haproxy/admin.sock');"
        " s.sendall(b'show servers state shop_web\\n'); print(s.makefile().read())",
    ]
    rows = [line.split() for line in on.ssh("manager1", *ask).splitlines()[2:] if line.strip()]
    return {row[4]: row[5:7] for row in rows if row[4] != "-"}


def in_use() -> list[str]:
    return [address for address, (operational, admin) in servers().items() if (operational, admin) == ("2", "0")]


def test_what_a_load_balancer_serves_is_drained_there_first_and_serves_again(shop: str) -> None:
    before = tasks()
    task, node = task_of(shop, before)
    said = enact("move", service=shop, node=node, task=task, balancer_backend=shop, drain_timeout=5)
    assert said.index("Drain the tasks at the load balancer") < said.index("Stop the container of the task")
    assert set(before) - set(tasks()) == {task}
    on.wait_until(lambda: len(in_use()) == 2, "the load balancer uses both tasks again", 30)


def test_where_the_load_balancer_cannot_be_reached_nothing_is_stopped(shop: str) -> None:
    before, held = tasks(), nodes()
    task, node = task_of(shop, before)
    said = enact(
        "move", False, service=shop, node=node, task=task, balancer_backend=shop, balancer_socket="/run/nobody.sock"
    )
    assert "the load balancer at /run/nobody.sock cannot be reached" in said
    assert (tasks(), nodes()) == (before, held)
