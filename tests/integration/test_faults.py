# SPDX-License-Identifier: GPL-3.0-or-later
"""The shortest of the scenarios (tests/scenarios) on the lab that stands here; `make scenarios` plays them all."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.scenarios import between, faults, hosts
from tests.scenarios.stage import REPLICAS, SHOP, Stage

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


def test_when_a_worker_is_killed_all_replicas_run_elsewhere_and_no_request_is_lost(stage: Stage) -> None:
    hosts.docker("swarm", "update", "--dispatcher-heartbeat", "1s")
    victim = stage.worker_with_most()
    try:
        with faults.host_killed(victim) as fault:
            elsewhere = stage.until(
                lambda now: now.running(SHOP, away_from=[victim]) == REPLICAS, f"the shop runs without {victim}", 20
            )
        stage.whole()
    finally:
        hosts.docker("swarm", "update", "--dispatcher-heartbeat", "5s")
    assert not stage.load.failures(fault, elsewhere.at)
    stage.never_fewer_wanted(SHOP, REPLICAS, fault)
