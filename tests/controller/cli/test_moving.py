# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that move tasks by hand, and explain, which says why things are where they are."""

from __future__ import annotations

import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest
from swarmherd.model import Action
from swarmherd.service import open_cluster

from tests.controller.cli.test_cli import call, call_json
from tests.controller.conftest import Engine, as_json

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DENY = "swarmherd.deny.web"

pytestmark = pytest.mark.usefixtures("collection")


@pytest.fixture(autouse=True)
def three_nodes(engine: Engine) -> None:
    engine.add_nodes("n2", "n3")
    engine.tasks_moved["web", 2] = ["node2"]


def test_move_says_which_task_became_which_and_that_no_other_changed(inventory: Path) -> None:
    output = call("-i", inventory, "move", "web", "--from", "n1", "--to", "n3", "--reason", "its disk").stdout
    assert output.startswith("web: done: web.1 runs on n3 as web-1-moved1, before as web-1 after ")
    assert "web-1-moved1" in output.split("\n", 1)[1]
    assert "1 other tasks are as they were" in output


def test_move_tells_programs_task_ids_before_and_after(inventory: Path, engine: Engine) -> None:
    done = call_json("-i", inventory, "move", "web", "--from", "node1", "--to", "n3")
    assert (done["outcome"], done["unchanged"]) == ("done", 1)
    assert done["replaced"] == [{"name": "web.1", "before": "web-1", "after": "web-1-moved1"}]
    before, after = ([(t["id"], t["node"], t["state"]) for t in done["tasks"][when]] for when in ("before", "after"))
    assert before == [("web-1", "n1", "running"), ("web-2", "n2", "running")]
    assert after == [("web-1-moved1", "n3", "running"), ("web-2", "n2", "running")]
    assert engine.moves_asked[0]["to"] == "node3"
    (entry,) = call_json("-i", inventory, "history", "--service", "web")
    assert entry["undo"]["swarmherd_state"] == "cleared"
    assert entry["reason"].endswith("because it was asked for on the command line")
    assert "web off node1" in call("-i", inventory, "history").stdout


