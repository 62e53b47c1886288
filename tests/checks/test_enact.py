# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks that move work, against a Swarm that is played on loopback: their steps, their order, their undo."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
HERE = {"ansible_connection": "local", "ansible_become": False, "ansible_python_interpreter": sys.executable}
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
            [*command, *options], cwd=ROOT, env=settings, capture_output=True, text=True, timeout=150, check=False
        )
        assert (done.returncode == 0) is good, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture
def health() -> Iterator[Callable[[Callable[[], bool]], int]]:
    """The port of a server that answers 200 where what it is given is true, else 503."""
    made: list[ThreadingHTTPServer] = []

    def serve(well: Callable[[], bool]) -> int:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200 if well() else 503)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Says nothing: the tests do."""

        made.append(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=made[-1].serve_forever, args=(0.05,), daemon=True).start()
        return int(made[-1].server_address[1])

    yield serve
    for server in made:
        server.shutdown()
        server.server_close()


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
    began = time.time()
    said = enact("move", good=False, balancer_socket="/run/nobody.sock", drain_timeout=1000, **given)
    assert "the load balancer at /run/nobody.sock cannot be reached" in said
    # The mark outlives what the move may take, draining included.
    assert float(swarm.writes[0]["Labels"]["swarmherd.paused"].removeprefix("shop.")) > began + 1000
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


def test_a_node_that_is_named_as_new_and_old_gets_no_label(enact: Enact, swarm: Any) -> None:
    swarm.nodes[0]["Spec"]["Labels"] = {}
    enact("relabel", good=False, anchor="db", node="n1", old_nodes=["n1"])
    assert swarm.writes == []


def test_a_node_is_not_given_the_label_and_robbed_of_it_however_it_is_called(enact: Enact, swarm: Any) -> None:
    said = enact("relabel", good=False, anchor="db", node="n1", old_nodes=["id-n1"])
    assert "swarmherd_node n1 stands in swarmherd_old_nodes as well" in said
    assert swarm.nodes[0]["Spec"]["Labels"] == {"swarmherd.anchor.db": "yes"}


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


# ---------------------------------------------------------------- scaled down behind a load balancer


@pytest.fixture
def behind(swarm: Any, balancer: Any, socket_path: str) -> dict[str, Any]:
    """The two tasks stand behind servers 1 and 2; a task that goes takes its server's address along."""
    for number, task in enumerate(swarm.tasks, 5):
        task["NetworksAttachments"] = [{"Addresses": [f"10.0.1.{number}/24"]}]

    def follow() -> None:
        balancer.told.append("written")
        swarm.tasks[:] = swarm.tasks[: swarm.services[0]["Spec"]["Mode"]["Replicated"]["Replicas"]]
        balancer.servers["shop-2"][1] |= 0x20

    swarm.after_write = follow
    return {"service": "shop", "balancer_backend": "shop", "balancer_socket": socket_path}


@pytest.mark.slow
def test_what_goes_is_drained_before_it_goes_and_its_slot_serves_again_after(
    enact: Enact, behind: dict[str, Any], balancer: Any
) -> None:
    enact("scale", replicas=1, expected_leaving=["t2"], **behind)
    told = ["set server shop/shop-2 state drain\n", "written", "set server shop/shop-2 state ready\n"]
    assert (balancer.told, balancer.servers["shop-1"][1]) == (told, 0)


def test_others_than_were_decided_on_are_a_conflict_and_nothing_is_drained(
    enact: Enact, swarm: Any, behind: dict[str, Any], balancer: Any
) -> None:
    assert "conflict: true" in enact("scale", good=False, replicas=1, expected_leaving=["t1"], **behind)
    assert (balancer.told, swarm.writes) == ([], [])


def test_without_the_load_balancer_nothing_is_scaled_down(enact: Enact, swarm: Any, behind: Any) -> None:
    gone = {**behind, "balancer_socket": "/run/nobody.sock"}
    said = enact("scale", good=False, replicas=1, drain="none", **gone)
    assert "the load balancer at /run/nobody.sock cannot be reached" in said
    assert swarm.writes == []


def test_what_a_drain_that_failed_had_drained_serves_again(
    enact: Enact, swarm: Any, behind: dict[str, Any], balancer: Any
) -> None:
    balancer.untold = [("shop", "shop-2")]
    told = ["set server shop/shop-2 state drain\n", "set server shop/shop-2 state ready\n"]
    assert "does not tell of the sessions" in enact("scale", good=False, replicas=1, **behind)
    assert (balancer.told, balancer.servers["shop-2"][1], swarm.writes) == (told, 0, [])


