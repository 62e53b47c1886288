# SPDX-License-Identifier: GPL-3.0-or-later
"""Every case of `healing.yml`: view, policy, memory -> what is healed and how, and the plan's actions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from swarmherd.decide import arrange
from swarmherd.model import Action, Healing
from swarmherd.plan import conclude
from swarmherd.policy import parse_policy

from tests.controller.arranged import memory_of, view_of
from tests.controller.described import NOW

CASES = yaml.safe_load((Path(__file__).parent / "healing.yml").read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_case_of_what_is_healed(case: dict[str, Any]) -> None:
    view, policy, memory = view_of(case["view"]), parse_policy(case["policy"], "case.yml"), memory_of(case)
    found = {one.place or one.service: one for one in arrange(view, policy, memory, NOW).healing}
    expect = case["expect"]
    assert found.keys() == expect["healing"].keys(), [one.because for one in found.values()]
    for place, one in found.items():
        agrees(one, expect["healing"][place])
    plan, _memory = conclude(view, policy, memory, NOW, lambda: "id")
    held = {one.place: one.reasons[-1] for one in plan.arrangement.healing if one not in found.values()}
    assert held == expect.get("held", {})
    actions = [action for action in plan.actions if action.kind in ("restart", "move", "rollback")]
    assert [told(action) for action in actions] == expect.get("actions", [])


def agrees(one: Healing, expected: dict[str, Any]) -> None:
    known = {
        "remedy": one.remedy.value,
        "tries": one.tries,
        "allowed": list(one.allowed),
        "avoid": list(one.avoid),
    }
    assert expected.get("says", "") in one.because
    for key in expected.keys() - {"says"}:
        assert known[key] == expected[key], one.because


def told(action: Action) -> dict[str, Any]:
    said = action.parameters
    assert action.reason == said["swarmherd_reason"]
    assert said["swarmherd_expected_version"] in (10, 11)
    assert said["swarmherd_place"]
    assert action.undo.get("swarmherd_state", "cleared") == "cleared"
    more = {"swarmherd_force": "force", "swarmherd_balancer_backend": "backend"}
    given = {"task": said.get("swarmherd_task"), "node": said.get("swarmherd_node")}
    given |= {name: said.get(key) for key, name in more.items()}
    return {"kind": action.kind, **{name: value for name, value in given.items() if value is not None}}
