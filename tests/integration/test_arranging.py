# SPDX-License-Identifier: GPL-3.0-or-later
"""Anchors and load on a real Swarm: what belongs together comes together, what is too much moves on, the rest stays."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from . import lab as on

pytestmark = pytest.mark.usefixtures("lab")

DB, API, BYSTANDER = "swarmherd-test-db", "swarmherd-test-api", "swarmherd-test-bystander"
ANCHOR = f"swarmherd.anchor.{DB}"
IMAGE = ["swarmherd-lab/base:bookworm", "sleep", "infinity"]
Create = Callable[..., str]
Inventory = Callable[..., Path]


@pytest.fixture
def create() -> Iterator[Create]:
    """Make services that do nothing but reserve memory, and take them and their labels away at the end."""
    made: list[str] = []

    def one(name: str, replicas: int, memory: str, *options: str) -> str:
        made.append(name)
        words = ["service", "create", "--detach", "--no-resolve-image", "--name", name, "--replicas", str(replicas)]
        words += ["--restart-delay", "0s", "--stop-grace-period", "1s", "--reserve-memory", memory]
        on.docker(*words, *options, *IMAGE)
        on.wait_until(lambda: on.running(name) == replicas, f"{replicas} replicas of {name} run", 30)
        return name

    yield one
    for name in made:
        on.docker("service", "rm", name)
    for node in labelled():
        on.docker("node", "update", "--label-rm", ANCHOR, node)


def swarmherd(inventory: Path, *arguments: str) -> str:
    return on.run(str(on.BIN / "swarmherd"), "-i", str(inventory), *arguments, timeout=180).stdout


def history(inventory: Path) -> list[dict[str, Any]]:
    return json.loads(swarmherd(inventory, "history", "--json"))


def tasks(service: str) -> dict[str, str]:
    """The node of each task that Swarm wants running, by the task's id."""
    words = ["service", "ps", "--no-trunc", "--filter", "desired-state=running", "--format", "{{.ID}} {{.Node}}"]
    return dict(line.split() for line in on.docker(*words, service).splitlines())


def labelled() -> list[str]:
    """The hostnames of the nodes that carry the anchor's label."""
    found = json.loads(on.docker("node", "inspect", *on.docker("node", "ls", "--quiet").split()))
    return [one["Description"]["Hostname"] for one in found if ANCHOR in (one["Spec"].get("Labels") or {})]


def constraints(service: str) -> list[str]:
    return on.inspect(service)["Spec"]["TaskTemplate"]["Placement"].get("Constraints") or []


def pin(service: str, node: str, was: str | None = None) -> None:
    """Constrain a service to a node, instead of the one where it was."""
    away = ["--constraint-rm", f"node.hostname=={was}"] if was else []
    on.docker("service", "update", "--detach", *away, "--constraint-add", f"node.hostname=={node}", service)
    on.wait_until(lambda: set(tasks(service).values()) == {node}, f"{service} is on {node}", 40)
    on.wait_until(lambda: on.inspect(service)["UpdateStatus"]["State"] == "completed", f"{service} is updated", 40)


@pytest.mark.slow
def test_what_follows_an_anchor_comes_to_its_node_and_goes_with_it(create: Create, inventory: Inventory) -> None:
    db = create(DB, 1, "16m", "--constraint", "node.hostname==worker1")
    api, bystander = create(API, 2, "16m"), create(BYSTANDER, 3, "16m")
    others = tasks(bystander)
    cluster = inventory(services={api: {"follows": db}})
    swarmherd(cluster, "run", "--once")
    assert (labelled(), set(tasks(api).values())) == (["worker1"], {"worker1"})
    assert re.search(r"It answers in [0-9.]+ m?s\.", swarmherd(cluster, "explain", "worker1")), "Prometheus tells it"
    beside = tasks(api)
    swarmherd(cluster, "run", "--once")
    assert tasks(api) == beside
    pin(db, "worker2", was="worker1")
    swarmherd(cluster, "run", "--once")
    on.wait_until(lambda: on.running(api) == 2, f"{api} runs", 20)
    assert (labelled(), set(tasks(api).values())) == (["worker2"], {"worker2"})
    assert [(entry["kind"], entry["outcome"]) for entry in history(cluster)] == [("relabel", "done")] * 2
    beside = tasks(api)
    swarmherd(inventory(services={api: {}}), "run", "--once")
    assert (labelled(), constraints(api), tasks(api)) == ([], [], beside), "who follows no longer is let go, and stays"
    assert (history(cluster)[0]["kind"], history(cluster)[0]["outcome"]) == ("release", "done")
    assert tasks(bystander) == others


def test_no_label_goes_while_the_anchor_is_away(create: Create, inventory: Inventory) -> None:
    db = create(DB, 1, "16m", "--constraint", "node.hostname==worker1")
    api = create(API, 2, "16m")
    cluster = inventory(services={api: {"follows": db}})
    swarmherd(cluster, "run", "--once")
    beside = tasks(api)
    on.docker("service", "scale", "--detach", f"{db}=0")
    on.wait_until(lambda: on.running(db) == 0, f"{db} is gone", 20)
    swarmherd(cluster, "run", "--once")
    assert (labelled(), tasks(api)) == (["worker1"], beside)
    assert f"{db} is set to 0 replicas" in swarmherd(cluster, "plan")


def test_load_is_evened_out_task_by_task_and_nothing_else_restarts(create: Create, inventory: Inventory) -> None:
    memory = int(json.loads(on.docker("node", "inspect", "worker1"))[0]["Description"]["Resources"]["MemoryBytes"])
    heavy = create(API, 3, str(memory // 8), "--constraint", "node.hostname==worker1")
    on.docker("service", "update", "--detach", "--constraint-rm", "node.hostname==worker1", heavy)
    bystander = create(BYSTANDER, 3, "16m")
    others, before = tasks(bystander), tasks(heavy)
    quick = {"cooldown": "0s", "service_cooldown": "0s", "min_task_age": "0s"}
    # The lab's nodes share one machine's processor, and how busy it is says nothing about them.
    placement = {"cpu_limit": "100%"}
    rebalance = {"memory": "20%", "by": "reservations", **quick}
    cluster = inventory(services={heavy: {}}, placement=placement, rebalance=rebalance)
    swarmherd(cluster, "run", "--once")
    after = tasks(heavy)
    assert sorted(before.values()) == ["worker1"] * 3
    assert len(before.keys() - after.keys()) == 1
    assert sorted(after.values()).count("worker1") == 2
    assert tasks(bystander) == others
    (entry,) = history(cluster)
    assert (entry["kind"], entry["outcome"]) == ("move", "done")
    assert entry["reason"]