def test_what_an_interrupted_scale_down_left_drained_serves_again_and_nothing_is_scaled(
    enact: Enact, swarm: Any, behind: dict[str, Any], balancer: Any
) -> None:
    balancer.servers["shop-1"][1] = 8
    enact("scale", replicas=1, state="cleared", **behind)
    assert (balancer.told, swarm.writes) == (["set server shop/shop-1 state ready\n"], [])


def test_without_a_load_balancer_nothing_is_cleared_and_nothing_is_scaled(enact: Enact, swarm: Any) -> None:
    enact("scale", service="shop", replicas=1, state="cleared")
    assert swarm.writes == []


def test_one_task_is_restarted_on_its_own_host_and_may_come_back_to_its_node(
    enact: Enact, swarm: Any, make_task: Any
) -> None:
    def back() -> None:
        if swarm.containers[0]["State"] == "exited" and swarm.tasks[0]["DesiredState"] == "running":
            swarm.tasks[0]["DesiredState"] = "shutdown"
            made = {"id": "t1n", "created_at": "2026-01-01T00:01:00Z"}
            swarm.tasks.append(make_task(swarm.services[0], 1, "id-n1", **made))

    swarm.after_write = back
    said = enact("restart", service="shop", task="t1", expected_version=10)
    assert "m1 -> w1" in said
    assert running(swarm) == {"t1n": "id-n1", "t2": "id-n2"}
    assert swarm.writes == []


def test_what_has_a_volume_of_its_node_is_stopped_only_where_no_other_node_is_left(enact: Enact, swarm: Any) -> None:
    mounts = [{"Type": "volume", "Source": "data", "Target": "/data"}]
    for thing in (swarm.services[0]["Spec"]["TaskTemplate"], *(task["Spec"] for task in swarm.tasks)):
        thing["ContainerSpec"]["Mounts"] = mounts
    said = enact("restart", good=False, service="shop", task="t1", avoid_nodes=["n2"])
    assert "refused: shop has a volume or path of its node, and might start on n3 without it" in said
    assert (running(swarm), nothing_is_left(swarm)) == ({"t1": "id-n1", "t2": "id-n2"}, True)
    said = enact("restart", "--check", service="shop", task="t1", avoid_nodes=["n2", "n3"])
    assert "changed=2" in said
    assert swarm.writes == []


def test_a_restart_that_was_decided_on_another_version_stops_nothing(enact: Enact, swarm: Any) -> None:
    said = enact("restart", good=False, service="shop", task="t1", expected_version=9)
    assert "conflict: true" in said
    assert running(swarm) == {"t1": "id-n1", "t2": "id-n2"}


def test_a_service_is_rolled_back_once(enact: Enact, swarm: Any) -> None:
    swarm.after_write = lambda: None
    shop = swarm.services[0]
    shop["PreviousSpec"] = json.loads(json.dumps(shop["Spec"]))
    shop["PreviousSpec"]["Labels"] = {"owner": "ada"}
    swarm.after_rollback = lambda: shop.update(UpdateStatus={"State": "rollback_completed"})
    assert "changed=1" in enact("rollback", service="shop", expected_version=10)
    assert shop["Spec"]["Labels"] == {"owner": "ada"}
    assert "changed=0" in enact("rollback", service="shop")
    assert swarm.rollbacks == 1


def test_a_service_gets_what_is_named_of_its_resources_and_keeps_the_rest(enact: Enact, swarm: Any) -> None:
    def replaced() -> None:
        for task in swarm.tasks:
            task["Spec"] = json.loads(json.dumps(swarm.services[0]["Spec"]["TaskTemplate"]))

    swarm.services[0]["Spec"]["TaskTemplate"]["Resources"] = {
        "Limits": {"NanoCPUs": 10**9, "MemoryBytes": 2**30, "Pids": 50}
    }
    replaced()
    swarm.after_write = replaced
    resources = {"reservations": {"cpus": 0.25, "memory": "268435456"}, "limits": {"memory": "0"}}
    wanted = {**resources, "wait_timeout": 30}
    assert "conflict: true" in enact("resources", good=False, service="shop", expected_version=9, **wanted)
    assert swarm.writes == []
    assert "changed=1" in enact("resources", service="shop", expected_version=10, **wanted)
    found = swarm.services[0]["Spec"]["TaskTemplate"]["Resources"]
    assert found["Reservations"] == {"NanoCPUs": 250_000_000, "MemoryBytes": 2**28}
    assert {name: value for name, value in found["Limits"].items() if value} == {"NanoCPUs": 10**9, "Pids": 50}
    assert "changed=0" in enact("resources", service="shop", **wanted)


