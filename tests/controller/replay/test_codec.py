# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that a cycle is decided on comes back out of JSON exactly as it went in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from swarmherd.codec import CodecError, decode, encode
from swarmherd.model import Availability, ClusterView, Decision, Memory, Plan
from swarmherd.policy import Mode, Policy, parse_policy

from tests.controller.replay import strategies

strategies.register()
SOUND = yaml.safe_load((Path(__file__).parents[1] / "policy" / "documents" / "sound.yml").read_text())
POLICIES = [parse_policy(case["swarmherd_policy"], "f.yml") for case in SOUND if case.get("swarmherd_policy")]


def through_json(value: Any, of: Any) -> Any:
    return decode(json.loads(json.dumps(encode(value, of))), of)


@pytest.mark.parametrize("of", [ClusterView, Memory, Decision])
@settings(max_examples=20)
@given(st.data())
def test_what_the_model_holds_comes_back_as_it_was(of: Any, data: st.DataObject) -> None:
    """Strategies are made of the annotations, as the codec is: a new field is in here without a word."""
    value = data.draw(st.from_type(of))
    assert through_json(value, of) == value


@pytest.mark.parametrize("policy", POLICIES, ids=range(len(POLICIES)))
def test_a_policy_comes_back_with_what_was_written_and_what_was_not(policy: Policy) -> None:
    again = through_json(policy, Policy)
    assert again == policy
    assert again.model_dump(exclude_unset=True) == policy.model_dump(exclude_unset=True)
    assert again.model_fields_set == policy.model_fields_set


def test_a_mode_from_the_command_line_comes_back() -> None:
    policy = POLICIES[0].model_copy(update={"mode": Mode.OBSERVE})
    assert through_json(policy, Policy).mode is Mode.OBSERVE


@dataclass(frozen=True, slots=True)
class Older:
    name: str
    gone: int = 0


@dataclass(frozen=True, slots=True)
class Newer:
    name: str
    pairs: Mapping[tuple[int, str], Availability | None] = field(default_factory=dict)
    words: frozenset[str] | None = None


def test_a_field_that_is_new_has_its_default_and_one_that_is_gone_is_left_out() -> None:
    assert decode(encode(Older("a", 3), Older), Newer) == Newer("a")


def test_keys_that_are_no_text_sets_and_nothing_come_back() -> None:
    one = Newer("a", {(1, "x"): Availability.DRAIN, (2, "y"): None}, frozenset({"b", "a"}))
    assert through_json(one, Newer) == one


@pytest.mark.parametrize("document", [None, 3, {}, {"name": "a", "pairs": [[[1], "drain"]]}, {"name": "a", "pairs": 3}])
def test_what_is_not_what_it_should_be_is_one_error(document: Any) -> None:
    with pytest.raises(CodecError, match="this is no Newer"):
        decode(document, Newer)


def test_what_has_no_form_is_refused_when_it_is_written() -> None:
    @dataclass(frozen=True)
    class Odd:
        what: Path

    with pytest.raises(CodecError, match="Path has no form"):
        encode(Odd(Path("/")), Odd)


def test_every_part_of_a_plan_has_a_form() -> None:
    assert encode(Plan("shop", datetime(2026, 1, 1, tzinfo=UTC), (), ()), Plan)["actions"] == []
