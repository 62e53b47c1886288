# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs beside an anchor: it stays while the anchor restarts, goes where it goes, and not where it does not fit."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from . import faults, hosts
from .conftest import Play
from .hosts import Seen
from .stage import Stage

pytestmark = pytest.mark.slow
DB, API, HOG = "scenario-db", "scenario-api", "scenario-hog"
LABEL = f"swarmherd.anchor.{DB}"
ON_WORKER1 = ("--constraint", "node.hostname==worker1")


@contextmanager
def pair(stage: Stage, *anchor: str, dependent: tuple[str, ...] = ()) -> Iterator[str]:
    """An anchor and two replicas that follow it; yields the node where they are."""
    try:
        follows = ("--label", f"swarmherd.follows={DB}")
        with stage.service(DB, 1, *anchor), stage.service(API, 2, *follows, *dependent):
            seen = stage.until(together, f"{API} runs beside {DB}", 60)
            [node] = seen.where(DB).values()
            yield node
    finally:
        for node in labelled(stage.now()):
            hosts.docker("node", "update", "--label-rm", LABEL, node)


def labelled(now: Seen) -> list[str]:
    return [node.name for node in now.nodes if LABEL in node.labels]


def together(now: Seen) -> bool:
    """Whether the anchor and both dependents run on the one node that is labelled."""
    places = set(now.where(DB).values()) | set(now.where(API).values())
    return (now.running(DB), now.running(API)) == (1, 2) and len(places) == 1 and set(labelled(now)) == places


def pin_to_worker2() -> None:
    away = ["--constraint-rm", "node.hostname==worker1", "--constraint-add", "node.hostname==worker2"]
    hosts.docker("service", "update", "--detach", *away, DB)


@pytest.mark.scenario(
    "anchor-restarted", "When an anchor restarts, what follows it runs on where it is", bound_seconds=15
)
def test_anchor_restarted(stage: Stage, row: Play) -> None:
    with pair(stage, *ON_WORKER1) as node:
        (task,) = stage.now().where(DB)
        fault = time.monotonic()
        containers = hosts.docker("ps", "--quiet", "--filter", f"name={DB}.", host=node).split()
        hosts.docker("kill", *containers, host=node)
        row.until(fault, lambda now: together(now) and task not in now.where(DB), "the anchor runs again")
        stage.controller.cycles(3, stage.controller.mark())
        stage.nothing_moved(fault, (API,))
        assert all(labelled(one) == [node] for one in stage.seen(fault))
    row.loses_nothing()


@pytest.mark.scenario("anchor-moved", "When an anchor moves, what follows it comes after it", bound_seconds=40)
def test_anchor_moved(stage: Stage, row: Play) -> None:
    with pair(stage, *ON_WORKER1):
        fault = time.monotonic()
        pin_to_worker2()
        row.until(fault, lambda now: together(now) and labelled(now) == ["worker2"], "all three run on worker2")
    row.loses_nothing()


@pytest.mark.scenario(
    "dependents-too-large",
    "When dependents do not fit where their anchor went, they stay where they run, and the reason says so",
    bound_seconds=40,
)
def test_dependents_too_large(stage: Stage, row: Play) -> None:
    (found,) = json.loads(hosts.docker("node", "inspect", "worker2"))
    memory = int(found["Description"]["Resources"]["MemoryBytes"])
    third = ("--reserve-memory", str(memory // 3))
    with (
        stage.service(HOG, 1, *third, "--constraint", "node.hostname==worker2"),
        pair(stage, *ON_WORKER1, dependent=third),
    ):
        mark, fault = stage.controller.mark(), time.monotonic()
        pin_to_worker2()
        stage.until(lambda now: set(now.where(DB).values()) == {"worker2"} and now.running(DB), f"{DB} is there", 60)
        row.says(fault, "memory", mark)
        stage.controller.cycles(3, stage.controller.mark())
        stage.nothing_moved(fault, (API,))
        assert labelled(stage.now()) == ["worker1"]
    row.loses_nothing()


@pytest.mark.scenario(
    "anchor-lost",
    "When the anchor's node dies, what follows it comes to where the anchor rises again",
    bound_seconds=30,
)
@pytest.mark.usefixtures("fast_failover")
def test_anchor_lost(stage: Stage, row: Play) -> None:
    with pair(stage) as node:
        with faults.host_killed(node) as fault:
            row.until(fault, lambda now: together(now) and labelled(now) != [node], "all three run elsewhere")
        stage.whole()
    row.loses_nothing()
