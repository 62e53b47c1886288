# SPDX-License-Identifier: GPL-3.0-or-later
"""`rebalance`: what would be moved and why, and the same done once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.controller.cli.test_cli import call, call_json, edit
from tests.controller.conftest import Engine, Metrics

pytestmark = pytest.mark.usefixtures("collection")


@pytest.fixture(autouse=True)
def lopsided(engine: Engine, metrics: Metrics) -> None:
    """Three tasks on n1, a quarter of a node's memory each, none on n2, and just as many as the demand asks for."""
    engine.add_nodes("n2")
    engine.memory_bytes = 4096
    engine.replicas["web"] = 3
    metrics.value = "30"


@pytest.fixture
def evened(inventory: Path) -> Path:
    edit(inventory, "  mode: enforce\n", "  mode: enforce\n  rebalance: {memory: 20%, by: reservations}\n")
    return inventory


def test_a_dry_run_says_what_would_be_moved_and_moves_nothing(evened: Path, engine: Engine) -> None:
    output = call("-i", evened, "rebalance", "--dry-run").stdout
    assert "memory is 75 % apart" in output
    assert "nodes for web, the best first" in output
    assert (engine.moves_asked, call_json("-i", evened, "history")) == ([], [])


def test_it_moves_what_a_dry_run_says_and_says_what_came_of_it(evened: Path, engine: Engine) -> None:
    (would,) = call_json("-i", evened, "rebalance", "--dry-run")["actions"]
    done = call_json("-i", evened, "rebalance")
    (result,) = done["results"]
    assert (result["outcome"], result["parameters"]["swarmherd_task"]) == (
        "done",
        would["parameters"]["swarmherd_task"],
    )
    assert [move["node"] for move in engine.moves_asked] == ["node1"]


def test_without_readings_nothing_is_moved_and_the_reason_says_so(inventory: Path, engine: Engine) -> None:
    said = call_json("-i", inventory, "rebalance")
    assert (said["actions"], said["results"], engine.moves_asked) == ([], [], [])
    assert "because" in said["balances"][0]["reasons"][-1]
