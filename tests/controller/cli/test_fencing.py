# SPDX-License-Identifier: GPL-3.0-or-later
"""A person's word that a host is off, and how nodes stand: the commands, as people type them (S9, S10)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.controller.cli.test_cli import call, call_json
from tests.controller.conftest import Engine, FakeNode


@pytest.fixture
def dead(engine: Engine) -> FakeNode:
    """node2, which Swarm has down; node1 is ready."""
    node = engine.nodes["node2"] = FakeNode("n2", "10.0.0.2")
    node.state = "down"
    return node


@pytest.mark.usefixtures("dead")
def test_a_fence_is_kept_with_who_and_why_and_taken_back(inventory: Path) -> None:
    said = call("-i", inventory, "fence", "n2", "--why", "its power is cut", "--who", "ana").stdout
    assert said.startswith("loop: ana says that the host of n2 is off, since 20")
    assert said.endswith(": its power is cut\n")
    [fence] = call_json("-i", inventory, "status")[0]["fences"]
    assert (fence["node"], fence["name"], fence["who"], fence["why"]) == ("node2", "n2", "ana", "its power is cut")
    assert "ana says that the host of n2 is off" in " ".join(call("-i", inventory, "status").stdout.split())
    assert call("-i", inventory, "unfence", "n2").stdout == "loop: no host is said to be off\n"
    assert call_json("-i", inventory, "status")[0]["fences"] == []


def test_a_host_that_swarm_has_ready_is_not_fenced(inventory: Path, dead: FakeNode) -> None:
    dead.state = "ready"
    output = call("-i", inventory, "fence", "n2", "--why", "it burns", code=2).output
    assert "Swarm has n2 ready, so its host is not off; wait until it is seen down" in output


@pytest.mark.usefixtures("dead")
@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["fence", "n9", "--why", "x"], "there is no node n9"),
        (["fence", "n2", "--why", " "], "needs to say how you know"),
        (["unfence", "n2"], "nobody has said that the host of n2 is off; nobody has said that of any node"),
    ],
)
def test_what_cannot_be_is_told_in_one_sentence(inventory: Path, words: list[str], says: str) -> None:
    assert says in call("-i", inventory, *words, code=2).output


def test_plan_and_explain_say_how_each_node_stands(inventory: Path, engine: Engine, dead: FakeNode) -> None:
    engine.nodes["node3"] = FakeNode("n3", "10.0.0.3")
    call("-i", inventory, "fence", "n2", "--why", "its power is cut", "--who", "ana")
    [found] = call_json("-i", inventory, "plan")
    assert {one["name"]: one["standing"] for one in found["rescue"]["nodes"]} == {
        "n1": "unwatched",
        "n2": "failed",
        "n3": "unwatched",
    }
    assert found["rescue"]["brake"] == []
    assert "node n2: failed" in call("-i", inventory, "plan").stdout
    told = call_json("-i", inventory, "explain", "n2")["sentences"]
    assert any(one.startswith("Its standing is failed: Swarm has it down;") and "ana says" in one for one in told)
    dead.state = "ready"
    assert "Its standing is unwatched" in " ".join(call_json("-i", inventory, "explain", "n2")["sentences"])


def test_the_brake_is_said_first(inventory: Path, engine: Engine) -> None:
    for name in ("node2", "node3"):
        engine.nodes[name] = FakeNode(name, name)
        engine.nodes[name].state = "down"
    [found] = call_json("-i", inventory, "plan")
    assert found["rescue"]["brake"][0].startswith("2 of 3 nodes look bad (node2, node3), so it is assumed")
    assert "the brake is on: 2 of 3 nodes look bad" in " ".join(call("-i", inventory, "plan").stdout.split())
    call("-i", inventory, "run", "--once", "--mode", "observe")
    assert call_json("-i", inventory, "status")[0]["last_cycle"]["sentence"].startswith("2 of 3 nodes look bad")