@pytest.mark.slow
def test_a_task_that_is_healed_by_hand_is_moved_where_a_restart_did_not_help(
    enact: Enact, swarm: Any, make_task: Any, health: Callable[[Callable[[], bool]], int]
) -> None:
    for node in swarm.nodes:
        node["Status"]["Addr"] = "127.0.0.1"

    def replaced() -> None:
        """Where it was as long as that node takes tasks."""
        if swarm.containers[0]["State"] != "exited":
            return
        swarm.containers[0]["State"] = "running"
        [old] = [task for task in swarm.tasks if task["Slot"] == 1 and task["DesiredState"] == "running"]
        old["DesiredState"] = "shutdown"
        free = [node["ID"] for node in swarm.nodes if node["Spec"]["Availability"] == "active"]
        made = {"id": f"{old['ID']}n", "created_at": f"2026-01-01T00:01:{len(swarm.tasks):02}Z"}
        swarm.tasks.append(make_task(swarm.services[0], 1, free[0], **made))

    swarm.after_write = replaced
    port = health(lambda: "t1nn" in running(swarm))
    given = {"health_port": port, "health_path": "/health", "health_retries": 1, "node_host": "w1"}
    said = enact("heal", service="shop", ill_task="t1", **given)
    assert running(swarm) == {"t1nn": "id-n2", "t2": "id-n2"}
    assert nothing_is_left(swarm)
    assert "rescued=1" in said


# ---------------------------------------------------------------- what failed nodes ask for


def spec_of(swarm: Any, number: int = 0) -> tuple[str, dict[str, str]]:
    spec = swarm.nodes[number]["Spec"]
    return spec["Availability"], spec["Labels"]


def constraints(swarm: Any) -> list[str]:
    return list((swarm.services[0]["Spec"]["TaskTemplate"].get("Placement") or {}).get("Constraints") or [])


def test_a_cordon_begins_and_ends_by_playbook_and_no_other_pause_does(enact: Enact, swarm: Any) -> None:
    enact("failover", measure="cordon", node="n1", cordon_until=1772366700)
    assert spec_of(swarm) == ("pause", {"swarmherd.cordoned": "1772366700"})
    enact("failover", measure="uncordon", node="n1")
    assert spec_of(swarm) == ("active", {})
    swarm.nodes[0]["Spec"]["Availability"] = "pause"
    enact("failover", measure="uncordon", node="n1")
    assert spec_of(swarm) == ("pause", {})
    said = enact("failover", measure="cordon", node="n1", cordon_until=1772366700, good=False)
    assert "which is no cordon of ours" in said
    assert spec_of(swarm) == ("pause", {})


def test_a_service_is_bound_to_another_node_after_the_hook_has_made_sure(
    enact: Enact, swarm: Any, tmp_path: Path
) -> None:
    swarm.services[0]["Spec"]["TaskTemplate"]["Placement"] = {"Constraints": ["node.hostname==n1"]}
    words = {
        "measure": "recreate",
        "service": "shop",
        "node": "n1",
        "constraints": ["node.hostname == n2"],
        "remove_constraints": ["node.hostname==n1"],
        "fence_hook": "off.yml",
        "wait": False,
    }
    hook = tmp_path / "off.yml"
    hook.write_text("- name: Not sure\n  ansible.builtin.fail:\n    msg: the power of {{ swarmherd_node }} is on\n")
    assert "the power of n1 is on" in enact("failover", good=False, **words)
    assert constraints(swarm) == ["node.hostname==n1"], "nothing is brought up where it is not sure"
    hook.write_text("- name: Sure\n  ansible.builtin.debug:\n    msg: the power of {{ swarmherd_node }} is off\n")
    assert "the power of n1 is off" in enact("failover", **words)
    assert constraints(swarm) == ["node.hostname == n2"]


def test_what_somebody_changed_meanwhile_is_not_bound_anew(enact: Enact, swarm: Any) -> None:
    words = {"measure": "recreate", "service": "shop", "constraints": ["node.hostname == n2"], "expected_version": 3}
    said = enact("failover", good=False, **words)
    assert "conflict" in said
    assert constraints(swarm) == []


def test_a_task_is_made_anew_by_a_forced_update(enact: Enact, swarm: Any) -> None:
    enact("failover", measure="recreate", service="shop", node="n1", wait=False)
    assert swarm.services[0]["Spec"]["TaskTemplate"]["ForceUpdate"] == 1


def test_marks_that_a_killed_move_left_are_cleared(enact: Enact, swarm: Any) -> None:
    swarm.nodes[2]["Spec"].update(Availability="pause", Labels={"swarmherd.paused": "shop.1"})
    enact("failover", measure="clear", service="shop")
    assert spec_of(swarm, 2) == ("active", {})


def test_what_is_none_of_the_measures_is_refused(enact: Enact) -> None:
    assert "swarmherd_measure evacuate is none of cordon" in enact("failover", measure="evacuate", good=False)
