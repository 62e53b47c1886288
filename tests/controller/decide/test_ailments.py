# SPDX-License-Identifier: GPL-3.0-or-later
"""What is remembered of a place's health: since when it is ill, what was tried, and when that is forgotten."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from swarmherd.decide import remember_health, remember_result
from swarmherd.model import Action, Ailment, Memory, Outcome, Result
from swarmherd.policy import parse_policy

from tests.controller.arranged import memory_of, view_of
from tests.controller.described import NOW, ago

POLICY = parse_policy({"services": {"web": {"heal": {}}}}, "f.yml")


def after(word: str | None, ailment: dict[str, Any], **service: Any) -> Ailment:
    """The ailment of the only task after a look that says `word`."""
    view = view_of({"nodes": {"n1": {}}, "services": {"web": {"at": ["n1"], "health": [word], **service}}})
    memory = remember_health(memory_of({"ailments": {"web.1": ailment}}), view, POLICY, NOW)
    return memory.ailments.get("web.1", Ailment("web"))


def test_illness_is_counted_from_its_first_look() -> None:
    first = after("ill", {})
    assert (first.task, first.ill_since, first.ill_at) == ("web.1", NOW, NOW)
    later = after("ill", {"ill": 75})
    assert (later.ill_since, later.ill_at) == (ago(75), NOW)


def test_one_good_look_ends_it() -> None:
    assert after("well", {"ill": 75}) == Ailment("web", answered=True)


def test_a_look_that_tells_nothing_leaves_it_as_it_was() -> None:
    assert after(None, {"ill": 75}).ill_since == ago(75)
    assert after("starting", {"ill": 75}).ill_since == ago(75)


def test_remedies_are_forgotten_once_it_was_well_for_long() -> None:
    tried = {"tries": ["restart"], "tried": 900}
    assert after("well", tried).well_since == NOW
    assert after("well", {**tried, "well": 599}).tries == ("restart",)
    assert after("well", {**tried, "well": 600}) == Ailment("web", answered=True)


@pytest.mark.parametrize("word", [None, "ill", "starting"])
def test_being_well_is_counted_without_a_break(word: str | None) -> None:
    assert after(word, {"tries": ["restart"], "tried": 900, "well": 599}).well_since is None


def test_a_slot_without_a_task_for_the_moment_keeps_what_was_tried() -> None:
    view = view_of({"nodes": {"n1": {}}, "services": {"web": {"at": [], "replicas": 1}}})
    for tried, kept in ((60, True), (600, False)):
        memory = memory_of({"ailments": {"web.1": {"tries": ["restart"], "tried": tried}}})
        assert ("web.1" in remember_health(memory, view, POLICY, NOW).ailments) is kept


def test_a_service_that_is_gone_is_forgotten() -> None:
    memory = memory_of({"ailments": {"web.1": {"tries": ["restart"], "tried": 60}}})
    assert remember_health(memory, view_of({"nodes": {"n1": {}}}), POLICY, NOW).ailments == {}


def test_our_own_write_is_no_cure_and_somebody_elses_may_be() -> None:
    tried = {"tries": ["restart"], "tried": 900}
    assert after("ill", tried, updated=600, version=11).tries == ()
    assert after("ill", tried, updated=880, version=11).tries == ("restart",), "within the settle time"
    assert after("ill", tried, updated=600, update_state="paused", version=11).tries == ("restart",)


ACTION = Action("a", "restart", "shop", "web", {"swarmherd_place": "web.1"}, {}, "ill")


@pytest.mark.parametrize("outcome", [Outcome.DONE, Outcome.GIVEN_UP, Outcome.UNDONE])
def test_a_remedy_counts_whatever_came_of_it(outcome: Outcome) -> None:
    known = Memory(ailments={"web.1": Ailment("web", tries=("restart",), tried_at=ago(90), well_since=ago(30))})
    found = remember_result(known, ACTION, Result("a", outcome, "", ago(5), NOW)).ailments["web.1"]
    assert (found.tries, found.tried_at, found.well_since) == (("restart", "restart"), NOW, None)


@pytest.mark.parametrize("outcome", [Outcome.CONFLICT, Outcome.STARTED])
def test_what_was_not_done_or_is_not_over_does_not_count(outcome: Outcome) -> None:
    assert remember_result(Memory(), ACTION, Result("a", outcome, "", NOW, NOW)).ailments == {}


def test_what_never_ran_is_no_remedy() -> None:
    result = Result("a", Outcome.GIVEN_UP, "no manager answers", NOW, NOW, ran=False)
    found = remember_result(Memory(), ACTION, result)
    assert (found.ailments, found.of("web").failures) == ({}, 1), "and yet a failure, so that trying again waits"


def test_what_a_person_does_by_hand_does_not_count() -> None:
    by_hand = replace(ACTION, parameters={})
    result = Result("a", Outcome.DONE, "", NOW, NOW + timedelta(seconds=1))
    assert remember_result(Memory(), by_hand, result).ailments == {}
