# SPDX-License-Identifier: GPL-3.0-or-later
"""What watches the cluster fails or lies: nothing shrinks, nothing moves, nothing exceeds its limits."""

from __future__ import annotations

from itertools import pairwise

import pytest

from . import between, faults
from .conftest import Play
from .stage import MOST, REPLICAS, SHOP, Stage

pytestmark = pytest.mark.slow
LATER = 3
"""Cycles after the controller has noticed, in which nothing may have happened."""


@pytest.mark.scenario(
    "prometheus-down", "When Prometheus is down, the controller says so and nothing changes", bound_seconds=8
)
def test_prometheus_down(stage: Stage, row: Play) -> None:
    mark = stage.controller.mark()
    with faults.prometheus_down() as fault:
        row.says(fault, "unknown", mark)
        stage.controller.cycles(LATER, stage.controller.mark())
        stage.nothing_moved(fault)
    row.loses_nothing()


@pytest.mark.parametrize(
    "manner",
    [
        pytest.param(
            between.empty,
            marks=pytest.mark.scenario(
                "prometheus-empty", "When Prometheus answers with nothing, that is no zero", bound_seconds=6
            ),
        ),
        pytest.param(
            between.stale,
            marks=pytest.mark.scenario(
                "prometheus-stale", "When Prometheus answers with old news, they are not believed", bound_seconds=6
            ),
        ),
        pytest.param(
            between.slow,
            marks=pytest.mark.scenario(
                "prometheus-slow", "When Prometheus answers too late, it is as if it had not", bound_seconds=10
            ),
        ),
    ],
)
def test_prometheus_without_news(manner: between.Manner, stage: Stage, row: Play) -> None:
    mark = stage.controller.mark()
    with stage.between.answering(manner) as fault:
        row.says(fault, "unknown", mark)
        stage.controller.cycles(LATER, stage.controller.mark())
        stage.nothing_moved(fault)
    row.loses_nothing()


@pytest.mark.scenario(
    "prometheus-lying",
    "When Prometheus says a hundred times too much, no limit is exceeded, and the lie over, all is as it was",
    bound_seconds=60,
)
def test_prometheus_lying(stage: Stage, row: Play) -> None:
    with stage.between.answering(between.lying) as fault:
        stage.until(lambda now: now.running(SHOP) == MOST, "the most that is allowed runs", 60)
        stage.controller.cycles(LATER, stage.controller.mark())
        stage.never_more_wanted(SHOP, MOST, fault)
        counts = [one.wanted[SHOP] for one in stage.seen(fault)]
        assert max(later - earlier for earlier, later in pairwise(counts)) == 1
    row.until(fault, lambda now: now.wanted[SHOP] == REPLICAS, f"{REPLICAS} are wanted again")
    row.loses_nothing()


@pytest.mark.scenario(
    "node-exporter-down", "When node_exporter of one node is down, that alone moves nothing", bound_seconds=20
)
def test_node_exporter_down(stage: Stage, row: Play) -> None:
    with faults.node_exporter_down(stage.worker_with_most()) as fault:
        stage.controller.cycles(2 * LATER, stage.controller.mark())
        row.took(fault)
        stage.nothing_moved(fault)
    row.loses_nothing()
