# SPDX-License-Identifier: GPL-3.0-or-later
"""Failing over on a real Swarm: quick by Swarm's own means, what is bound to a dead host only when that is fenced, and
cordons that are told from a person's pause.

The lab's worker2 is killed and started again; nothing else of the lab is.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from . import lab as on

pytestmark = [pytest.mark.usefixtures("lab"), pytest.mark.slow]

WEB, DB = "swarmherd-test-web", "swarmherd-test-db"
IMAGE = ["swarmherd-lab/base:bookworm", "sleep", "infinity"]
BOUND_SECONDS = 5.0
"""From the death of a worker until all of its replicas run elsewhere, with everything set to fast."""
Make = Callable[..., str]
Inventory = Callable[..., Path]


@pytest.fixture
def make() -> Iterator[Make]:
    """Make services that do nothing, and take them away at the end."""
    made: list[str] = []

    def one(name: str, replicas: int, *options: str) -> str:
        made.append(name)
        words = ["service", "create", "--detach", "--no-resolve-image", "--name", name, "--replicas", str(replicas)]
        on.docker(*words, "--stop-grace-period", "1s", *options, *IMAGE)
        on.wait_until(lambda: on.running(name) == replicas, f"{replicas} replicas of {name} run", 40)
        return name

    yield one
    for name in made:
        on.docker("service", "rm", name)


@pytest.fixture
def outer(engine: str) -> Iterator[Callable[..., None]]:
    """The outer engine's word to worker2's host, which is up and in the Swarm again at the end."""

    host = f"{os.environ.get('LAB_NAME', 'swarmherd-lab')}-worker2"

    def word(verb: str) -> None:
        on.run("docker", verb, host, timeout=60, DOCKER_HOST=engine)

    yield word
    word("start")
    on.wait_until(lambda: state("worker2") == "ready", "worker2 is back", 90)


@pytest.fixture
def quick_heartbeat() -> Iterator[None]:
    with on.quick_heartbeat():
        yield


def state(node: str) -> str:
    return str(json.loads(on.docker("node", "inspect", node))[0]["Status"]["State"])


def spec(node: str) -> tuple[str, dict[str, str]]:
    found = json.loads(on.docker("node", "inspect", node))[0]["Spec"]
    return found["Availability"], found.get("Labels") or {}


def places(service: str) -> list[str]:
    """Where its tasks run that Swarm wants running, as far as their nodes are up."""
    words = ["service", "ps", "--filter", "desired-state=running", "--format", "{{.Node}} {{.CurrentState}}"]
    lines = [line.split() for line in on.docker(*words, service).splitlines()]
    return [line[0] for line in lines if len(line) > 1 and line[1] == "Running"]


def swarmherd(cluster: Path, *words: str) -> str:
    return on.run(str(on.BIN / "swarmherd"), "-i", str(cluster), *words, timeout=240).stdout


def waiting(cluster: Path) -> list[str]:
    """The services of which Swarm leaves tasks without a place, as the plan has them."""
    (plan,) = json.loads(swarmherd(cluster, "plan", "--json"))
    return [one["service"] for one in plan["rescue"]["waiting"]]


def enact(measure: str, *words: str) -> str:
    extra = [part for word in words for part in ("-e", word)]
    return on.playbook("playbooks/enact/failover.yml", "-e", f"swarmherd_measure={measure}", *extra)


@pytest.mark.usefixtures("quick_heartbeat")
def test_when_a_worker_is_killed_its_replicas_run_elsewhere_within_5_seconds(
    make: Make, outer: Callable[..., None]
) -> None:
    web = make(WEB, 6, "--restart-delay", "0s")
    assert "worker2" in places(web)
    outer("kill")
    on.wait_until(
        lambda: "worker2" not in (there := places(web)) and len(there) == 6,
        "all replicas run elsewhere",
        BOUND_SECONDS,
        0.1,
    )


def test_what_is_bound_to_a_dead_host_comes_up_elsewhere_once_it_is_fenced(
    make: Make, inventory: Inventory, outer: Callable[..., None]
) -> None:
    db = make(DB, 1, "--constraint", "node.hostname==worker2")
    cluster = inventory(services={db: {}}, failover={"pending_after": 1})
    outer("kill")
    on.wait_until(lambda: state("worker2") == "down", "Swarm has worker2 down", 60)
    on.wait_until(lambda: waiting(cluster) == [db], f"{db} is seen to wait", 120, 1)
    swarmherd(cluster, "run", "--once")
    assert places(db) == [], "nobody has confirmed that the host is off"
    swarmherd(cluster, "fence", "worker2", "--why", "the test has killed it")
    swarmherd(cluster, "run", "--once")
    on.wait_until(lambda: places(db) not in ([], ["worker2"]), f"{db} runs elsewhere", 60)
    [entry] = json.loads(swarmherd(cluster, "history", "--json"))
    assert (entry["kind"], entry["outcome"]) == ("failover", "done")
    assert "says that its host is off" in entry["reason"]


def test_a_cordon_is_set_and_ended_by_playbook_and_leaves_a_persons_pause_alone() -> None:
    until = str(int(time.time()) + 600)
    enact("cordon", "swarmherd_node=worker2", f"swarmherd_cordon_until={until}")
    assert spec("worker2")[0] == "pause"
    assert spec("worker2")[1]["swarmherd.cordoned"] == until
    enact("uncordon", "swarmherd_node=worker2")
    assert spec("worker2")[0] == "active"
    assert "swarmherd.cordoned" not in spec("worker2")[1]
    on.docker("node", "update", "--availability", "pause", "worker2")
    try:
        enact("uncordon", "swarmherd_node=worker2")
        assert spec("worker2")[0] == "pause"
    finally:
        on.docker("node", "update", "--availability", "active", "worker2")
