# SPDX-License-Identifier: GPL-3.0-or-later
"""Anchors and moves as people and programs are shown them, and in a cycle's sentence."""

from __future__ import annotations

import io

from rich.console import Console
from swarmherd.cli import documents, tables
from swarmherd.model import Memory, Plan
from swarmherd.plan import conclude
from swarmherd.policy import Mode, parse_policy
from swarmherd.sentence import sentence

from tests.controller.arranged import view_of
from tests.controller.described import NOW


def moving() -> Plan:
    view = view_of(
        {
            "nodes": {"n1": {"memory": 70, "anchors": ["db"]}, "n2": {"memory": 20}},
            "services": {
                "db": {"at": ["n1"], "gib": 0.1},
                "api": {"at": ["n1"], "gib": 0.1, "follows": ["db"]},
                "web": {"at": ["n1", "n1"], "gib": 1},
            },
        }
    )
    policy = parse_policy({"services": {"api": {"follows": "db"}, "web": {}}, "rebalance": {}}, "f.yml")
    return conclude(view, policy, Memory(), NOW, lambda: "id")[0]


def shown(plan: Plan) -> str:
    stream = io.StringIO()
    Console(file=stream, width=220).print(tables.plan(Mode.OBSERVE, plan))
    return stream.getvalue()


def test_the_plan_shows_moves_and_anchors_with_reasons_and_the_scores_of_the_nodes() -> None:
    text = shown(moving())
    assert "anchor db" in text
    assert "because it is on n1, where db runs" in text
    assert "move web.1 from n1 to n2, because memory is 50 % apart" in text
    assert "Swarm will choose n2" in text
    assert "nodes for web, the best first" in text
    assert "1 action; mode observe, so run would do nothing" in text


def test_the_document_has_the_moves_in_full() -> None:
    document = documents.plan(Mode.OBSERVE, moving())
    [balance] = document["balances"]
    [move] = balance["moves"]
    assert (move["service"], move["from"], move["allowed"], move["held"]) == ("web", "n1", ["n2"], False)
    assert move["ranking"][0]["name"] == "n2"
    assert document["anchors"][0]["relabel"] is False
    assert document["stays"]["api"] == "it follows db and goes where db goes"


def test_a_cycles_sentence_tells_what_moves_and_why_labels_stay() -> None:
    said = sentence(moving(), [None])
    assert "would move web task web.1 off n1 because move web.1 from n1 to n2" in said
    assert "leave the label of db as it is, because it is on n1, where db runs" in said
