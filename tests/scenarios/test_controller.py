# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller is cut off, its clock jumps, its disk fills up, its inventory is edited: it never acts blindly."""

from __future__ import annotations

import time

import pytest

from . import faults
from .conftest import Play
from .stage import REPLICAS, SHOP, Stage, shop_policy

pytestmark = pytest.mark.slow
ONE_MORE = {SHOP: shop_policy(10 * (REPLICAS + 1))}


@pytest.mark.scenario(
    "controller-cut-off-from-managers",
    "When the controller is cut off from all managers, it decides nothing, and goes on when it is not",
    bound_seconds=30,
)
def test_cut_off_from_managers(stage: Stage, row: Play) -> None:
    mark = stage.controller.mark()
    with faults.controller_cut_off_from_managers() as fault:
        row.says(fault, "nothing decided", mark)
    stage.controller.cycles(1, stage.controller.mark())
    stage.nothing_moved(fault)
    row.loses_nothing()


@pytest.mark.scenario(
    "all-unreachable-to-us",
    "When every node is unreachable to us, we take it that we are cut off, and touch nothing",
    bound_seconds=30,
)
def test_all_unreachable_to_us(stage: Stage, row: Play) -> None:
    before, mark = stage.controller.journal(), stage.controller.mark()
    with faults.unreachable_to_us(faults.NODES) as fault:
        row.says(fault, "nothing decided", mark)
        stage.controller.says("nothing decided", stage.controller.mark())
    stage.controller.cycles(3, stage.controller.mark())
    stage.nothing_moved(fault)
    assert stage.controller.journal() == before
    row.loses_nothing()


@pytest.mark.scenario(
    "controller-cut-off-from-prometheus",
    "When the controller is cut off from Prometheus, it says so and nothing changes",
    bound_seconds=10,
)
def test_cut_off_from_prometheus(stage: Stage, row: Play) -> None:
    mark = stage.controller.mark()
    with faults.controller_cut_off_from_prometheus() as fault:
        row.says(fault, "unknown", mark)
        stage.controller.cycles(3, stage.controller.mark())
    stage.nothing_moved(fault)
    row.loses_nothing()


@pytest.mark.scenario(
    "clock-moved-by-an-hour",
    "When the controller's clock jumps by an hour, its metrics are unknown to it and nothing changes, nor when it "
    "jumps back",
    bound_seconds=12,
)
def test_clock_moved(stage: Stage, row: Play) -> None:
    clock = stage.controller.folder / "clock"
    clock.write_text("+0\n")
    faked = {
        "LD_PRELOAD": str(faults.fake_clock()),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    with stage.controller.other(**faked):
        mark = stage.controller.mark()
        with faults.clock_moved(clock, "+3600") as fault:
            row.says(fault, "unknown", mark)
            stage.controller.cycles(3, stage.controller.mark())
        stage.controller.knows(stage.controller.mark())
        stage.nothing_moved(fault)
    row.loses_nothing()


@pytest.mark.scenario(
    "inventory-edited-in-mid-run",
    "When the inventory is edited in mid-run, a mistake is told and stops decisions, and what is right holds at once",
    bound_seconds=45,
)
def test_inventory_edited(stage: Stage, row: Play) -> None:
    mark = stage.controller.mark()
    try:
        stage.controller.write(services={SHOP: {"scale": {"min": "many"}}})
        mistake = stage.controller.says("nothing decided", mark)
        assert "services.shop_web.scale.min" in mistake.event
        assert stage.now().wanted[SHOP] == REPLICAS
        edited = time.monotonic()
        stage.controller.write(services=ONE_MORE)
        row.until(edited, lambda now: now.running(SHOP) == REPLICAS + 1, "one replica more runs")
    finally:
        stage.controller.write()
    row.loses_nothing()


@pytest.mark.scenario(
    "disk-full",
    "When the controller's disk is full, it says what it would do and does nothing; when there is room, it does it",
    bound_seconds=20,
)
def test_disk_full(stage: Stage, row: Play) -> None:
    with (
        faults.small_disk(stage.controller.folder / "disk") as disk,
        stage.controller.other(state=disk / "state.db"),
    ):
        mark = stage.controller.mark()
        with faults.disk_full(disk) as fault:
            stage.controller.write(services=ONE_MORE)
            row.says(fault, "cannot be written", mark)
            stage.never_more_wanted(SHOP, REPLICAS, fault)
        stage.until(lambda now: now.running(SHOP) == REPLICAS + 1, "one replica more runs", 60)
        stage.controller.write()
        stage.until(lambda now: now.wanted[SHOP] == REPLICAS, "it is as it was", 60)
    row.loses_nothing()