def test_a_move_that_fails_exits_1_and_says_what_was_set_back(
    inventory: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swarmherd.enact.playbook.SETTLE_SECONDS", 0.5)
    engine.move_ends = "stuck"
    output = call("-i", inventory, "move", "web", "--from", "n1", code=1).stdout
    assert "given up: 2 of 2 replicas run, still on n1: web-1; set back" in output
    assert "no task changed; 2 are as they were" in output
    assert DENY not in engine.nodes["node1"].labels


def test_a_command_first_clears_what_an_earlier_one_left_in_mid_action(inventory: Path, engine: Engine) -> None:
    said = {"swarmherd_service": "web", "swarmherd_node": "node1", "swarmherd_task": "", "swarmherd_reason": "x"}
    with open_cluster(inventory) as cluster:
        action = Action("a1", "move", "loop", "web", said, {**said, "swarmherd_state": "cleared"}, "x")
        cluster.store.begin(action, NOW, datetime.now(UTC), f"{socket.gethostname()}:4194304")
    engine.nodes["node1"].labels[DENY] = "yes"
    call("-i", inventory, "drain", "n2")
    assert DENY not in engine.nodes["node1"].labels
    done, undone = call_json("-i", inventory, "history")
    assert (done["outcome"], undone["outcome"]) == ("done", "undone")


@pytest.mark.slow
def test_drain_empties_a_node_and_undo_or_activate_gives_it_back(inventory: Path, engine: Engine) -> None:
    output = call("-i", inventory, "drain", "n2", "--reason", "a new kernel").stdout
    assert output.startswith("n2: done: n2 is drained and empty after ")
    assert "web-2-moved1" in output
    assert engine.nodes["node2"].availability == "drain"
    assert call_json("-i", inventory, "drain", "n2", "--undo")["outcome"] == "done"
    assert engine.nodes["node2"].availability == "active"
    assert "node2 drain -> active" in call("-i", inventory, "history").stdout
    engine.nodes["node2"].availability = "pause"
    assert call("-i", inventory, "activate", "node2").stdout.startswith("node2: done: n2 is active after")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["move", "wob", "--from", "n1"], "there is no service wob in cluster loop; did you mean web?"),
        (["move", "web", "--from", "n9"], "there is no node n9"),
        (["move", "web", "--from", "n3"], "web has no task on n3; it has some on n1, n2"),
        (["move", "web", "--from", "n1", "--to", "n1"], "n1 is where it is"),
        (["move", "web", "--from", "n1", "--task", "web-2"], "n1 has no task web-2 of web"),
        (["move", "web"], "--from"),
        (["drain", "n9"], "there is no node n9"),
        (["drain"], "NODE"),
        (["explain", "nobody"], "there is no service, node or task nobody in cluster loop"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_exit_code_2(
    inventory: Path, engine: Engine, words: list[str], said: str
) -> None:
    assert said in call("-i", inventory, *words, code=2).output
    assert engine.moves_asked == []


def test_an_ambiguous_node_asks_for_an_id(inventory: Path, engine: Engine) -> None:
    engine.nodes["node3"].hostname = "n2"
    output = call("-i", inventory, "drain", "n2", code=2).output
    assert "several nodes are called n2: give one of the ids node2 (ready), node3 (ready)" in output


# ---------------------------------------------------------------- explain


def test_explain_tells_of_a_service_with_its_last_decisions_and_actions(inventory: Path) -> None:
    assert "web runs 2 tasks, 2 wanted: 1 on n1 and 1 on n2." in call("-i", inventory, "explain", "web").stdout
    call("-i", inventory, "run", "--once", "--mode", "observe")
    call("-i", inventory, "scale", "web", "3", "--reason", "sale at noon")
    output = call("-i", inventory, "explain", "web").stdout
    assert "2 -> 5" in output
    assert "sale at noon" in output
    told = call_json("-i", inventory, "explain", "web", "--limit", "1")
    assert (told["kind"], told["name"], told["id"], told["cluster"]) == ("service", "web", "id-web", "loop")
    assert told["decisions"][0]["evidence"][0]["value"] == 25
    assert [action["kind"] for action in told["actions"]] == ["scale"]


def test_explain_tells_of_a_node_with_what_was_done_to_it(inventory: Path) -> None:
    call("-i", inventory, "drain", "n2", "--reason", "a new kernel")
    told = call_json("-i", inventory, "explain", "n2")
    assert told["kind"] == "node"
    assert "It takes no tasks, because somebody drained it; activate lets it take tasks again." in told["sentences"]
    assert [action["kind"] for action in told["actions"]] == ["drain"]
    assert call_json("-i", inventory, "explain", "node3")["actions"] == []


def test_explain_tells_of_a_task(inventory: Path) -> None:
    told = call_json("-i", inventory, "explain", "web.2")
    assert (told["kind"], told["id"]) == ("task", "web-2")
    assert told["sentences"][0].startswith("web.2 (web-2) runs on n2 since ")


def test_explain_tells_what_is_stored_of_a_service_that_is_gone(inventory: Path, engine: Engine) -> None:
    call("-i", inventory, "run", "--once", "--mode", "observe")
    del engine.replicas["web"]
    told = call_json("-i", inventory, "explain", "web")
    assert told["sentences"] == ["There is no service web any more; this is what is stored of it."]
    assert len(told["decisions"]) == 1


def test_explain_without_docker_tells_what_is_stored_and_exits_1(inventory: Path, engine: Engine) -> None:
    call("-i", inventory, "run", "--once", "--mode", "observe")
    engine.broken["/nodes"] = as_json({"message": "no"}, 500)
    told = call_json("-i", inventory, "explain", "web", code=1)
    assert "m1 (tcp://" in told["problem"]
    assert len(told["decisions"]) == 1
