# SPDX-License-Identifier: GPL-3.0-or-later
"""Every case of `failover.yml`: view, policy, memory -> standings, brake, what is put right, and the plan's actions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from swarmherd.model import Action, NodeStanding, Plan
from swarmherd.plan import conclude
from swarmherd.policy import parse_policy

from tests.controller.arranged import memory_of, view_of
from tests.controller.described import NOW

CASES = yaml.safe_load((Path(__file__).parent / "failover.yml").read_text())


def planned(case: dict[str, Any]) -> Plan:
    policy = parse_policy(case.get("policy", {}), "case.yml")
    return conclude(view_of(case["view"]), policy, memory_of(case), NOW, lambda: "id")[0]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_case_of_failing_over(case: dict[str, Any]) -> None:
    plan, expect = planned(case), case["expect"]
    found = plan.arrangement.rescue
    stands = {one.node: one for one in found.standings}
    for node, (standing, says) in expect.get("nodes", {}).items():
        agrees(stands[node], standing, says)
    for said, wanted in zip(found.brake, expect.get("brake", found.brake), strict=True):
        assert wanted in said
    decided = {
        "waiting": {one.service: (one.clear, one.because) for one in found.findings},
        "recreations": {one.service: (one.recreate, one.because) for one in found.recreations},
        "cordons": {one.node: (one.cordon, one.because) for one in found.cordons},
    }
    for kind, told in decided.items():
        for name, (does, says) in expect.get(kind, {}).items():
            assert told[name][0] is does, told[name][1]
            assert says in told[name][1]
        if kind in expect:
            assert set(told) == set(expect[kind])
    relabels = {one.anchor: one.node for one in plan.arrangement.following if one.relabel}
    assert relabels == expect.get("relabels", {})
    asked = [action for action in plan.actions if action.kind == "failover"]
    assert [told_of(action) for action in asked] == expect.get("actions", [])


def agrees(one: NodeStanding, standing: str, says: str) -> None:
    assert one.standing.value == standing, one.because
    assert says in one.because
    assert bool(one.reasons) == (standing != "well"), "each node that is not well has its reasons (S20)"


def told_of(action: Action) -> dict[str, Any]:
    assert action.parameters["swarmherd_reason"] == action.reason
    said = {name.removeprefix("swarmherd_"): value for name, value in action.parameters.items()}
    return {name: value for name, value in said.items() if name != "reason"}
