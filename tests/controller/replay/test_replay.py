# SPDX-License-Identifier: GPL-3.0-or-later
"""A cycle decided again from what was kept of it comes to the same, and a difference is shown where it lies (S20)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from swarmherd.model import ClusterView, Memory
from swarmherd.plan import conclude
from swarmherd.policy import parse_policy
from swarmherd.replay import Inputs, Kept, replay
from swarmherd.store.inputs import UnreadableError, packed, unpacked

from tests.controller import arranged
from tests.controller.decide import test_arrange_cases
from tests.controller.decide.test_cases import cases
from tests.controller.described import NOW, memory_of, view_of


def kept_of(case: dict[str, Any]) -> Kept:
    return kept(view_of(case["view"]), memory_of(case.get("memory", {}), case.get("pauses")), case["policy"])


def kept(view: ClusterView, memory: Memory, document: dict[str, Any]) -> Kept:
    policy = parse_policy(document, "case")
    plan, _memory = conclude(view, policy, memory, NOW, iter(map(str, range(1000))).__next__)
    return Kept(Inputs(view, policy, memory, NOW), plan, "0.1.0")


@pytest.mark.parametrize("case", list(cases()))
def test_every_case_comes_to_the_same_after_it_was_kept(case: dict[str, Any]) -> None:
    comes_to_the_same(kept_of(case))


@pytest.mark.parametrize("case", list(test_arrange_cases.cases()))
def test_where_tasks_run_comes_to_the_same_after_it_was_kept(case: dict[str, Any]) -> None:
    comes_to_the_same(kept(arranged.view_of(case["view"]), arranged.memory_of(case), case["policy"]))


def comes_to_the_same(one: Kept) -> None:
    again = unpacked(packed(one))
    assert packed(again) == packed(one)
    assert replay(again)[1] == ()


BUSY = {
    "view": {"services": {"web": {"replicas": 2, "cpu": 91}}},
    "policy": {"services": {"web": {"scale": {"max": 9, "metrics": [{"cpu": 70}]}}}},
}


def test_a_decision_that_would_be_another_today_is_shown_where_it_differs() -> None:
    then = kept_of(BUSY)
    policy = parse_policy({"services": {"web": {"scale": {"max": 2, "metrics": [{"cpu": 70}]}}}}, "case")
    plan, differences = replay(replace(then, inputs=replace(then.inputs, policy=policy)))
    assert plan.actions == ()
    said = [str(one) for one in differences]
    assert "decisions.web.then: 3 then, 2 now" in said
    assert any(one.startswith("actions[0]: ") and one.endswith("nothing now") for one in said), said


def test_ids_are_no_part_of_a_decision() -> None:
    then = kept_of(BUSY)
    (action,) = then.plan.actions
    other = replace(then, plan=replace(then.plan, actions=(replace(action, id="another"),)))
    assert replay(other)[1] == ()


def test_what_cannot_be_read_is_one_sentence() -> None:
    whole = packed(kept_of(BUSY))
    for spoilt in (b"", b"nonsense", whole[:-20], packed(kept_of(BUSY))[:10]):
        with pytest.raises(UnreadableError, match="what was kept of this cycle cannot be read"):
            unpacked(spoilt)
