# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks that move work, against a Swarm that is played on loopback: their steps, their order, their undo."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
HERE = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
NOWHERE = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 9, "ansible_ssh_retries": 0}
Enact = Callable[..., str]


@pytest.fixture
def swarm(engine: Any, make_node: Any, make_service: Any, make_task: Any) -> Any:
    """Three nodes and a service of two replicas. What is stopped, or not wanted where it is, starts on a free node."""
    addresses = {"n1": "10.0.0.1", "n2": "10.0.0.2", "n3": "10.0.0.3"}
    engine.nodes += [make_node(name, address=address) for name, address in addresses.items()]
    shop = make_service("shop", replicas=2)
    engine.services.append(shop)
    engine.tasks += [make_task(shop, 1, "id-n1", id="t1"), make_task(shop, 2, "id-n2", id="t2")]
    engine.containers.append({"Id": "c" * 64, "State": "running"})

    def unwanted(task: Any, node: Any) -> bool:
        stopped = task["ID"] == "t1" and engine.containers[0]["State"] == "exited"
        return bool(stopped or "swarmherd.deny.shop" in node["Spec"]["Labels"])

    def follow() -> None:
        for task in [task for task in engine.tasks if task["DesiredState"] == "running"]:
            node = next(node for node in engine.nodes if node["ID"] == task["NodeID"])
            if unwanted(task, node):
                task["DesiredState"] = "shutdown"
                free = [n["ID"] for n in engine.nodes if n["Spec"]["Availability"] == "active" and n is not node]
                made = {"id": f"{task['ID']}n", "created_at": f"2026-01-01T00:01:{len(engine.tasks):02}Z"}
                engine.tasks.append(make_task(shop, task["Slot"], free[0], **made))

    engine.after_write = follow
    return engine


@pytest.fixture
def enact(swarm: Any, tmp_path: Path) -> Enact:
    """Run a playbook with the manager and the host of n1 on this machine, and give what it said."""

    def run(kind: str, *options: str, good: bool = True, worker: dict[str, Any] | None = None, **variables: Any) -> str:
        groups = {
            "managers": {"hosts": {"m1": HERE}},
            "workers": {"hosts": {"w1": {"ansible_host": "10.0.0.1", **(HERE if worker is None else worker)}}},
        }
        (tmp_path / "hosts.yml").write_text(json.dumps({"all": {"children": groups}}))
        given = json.dumps({f"swarmherd_{key}": value for key, value in variables.items()})
        command = ["ansible-playbook", "-i", str(tmp_path / "hosts.yml"), f"playbooks/enact/{kind}.yml", "-e", given]
        settings = {
            **os.environ,
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_NOCOLOR": "true",
            "DOCKER_HOST": swarm.url,
        }
        done = subprocess.run(
            [*command, *options], cwd=ROOT, env=settings, capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode == 0) is good, done.stdout + done.stderr
        return done.stdout

    return run


def running(swarm: Any) -> dict[str, str]:
    """The node of each task that is to run."""
    return {task["ID"]: task["NodeID"] for task in swarm.tasks if task["DesiredState"] == "running"}


def nothing_is_left(swarm: Any) -> bool:
    return all(node["Spec"]["Availability"] == "active" and not node["Spec"]["Labels"] for node in swarm.nodes)


def test_a_service_leaves_a_node_by_label(enact: Enact, swarm: Any) -> None:
    enact(
        "move", service="shop", node="n1", allowed_nodes=["id-n2", "id-n3"], avoid_nodes=["id-n2"], expected_version=10
    )
    assert running(swarm) == {"t1n": "id-n3", "t2": "id-n2"}
    assert nothing_is_left(swarm)


def test_a_task_is_stopped_on_the_host_that_has_the_nodes_address(enact: Enact, swarm: Any) -> None:
    said = enact("move", service="shop", node="n1", task="t1")
    assert "m1 -> w1" in said
    assert running(swarm) == {"t1n": "id-n2", "t2": "id-n2"}
    assert nothing_is_left(swarm)
    assert "Placement" not in swarm.services[0]["Spec"]["TaskTemplate"]


def test_in_check_mode_nothing_is_written(enact: Enact, swarm: Any) -> None:
    assert "changed=2" in enact("move", "--check", service="shop", node="n1", task="t1")
    assert (swarm.writes, running(swarm)) == ([], {"t1": "id-n1", "t2": "id-n2"})


def test_a_host_that_is_not_in_the_inventory_stops_nothing_and_the_pause_ends(enact: Enact, swarm: Any) -> None:
    said = enact("move", good=False, service="shop", node="n2", task="t2")
    assert "No host of the inventory is called n2 or has the address 10.0.0.2" in said
    assert running(swarm) == {"t1": "id-n1", "t2": "id-n2"}
    assert nothing_is_left(swarm)


