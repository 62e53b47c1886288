# SPDX-License-Identifier: GPL-3.0-or-later
"""Labels opt in and fill in; the policy wins; nonsense leaves one service alone."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from swarmherd.model import Service
from swarmherd.policy import ScalePolicy, parse_policy, scale_policies
from swarmherd.policy.metrics import CpuMetric, MemoryMetric, PercentRule, QueryMetric, RequestsMetric, RequestsRule

from tests.controller.described import ago

CPU_70 = CpuMetric(cpu=PercentRule(target=70))


def service(name: str = "shop_api", labels: dict[str, str] | None = None, prefix: str = "swarmherd.scale.") -> Service:
    return Service(name, name, 1, 3, ago(600), {prefix + key: text for key, text in (labels or {}).items()})


def by_labels(labels: dict[str, str], policy: dict[str, Any] | None = None) -> ScalePolicy:
    found = scale_policies(parse_policy(policy or {}, "f.yml"), [service(labels=labels)])
    assert found.problems == {}
    return found.by_service["shop_api"]


def test_every_label() -> None:
    labels = {"min": "2", "max": "9", "cpu": "70", "memory": "up=80, down=30%", "requests_per_replica": "50"}
    scale = by_labels({**labels, "query": "sum(x)", "target": "100", "enabled": "false"})
    assert (scale.min, scale.max, scale.enabled) == (2, 9, False)
    assert scale.metrics == (
        CPU_70,
        MemoryMetric(memory=PercentRule(up=80, down=30)),
        RequestsMetric(requests_per_replica=RequestsRule(target=50)),
        QueryMetric(query="sum(x)", target=100),
    )


def test_without_labels_or_policy_a_service_is_nobodys_business() -> None:
    found = scale_policies(parse_policy({}, "f.yml"), [service(), service("a", {"max": "3"}, prefix="swarmherd.")])
    assert found.names == frozenset()


def test_the_policy_wins_over_a_label_key_by_key() -> None:
    policy = {"services": {"shop_api": {"scale": {"max": 5, "cooldown": {"up": 1}}}}}
    scale = by_labels({"max": "9", "min": "2", "cpu": "70"}, policy)
    assert (scale.min, scale.max, scale.metrics) == (2, 5, (CPU_70,))


TOTAL, EACH = {"query": "sum(x)", "target": 5}, {"query": "avg(x)", "per": "replica", "target": 5}


@pytest.mark.parametrize(
    ("keys", "up"),
    [
        ({"strategy": "predictive", "metrics": [TOTAL]}, 0),
        ({"strategy": "predictive", "metrics": [TOTAL], "cooldown": {"down": 9}}, 0),
        ({"strategy": "predictive", "metrics": [TOTAL], "cooldown": {"up": 5}}, 5),
        ({"strategy": "predictive", "metrics": [TOTAL], "cooldown": "3m"}, 180),
        ({"strategy": "predictive", "metrics": [TOTAL, EACH]}, 60),
        ({"strategy": "predictive", "metrics": [TOTAL, {"cpu": 70}]}, 60),
        ({"metrics": [TOTAL]}, 60),
    ],
)
def test_what_looks_ahead_waits_after_an_up_only_where_somebody_says_so(keys: dict[str, Any], up: float) -> None:
    assert by_labels({"max": "9"}, {"defaults": {"scale": keys}}).cooldown.up == up
    assert by_labels({"max": "9"}, {"services": {"shop_api": {"scale": keys}}}).cooldown.up == up


def test_labels_win_over_defaults_and_directions_are_keys_of_their_own() -> None:
    policy = {
        "defaults": {"scale": {"max": 4, "cooldown": {"up": 7, "down": 8}, "step": {"up": [3, "50%"]}}},
        "services": {"shop_api": {"scale": {"cooldown": {"up": 1}, "step": {"down": 1}}}},
    }
    scale = by_labels({"max": "9"}, policy)
    assert (scale.max, scale.cooldown.up, scale.cooldown.down) == (9, 1, 8)
    assert (str(scale.step.up), str(scale.step.down)) == ("3 or 50 %", "1")


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ({"min": "x", "max": "3"}, "swarmherd.scale.min: 'x' is not a whole number; write a whole number such as 3"),
        ({"min": "4", "max": "3"}, "swarmherd.scale.min: min 4 is above max 3; write a min up to max"),
        ({"min": "4"}, "swarmherd.scale.max: it is missing; write how many replicas there may be at most"),
        ({"mx": "4"}, "swarmherd.scale.mx: there is no such label; did you mean max?"),
        ({"zzz": "4"}, "swarmherd.scale.zzz: there is no such label; known labels: swarmherd.scale.enabled, "),
        ({"max": "4", "cpu": ""}, "swarmherd.scale.cpu.target: '' is not a number"),
        ({"max": "4", "cpu": "up=80"}, "swarmherd.scale.cpu: there is no target, nor both thresholds"),
        ({"max": "4", "cpu": "up=80,down=30,x=1"}, "swarmherd.scale.cpu.x: there is no such key"),
        ({"max": "4", "query": "x"}, "swarmherd.scale: there is no target, nor both thresholds"),
        ({"max": "4", "target": "3"}, "swarmherd.scale.query: it is missing; write it"),
        ({"max": "4", "enabled": "maybe"}, "swarmherd.scale.enabled: 'maybe' is neither true nor false"),
        ({"max": "4", "min": "0"}, "swarmherd.scale.min: min is 0, but none of the metrics"),
    ],
)
def test_nonsense_in_a_label_is_that_services_problem_alone(labels: dict[str, str], says: str) -> None:
    found = scale_policies(parse_policy({}, "f.yml"), [service(labels=labels), service("sound", {"max": "3"})])
    assert str(found.problems["shop_api"][0]).startswith(f"service shop_api: {says}")
    assert set(found.by_service) == {"sound"}
    assert found.names == {"shop_api", "sound"}


def test_a_policy_without_max_is_a_problem_that_names_the_policy() -> None:
    policy = parse_policy({"services": {"shop_api": {"scale": {"min": 2}}}}, "f.yml")
    [problem] = scale_policies(policy, []).problems["shop_api"]
    assert str(problem).startswith("swarmherd_policy: swarmherd_policy.services.shop_api.scale.max: it is missing")


KEYS = st.one_of(st.sampled_from(["min", "max", "cpu", "memory", "query", "target", "enabled"]), st.text(max_size=6))


@given(st.dictionaries(KEYS, st.text(max_size=12)))
def test_no_label_ever_raises(labels: dict[str, str]) -> None:
    found = scale_policies(parse_policy({}, "f.yml"), [service(labels=labels)])
    assert found.names == ({"shop_api"} if labels else set())
