# SPDX-License-Identifier: GPL-3.0-or-later
"""Every case of `anchors.yml` and `moves.yml`: view, policy, memory -> labels, moves, and the plan's actions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from swarmherd.decide import arrange
from swarmherd.model import Action, Following, Move
from swarmherd.plan import conclude
from swarmherd.policy import parse_policy

from tests.controller.arranged import memory_of, view_of
from tests.controller.described import NOW

HERE = Path(__file__).parent


def cases() -> Iterator[Any]:
    for file in ("anchors.yml", "moves.yml"):
        for case in yaml.safe_load((HERE / file).read_text()):
            yield pytest.param(case, id=f"{file}: {case['name']}")


@pytest.mark.parametrize("case", list(cases()))
def test_case_of_where_tasks_run(case: dict[str, Any]) -> None:
    view, policy, memory = view_of(case["view"]), parse_policy(case["policy"], "case.yml"), memory_of(case)
    found, expect = arrange(view, policy, memory, NOW), case["expect"]
    if "anchors" in expect:
        assert {one.anchor for one in found.following} == set(expect["anchors"])
    for one in found.following:
        agrees(one, expect.get("anchors", {}).get(one.anchor, {}))
    for balance, says in zip(found.balances, expect.get("balances", ()), strict="balances" in expect):
        assert says in " / ".join(balance.reasons)
    moves = [move for balance in found.balances for move in balance.moves]
    assert [told(move) for move in moves] == expect.get("moves", [])
    assert {name: found.stays.get(name) for name in expect.get("stays", ())} == expect.get("stays", {})
    plan, _memory = conclude(view, policy, memory, NOW, lambda: "id")
    actions = [action for action in plan.actions if action.kind != "scale"]
    assert [asked(action) for action in actions] == expect.get("actions", [])
    assert all(action.reason and action.parameters["swarmherd_reason"] == action.reason for action in actions)


def agrees(one: Following, expected: dict[str, Any]) -> None:
    known = {
        "relabel": one.relabel,
        "release": one.release,
        "node": one.node,
        "labelled": list(one.labelled),
        "first": one.reasons[0],
    }
    assert expected.get("says", "") in one.because
    for key in expected.keys() - {"says"}:
        assert known[key] == expected[key], one.reasons


def told(move: Move) -> dict[str, Any]:
    assert move.ranking
    assert move.reasons
    assert set(move.allowed) <= {score.node for score in move.ranking}
    return {
        "service": move.service,
        "source": move.source,
        "task": move.task,
        "lever": move.lever.value,
        "allowed": list(move.allowed),
        "avoid": list(move.avoid),
    }


def asked(action: Action) -> dict[str, Any]:
    said = action.parameters
    if action.kind == "relabel":
        old = said["swarmherd_old_nodes"]
        if old:
            assert (action.undo["swarmherd_node"], action.undo["swarmherd_old_nodes"]) == (
                old[0],
                [said["swarmherd_node"]],
            )
        names = [one["name"] for one in said["swarmherd_dependents"]]
        return {"kind": "relabel", "node": said["swarmherd_node"], "old": old, "dependents": names}
    if action.kind == "release":
        names = [(one["name"], one["expected_version"]) for one in said["swarmherd_dependents"]]
        return {"kind": "release", "freed": dict(names), "old": said["swarmherd_old_nodes"]}
    assert action.undo["swarmherd_state"] == "cleared"
    force = {"force": said["swarmherd_force"]} if "swarmherd_force" in said else {}
    return {"kind": action.kind, "node": said["swarmherd_node"], **force}