def test_a_host_that_cannot_be_reached_stops_nothing_and_the_pause_ends(enact: Enact, swarm: Any) -> None:
    said = enact("move", good=False, worker=NOWHERE, service="shop", node="n1", task="t1", node_host="w1")
    assert "The host w1 could not be reached, so its task was not stopped." in said
    assert running(swarm) == {"t1": "id-n1", "t2": "id-n2"}
    assert nothing_is_left(swarm)


def test_a_balancer_that_cannot_be_reached_stops_nothing_and_the_pause_ends(enact: Enact, swarm: Any) -> None:
    given = {"service": "shop", "node": "n1", "task": "t1", "balancer_backend": "shop"}
    said = enact("move", good=False, balancer_socket="/run/nobody.sock", **given)
    assert "the load balancer at /run/nobody.sock cannot be reached" in said
    assert "The load balancer on w1 could not be reached" in enact(
        "move", good=False, worker=NOWHERE, balancer_host="w1", node_host="m1", **given
    )
    assert running(swarm) == {"t1": "id-n1", "t2": "id-n2"}
    assert nothing_is_left(swarm)


def test_a_conflict_is_told_by_the_module_itself_and_writes_nothing(enact: Enact, swarm: Any) -> None:
    said = enact("move", good=False, service="shop", node="n1", task="t1", expected_version=9)
    assert "conflict: true" in said
    assert swarm.writes == []


def test_what_an_interrupted_move_left_is_cleared(enact: Enact, swarm: Any) -> None:
    swarm.nodes[0]["Spec"].update(Availability="pause", Labels={"swarmherd.paused": "shop.4102444800"})
    enact("move", service="shop", node="n1", state="cleared")
    assert nothing_is_left(swarm)
    assert running(swarm) == {"t1": "id-n1", "t2": "id-n2"}


def test_moves_are_made_in_turn_until_one_fails_and_that_one_is_undone(enact: Enact, swarm: Any) -> None:
    moves = [
        {"service": "shop", "node": "n1", "task": "t1"},
        {"service": "shop", "node": "n2", "task": "t2", "wait_timeout": 1, "node_host": "w1"},
        {"service": "shop", "node": "n1"},
    ]
    said = enact("rebalance", good=False, moves=moves)
    assert "this engine is the node id-n1, and not id-n2" in said
    assert running(swarm) == {"t1n": "id-n2", "t2": "id-n2"}
    assert nothing_is_left(swarm)


def test_a_label_goes_only_after_the_other_node_has_it_and_dependents_the_constraint(
    enact: Enact, swarm: Any, make_service: Any
) -> None:
    swarm.services.append(make_service("db", replicas=1))
    swarm.nodes[1]["Spec"]["Labels"]["swarmherd.anchor.db"] = "yes"
    swarm.after_write = lambda: None
    swarm.tasks[1]["NodeID"] = "id-n1"
    dependents = [{"name": "shop", "expected_version": 10}]
    enact("relabel", anchor="db", node="id-n1", old_nodes=["id-n2", "gone"], dependents=dependents)
    label = [spec.get("Labels") for spec in swarm.writes]
    assert label == [{"swarmherd.anchor.db": "yes"}, {}, {}]
    assert swarm.writes[1]["TaskTemplate"]["Placement"]["Constraints"] == ["node.labels.swarmherd.anchor.db == yes"]


def test_who_follows_no_longer_loses_the_constraint_before_the_node_its_label(enact: Enact, swarm: Any) -> None:
    bound = ["node.labels.disk == ssd", "node.labels.swarmherd.anchor.db==yes"]
    swarm.services[0]["Spec"]["TaskTemplate"]["Placement"] = {"Constraints": bound}
    swarm.nodes[0]["Spec"]["Labels"] = {"swarmherd.anchor.db": "yes", "disk": "ssd"}
    enact("release", anchor="db", old_nodes=["id-n1", "gone"], dependents=[{"name": "shop", "expected_version": 10}])
    assert swarm.writes[0]["TaskTemplate"]["Placement"]["Constraints"] == ["node.labels.disk == ssd"]
    assert swarm.writes[1]["Labels"] == {"disk": "ssd"}


def test_who_was_changed_meanwhile_stays_bound_and_the_label_stays(enact: Enact, swarm: Any) -> None:
    swarm.nodes[0]["Spec"]["Labels"] = {"swarmherd.anchor.db": "yes"}
    dependents = [{"name": "shop", "expected_version": 9}]
    assert "conflict: true" in enact("release", good=False, anchor="db", old_nodes=["n1"], dependents=dependents)
    assert swarm.writes == []


def test_a_dependent_that_was_changed_keeps_the_old_label_in_place(enact: Enact, swarm: Any, make_service: Any) -> None:
    swarm.services.append(make_service("db", replicas=1))
    swarm.nodes[1]["Spec"]["Labels"]["swarmherd.anchor.db"] = "yes"
    dependents = [{"name": "shop", "expected_version": 9}]
    said = enact("relabel", good=False, anchor="db", node="n1", old_nodes=["n2"], dependents=dependents)
    assert "conflict: true" in said
    assert swarm.nodes[1]["Spec"]["Labels"] == {"swarmherd.anchor.db": "yes"}
