# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes to the bone of a Swarm: a node that is there twice, and managers without a majority."""

from __future__ import annotations

import time

import pytest

from tests.integration import lab as on

from . import faults, hosts
from .conftest import Play
from .stage import REPLICAS, SHOP, Stage

pytestmark = pytest.mark.slow


@pytest.mark.scenario(
    "duplicate-hostname-after-rejoin",
    "When a worker rejoins and its hostname is there twice, the shop is counted right and nothing is done to it twice",
    bound_seconds=60,
)
def test_duplicate_hostname(stage: Stage, row: Play) -> None:
    again = "worker3"
    labels = stage.now().node(again).labels
    token = hosts.docker("swarm", "join-token", "--quiet", "worker").strip()
    mark, fault = stage.controller.mark(), time.monotonic()
    hosts.docker("swarm", "leave", "--force", host=again)
    hosts.docker("swarm", "join", "--token", token, f"{on.address('manager1')}:2377", host=again)
    old = ""
    try:
        seen = row.until(
            fault,
            lambda now: (
                sorted(node.state for node in now.nodes if node.name == again) == ["down", "ready"]
                and now.running(SHOP) == REPLICAS
            ),
            f"{again} is there twice and the shop runs",
        )
        old = next(node.id for node in seen.nodes if node.name == again and node.state == "down")
        before = stage.controller.journal()
        stage.controller.cycles(4, stage.controller.mark())
        stage.never_fewer_wanted(SHOP, REPLICAS, fault)
        assert stage.controller.journal() == before
        assert not [line.event for line in stage.controller.said(mark) if "broke off" in line.event]
    finally:
        for key, text in labels.items():
            new = next(n.id for n in stage.now().nodes if n.name == again and n.id != old)
            hosts.docker("node", "update", "--label-add", f"{key}={text}", new)
        hosts.docker("node", "rm", "--force", old)
    row.loses_nothing()


@pytest.mark.scenario(
    "managers-majority-lost",
    "When the managers have lost their majority, nothing is decided and the shop serves on; when they have it, all is "
    "as before",
    bound_seconds=40,
)
def test_majority_lost(stage: Stage, row: Play) -> None:
    mark = stage.controller.mark()
    with faults.host_killed("manager3"), faults.host_killed("manager2") as fault:
        row.says(fault, "nothing decided", mark)
        stage.controller.says("nothing decided", stage.controller.mark())
    stage.whole()
    stage.never_fewer_wanted(SHOP, REPLICAS, fault)
    row.loses_nothing()
