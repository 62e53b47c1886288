# SPDX-License-Identifier: GPL-3.0-or-later
"""The shortest of the scenarios (tests/scenarios) on the lab that stands here; `make scenarios` plays them all."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.scenarios import between, faults
from tests.scenarios.stage import REPLICAS, SHOP, Stage, shop_policy

from . import lab as on

pytestmark = [pytest.mark.usefixtures("lab"), pytest.mark.one_release]
NODES = ("manager1", "worker1", "worker2")


@pytest.fixture(scope="module")
def stage(lab: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:  # noqa: ARG001 - the lab must stand
    """A shop under load and a controller."""
    with Stage(tmp_path_factory.mktemp("stage"), NODES) as one:
        one.whole()
        yield one


def test_when_prometheus_answers_with_nothing_the_controller_says_so_within_6_s_and_nothing_changes(
    stage: Stage,
) -> None:
    mark = stage.controller.mark()
    with stage.between.answering(between.empty) as fault:
        stage.controller.says("unknown", mark, 6)
        stage.controller.cycles(2, stage.controller.mark())
        stage.nothing_moved(fault)
    stage.controller.knows(mark)


def test_when_node_exporter_of_a_node_is_down_that_alone_moves_nothing(stage: Stage) -> None:
    with faults.node_exporter_down(stage.worker_with_most()) as fault:
        stage.controller.cycles(3, stage.controller.mark())
        stage.nothing_moved(fault)
    stage.whole()


def test_when_an_engine_freezes_for_a_second_nothing_moves_and_no_request_is_lost(stage: Stage) -> None:
    with faults.engine_frozen(stage.worker_with_most()) as fault:
        stage.until(lambda now: now.at >= fault + 1, "a second has passed", 20)
    stage.controller.cycles(2, stage.controller.mark())
    stage.nothing_moved(fault)
    assert not stage.load.failures(fault, time.monotonic())


@pytest.mark.slow
def test_when_the_shop_is_scaled_down_under_load_no_request_is_lost(stage: Stage) -> None:
    began = time.monotonic()
    with stage.controller.policy(services={SHOP: shop_policy(20)}):
        stage.until(lambda now: (now.wanted[SHOP], now.running(SHOP)) == (2, 2), "two replicas are left", 60)
    stage.whole()
    assert not stage.load.failures(began, time.monotonic())


def test_when_a_worker_is_killed_all_replicas_run_elsewhere_and_no_request_is_lost(stage: Stage) -> None:
    with on.quick_heartbeat():
        victim = stage.worker_with_most()
        with faults.host_killed(victim) as fault:
            elsewhere = stage.until(
                lambda now: now.running(SHOP, away_from=[victim]) == REPLICAS, f"the shop runs without {victim}", 20
            )
        stage.whole()
    assert not stage.load.failures(fault, elsewhere.at)
    stage.never_fewer_wanted(SHOP, REPLICAS, fault)
