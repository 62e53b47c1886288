# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes die, freeze and are cut off under load: the shop runs elsewhere in time, and its users notice nothing."""

from __future__ import annotations

import json
import time

import pytest

from . import faults, hosts
from .conftest import Play
from .stage import REPLICAS, SHOP, Stage, shop_policy

pytestmark = pytest.mark.slow
HEAVY = "scenario-heavy"


def all_run_elsewhere(stage: Stage, row: Play, victim: str, fault: float) -> None:
    row.until(fault, lambda now: now.running(SHOP, away_from=[victim]) == REPLICAS, f"the shop runs without {victim}")
    stage.never_fewer_wanted(SHOP, REPLICAS, fault)


@pytest.mark.scenario(
    "worker-killed", "When a worker is killed, all replicas run elsewhere and no request is lost", bound_seconds=5
)
@pytest.mark.usefixtures("fast_failover")
def test_worker_killed(stage: Stage, row: Play) -> None:
    for _sample in range(5):
        victim = stage.worker_with_most()
        with faults.host_killed(victim) as fault:
            all_run_elsewhere(stage, row, victim, fault)
        stage.whole()
    row.loses_nothing()


@pytest.mark.scenario(
    "engine-killed-host-alive",
    "When an engine is killed and its host lives, all replicas run elsewhere",
    bound_seconds=10,
)
@pytest.mark.usefixtures("fast_failover")
def test_engine_killed(stage: Stage, row: Play) -> None:
    victim = stage.worker_with_most()
    with faults.engine_killed(victim) as fault:
        all_run_elsewhere(stage, row, victim, fault)
    stage.whole()
    row.loses_nothing()


@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(
            1,
            marks=pytest.mark.scenario(
                "engine-frozen-1s", "When an engine freezes for 1 s, nothing moves", bound_seconds=5
            ),
        ),
        pytest.param(
            5,
            marks=pytest.mark.scenario(
                "engine-frozen-5s", "When an engine freezes for 5 s, nothing moves", bound_seconds=10
            ),
        ),
    ],
)
def test_engine_frozen_shortly(seconds: int, stage: Stage, row: Play) -> None:
    with faults.engine_frozen(stage.worker_with_most()) as fault:
        stage.until(lambda now: now.at >= fault + seconds, f"{seconds} s have passed", seconds + 20)
    row.until(fault, lambda now: now.running(SHOP) == REPLICAS, "the shop runs")
    stage.controller.cycles(3, stage.controller.mark())
    stage.nothing_moved(fault)
    row.loses_nothing()


@pytest.mark.scenario(
    "engine-frozen-30s", "When an engine freezes for 30 s, all replicas run elsewhere meanwhile", bound_seconds=30
)
def test_engine_frozen_long(stage: Stage, row: Play) -> None:
    victim = stage.worker_with_most()
    with faults.engine_frozen(victim) as fault:
        all_run_elsewhere(stage, row, victim, fault)
        stage.until(lambda now: now.at >= fault + 30, "30 s have passed", 60)
    stage.whole()
    row.loses_nothing()


@pytest.mark.scenario("host-frozen", "When a host freezes, all replicas run elsewhere", bound_seconds=10)
@pytest.mark.usefixtures("fast_failover")
def test_host_frozen(stage: Stage, row: Play) -> None:
    victim = stage.worker_with_most()
    with faults.host_frozen(victim) as fault:
        all_run_elsewhere(stage, row, victim, fault)
    stage.whole()
    row.loses_nothing()


@pytest.mark.scenario(
    "worker-cut-off", "When a worker is cut off from the managers, all replicas run elsewhere", bound_seconds=10
)
@pytest.mark.usefixtures("fast_failover")
def test_worker_cut_off(stage: Stage, row: Play) -> None:
    victim = stage.worker_with_most()
    with faults.cut_off(victim, faults.MANAGERS) as fault:
        all_run_elsewhere(stage, row, victim, fault)
    stage.whole()
    row.loses_nothing()


@pytest.mark.scenario(
    "half-of-nodes-unreachable",
    "When half of the nodes are out of reach, no count is lowered, nothing is moved or marked, and it is said",
    bound_seconds=40,
)
def test_half_unreachable(stage: Stage, row: Play) -> None:
    kept = stage.worker_with_most()
    lost = ["manager3", *(worker for worker in faults.WORKERS if worker != kept)]
    before, mark = stage.controller.journal(), stage.controller.mark()
    with faults.partitioned(lost) as fault:
        row.until(fault, lambda now: all(now.node(name).state == "down" for name in lost), f"the managers miss {lost}")
        stage.controller.cycles(4, stage.controller.mark())
        stage.never_fewer_wanted(SHOP, REPLICAS, fault)
        assert not [one.marks() for one in stage.seen(fault) if one.marks()]
        assert all(node.availability == "active" for one in stage.seen(fault) for node in one.nodes)
        assert stage.controller.journal() == before
        assert any(SHOP in line.event for line in stage.controller.said(mark))
    stage.whole()


@pytest.mark.scenario(
    "node-back-after-failover", "When a node comes back after a failover, it is given work again", bound_seconds=90
)
@pytest.mark.usefixtures("fast_failover")
def test_node_back(stage: Stage, row: Play) -> None:
    (found,) = json.loads(hosts.docker("node", "inspect", "worker1"))
    memory = int(found["Description"]["Resources"]["MemoryBytes"])
    again = {"stable_for": "3s", "cooldown": "0s"}
    by = {
        "by": "reservations",
        "memory": "90%",
        "moves_per_hour": 100,
        **dict.fromkeys(("cooldown", "service_cooldown", "min_task_age"), "0s"),
    }
    policy = {
        "refill": again,
        "rebalance": by,
        # The lab's nodes share one machine's processor, and how busy it is says nothing about them.
        "placement": {"cpu_limit": "100%"},
        "queries": {"node_cpu": '0 * up{job="node"}'},
        "services": {SHOP: shop_policy(), HEAVY: {}},
    }
    # Two workers hold two each meanwhile. One task comes back and no second: that would only swap two nodes. So it is
    # with the mean of the workers, which refilling goes by, and with that of all six nodes as well.
    tasks = 4
    with stage.service(HEAVY, tasks, "--reserve-memory", str(memory // 10)), stage.controller.policy(**policy):
        victim = stage.worker_with_most(HEAVY)
        with faults.host_killed(victim) as fault:
            stage.until(lambda now: now.running(HEAVY, away_from=[victim]) == tasks, f"all run without {victim}", 60)
        back = time.monotonic()
        row.until(back, lambda now: victim in now.where(HEAVY).values(), f"{victim} has work again")
        stage.until(lambda now: now.running(HEAVY) == tasks and not now.marks(), "the move has ended", 60)
        stage.never_fewer_wanted(SHOP, REPLICAS, fault)
    stage.whole()
    row.loses_nothing()
