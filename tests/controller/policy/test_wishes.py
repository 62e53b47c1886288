# SPDX-License-Identifier: GPL-3.0-or-later
"""Policy, labels and defaults become one, key by key, about where a service runs and whether it may be moved."""

from __future__ import annotations

from typing import Any

import pytest
from swarmherd.decide.place import WEIGHTS, Settings, Strategy
from swarmherd.decide.scene import settings_of
from swarmherd.policy import MoveKeys, ServiceWish, Wishes, parse_policy, service_wishes
from swarmherd.policy.anchors import chain_of, followers
from swarmherd.policy.arranging import SCORES

from tests.controller.arranged import view_of


def wishes(policy: dict[str, Any], **labels: dict[str, Any]) -> Wishes:
    services = {name: {"at": ["n1"], "labels": {k: str(v) for k, v in found.items()}} for name, found in labels.items()}
    return service_wishes(parse_policy(policy, "f.yml"), view_of({"nodes": {"n1": {}}, "services": services}).services)


def test_the_policy_wins_then_the_label_then_the_defaults() -> None:
    labels = {"swarmherd.follows": "b", "swarmherd.priority": 7, "swarmherd.move.singles": "yes"}
    defaults = {"priority": 3, "move": {"local_data": True, "singles": False, "min_running": 2}}
    said = {"follows": "c", "move": {"min_running": 4}}
    found = wishes({"defaults": defaults, "services": {"a": said}}, a=labels, x={})
    move = MoveKeys(singles=True, local_data=True, min_running=4)
    assert found.of("a") == ServiceWish("c", 7, move, opted_in=True)
    assert found.of("x") == ServiceWish(priority=3, move=MoveKeys(local_data=True, min_running=2))
    assert found.of("nobody") == ServiceWish()
    assert found.follows == {"a": "c"}


def test_any_label_of_ours_opts_a_service_in() -> None:
    found = wishes({}, a={"swarmherd.scale.max": 9}, b={"other": 1})
    assert (found.of("a").opted_in, found.of("b").opted_in) == (True, False)


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ({"swarmherd.priority": "high"}, "swarmherd.priority: 'high' is not a whole number; write a whole number"),
        ({"swarmherd.priority": 101}, "swarmherd.priority: priority 101 is above 100"),
        ({"swarmherd.folows": "b"}, "swarmherd.folows: there is no such label; did you mean swarmherd.follows?"),
        ({"swarmherd.move.single": "yes"}, "swarmherd.move.single: there is no such label; did you mean"),
        ({"swarmherd.move.singles": "maybe"}, "swarmherd.move.singles: 'maybe' is neither true nor false"),
        ({"swarmherd.follows": "a b"}, "swarmherd.follows: 'a b' is no name"),
        ({"swarmherd.follows": "a"}, "follows: a follows itself; let one of them follow nobody"),
    ],
)
def test_nonsense_in_a_label_is_that_services_problem_alone(labels: dict[str, Any], says: str) -> None:
    found = wishes({"services": {"b": {"follows": "c"}}}, a=labels)
    assert str(found.problems["a"][0]).startswith(f"service a: {says}")
    assert found.follows == {"b": "c"}


def test_a_circle_that_labels_and_policy_make_together_is_told_and_whoever_follows_it_goes_on() -> None:
    found = wishes({"services": {"a": {"follows": "b"}, "x": {"follows": "a"}}}, b={"swarmherd.follows": "a"})
    assert {name: problems[0].message for name, problems in found.problems.items()} == {
        "a": "it follows itself: a -> b -> a",
        "b": "it follows itself: b -> a -> b",
    }
    assert found.follows == {"x": "a"}


def test_followers_are_direct_and_chained() -> None:
    follows = {"api": "db", "web": "api", "mail": "db", "x": "y"}
    assert followers(follows) == {"db": ["api", "mail", "web"], "api": ["web"], "y": ["x"]}
    assert chain_of(follows, "web") == ("web", "api", "db")


def test_a_must_to_be_apart_holds_for_both_of_them_and_a_wish_for_who_has_it() -> None:
    apart = {"a": ["b", {"service": "c", "weight": 3}], "d": ["b", "d", "e"], "e": ["d"], "f": ["gone"]}
    found = wishes({"services": {name: {"apart_from": others} for name, others in apart.items()}}, b={}, c={})
    kept = {name: [other.service for other in found.of(name).apart_from] for name in "abcdef"}
    assert kept == {"a": ["b", "c"], "b": ["a", "d"], "c": [], "d": ["b", "d", "e"], "e": ["d"], "f": ["gone"]}
    assert all(other.weight is None for other in found.of("b").apart_from)


def test_the_scores_that_the_policy_knows_are_those_of_placement_and_its_defaults_too() -> None:
    assert set(SCORES) == set().union(*WEIGHTS.values())
    assert settings_of(parse_policy({}, "f.yml").placement) == Settings()
    packed = parse_policy({"placement": {"strategy": "pack", "weights": {"image": 3}}}, "f.yml").placement
    assert settings_of(packed).weight("image") == 3
    assert settings_of(packed).weight("in_use") == WEIGHTS[Strategy.PACK]["in_use"]
