# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents into settings; every mistake into one line that names file, key and remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from swarmherd.policy import ClusterSettings, Mode, Policy, PolicyError, parse_cluster, parse_policy
from swarmherd.policy.document import Step
from swarmherd.policy.metrics import CpuMetric, MemoryMetric, Per, PercentRule, QueryMetric, RatesMetric, named

WRONG = yaml.safe_load((Path(__file__).parent / "documents" / "wrong.yml").read_text())


@pytest.mark.parametrize("case", WRONG, ids=lambda case: case["says"][:60])
def test_a_mistake_is_one_line_that_names_file_key_and_remedy(case: dict[str, Any]) -> None:
    with pytest.raises(PolicyError) as caught:
        if "cluster" in case:
            root = "swarmherd_cluster"
            parse_cluster(case["cluster"], "group_vars/all.yml")
        elif "scale" in case:
            root = "swarmherd_policy.services.shop_api.scale"
            parse_policy({"services": {"shop_api": {"scale": {"max": 9, **case["scale"]}}}}, "group_vars/all.yml")
        else:
            root = "swarmherd_policy"
            parse_policy(case["policy"], "group_vars/all.yml")
    first = str(caught.value).splitlines()[0]
    assert first.startswith(f"group_vars/all.yml: {root}{case['key']}: {case['says']}")
    assert all(problem.message and problem.remedy for problem in caught.value.problems)


def test_every_mistake_of_a_document_is_told_at_once() -> None:
    document = {"mode": "on", "enabled": 7, "services": {"a": {"scale": {"min": -1, "max": "x", "foo": 1}}}}
    with pytest.raises(PolicyError) as caught:
        parse_policy(document, "f.yml")
    keys = {problem.key.removeprefix("swarmherd_policy.") for problem in caught.value.problems}
    scale = "services.a.scale."
    assert keys == {"mode", "enabled", scale + "min", scale + "max", scale + "foo"}
    assert len(str(caught.value).splitlines()) == len(keys)


def test_a_document_without_end_is_refused() -> None:
    endless: dict[str, Any] = {}
    endless["services"] = endless
    with pytest.raises(PolicyError, match="it is nested too deep"):
        parse_policy(endless, "f.yml")


@pytest.mark.parametrize("value", [10**400, "x" * 4001])
def test_what_has_no_end_has_a_bound(value: Any) -> None:
    with pytest.raises(PolicyError) as caught:
        parse_policy({"queries": {"cpu": value}, "settle_seconds": value}, "f.yml")
    assert len(caught.value.problems) == 2
    assert len(str(caught.value)) < 400


def test_a_curve_has_a_bound() -> None:
    curve = [[n / 200, n] for n in range(1, 102)]
    metric: dict[str, Any] = {"queue": {"service_time": 1, "curve": curve}, "target": {"p95": 9}}
    with pytest.raises(PolicyError, match="the curve is too long; write at most 100 points"):
        scale_of({"max": 3, "metrics": [metric]})
    metric["queue"]["curve"] = curve[:100]
    scale_of({"max": 3, "metrics": [metric]})


def test_an_empty_policy_observes_and_touches_nothing() -> None:
    policy = parse_policy({}, "f.yml")
    assert policy.mode is Mode.OBSERVE
    assert policy.services == {}


def test_a_service_is_scaled_on_cpu_and_memory_unless_told() -> None:
    scale = scale_of({"max": 9})
    assert scale.metrics == (
        CpuMetric(cpu=PercentRule(up=80, down=30)),
        MemoryMetric(memory=PercentRule(up=80, down=30)),
    )
    assert (scale.min, scale.tolerance, scale.stabilization.up, scale.stabilization.down) == (1, 0.1, 0, 300)


def test_short_forms() -> None:
    scale = scale_of(
        {
            "min": "2",
            "max": 9.0,
            "enabled": "yes",
            "tolerance": "5%",
            "cooldown": "1m30s",
            "stabilization": {"down": "500ms"},
            "step": {"up": ["4", "100%"], "down": "50%"},
            "fallback": 4,
            "metrics": ["cpu", {"memory": "70%"}, {"query": " up \n", "up": 3, "down": "1"}, {"rates": None}],
        }
    )
    assert (scale.min, scale.max, scale.enabled, scale.tolerance) == (2, 9, True, 0.05)
    assert (scale.cooldown.up, scale.cooldown.down, scale.stabilization.down) == (90, 90, 0.5)
    assert (scale.step.up, scale.step.down) == (Step(count=4, percent=100), Step(percent=50))
    assert (scale.fallback.replicas, scale.fallback.after) == (4, 3)
    cpu, memory, query, rates = scale.metrics
    assert isinstance(cpu, CpuMetric) and cpu.cpu == PercentRule(up=80, down=30)
    assert isinstance(memory, MemoryMetric) and memory.memory.target == 70
    assert isinstance(query, QueryMetric) and (query.query, query.up, query.down, query.per) == (
        "up",
        3,
        1,
        Per.SERVICE,
    )
    assert isinstance(rates, RatesMetric) and rates.rates.replica_capacity is None


def test_a_single_metric_needs_no_list() -> None:
    assert scale_of({"max": 3, "metrics": {"cpu": 70}}).metrics == (CpuMetric(cpu=PercentRule(target=70)),)


def test_names_of_metrics() -> None:
    metrics = [
        {"query": "a", "target": 1},
        "cpu",
        {"query": "b", "target": 1},
        "requests_per_replica",
        "rates",
        "memory",
    ]
    names = [name for name, _metric in named(scale_of({"max": 3, "metrics": metrics}).metrics)]
    assert names == ["query:0", "cpu", "query:1", "requests_per_replica", "rates", "memory"]


def test_a_cluster_needs_a_name_alone() -> None:
    settings = parse_cluster({"name": "shop"}, "f.yml")
    assert settings == ClusterSettings(name="shop")
    assert settings.prometheus_url is None


def test_a_cluster_with_everything() -> None:
    document = {
        "name": "shop",
        "region": "eu-west-1",
        "prometheus_url": "https://prometheus.example/base/",
        "prometheus_timeout_seconds": "2s",
        "interval_seconds": "5",
        "state_url": "postgresql+psycopg://db/swarmherd",
    }
    settings = parse_cluster(document, "f.yml")
    assert settings.prometheus_url == "https://prometheus.example/base"
    assert (settings.prometheus_timeout_seconds, settings.interval_seconds) == (2, 5)


def test_settings_cannot_be_changed_afterwards() -> None:
    with pytest.raises(ValueError, match="frozen"):
        parse_policy({}, "f.yml").mode = Mode.ENFORCE  # type: ignore[misc]


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.dates(),
    st.sampled_from(["cpu", "query", "5m", "10%", "hold", "9" * 50, "1e999", 10**400]),
)
KEYS = st.one_of(
    st.sampled_from(["services", "scale", "min", "max", "metrics", "cpu", "memory", "query", "target", "up", "down"]),
    st.sampled_from(["step", "rates", "requests", "per", "name", "fallback", "cooldown", "stabilization", "tolerance"]),
    st.sampled_from(["queries", "window", "defaults", "mode", "enabled", "replicas", "count", "percent"]),
    st.text(max_size=5),
    st.integers(),
    st.none(),
)
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=12,
)


@given(DOCUMENTS)
def test_nothing_but_a_policy_error_comes_of_any_document(document: Any) -> None:
    for parse in (parse_policy, parse_cluster):
        for wrapped in (
            document,
            {"services": {"a": {"scale": document}}},
            {"services": {"a": {"scale": {"metrics": [document]}}}},
        ):
            try:
                parse(wrapped, "f.yml")
            except PolicyError as error:
                assert error.problems
                assert len(str(error).splitlines()) == len(error.problems)


def scale_of(document: dict[str, Any]) -> Any:
    policy: Policy = parse_policy({"services": {"shop_api": {"scale": document}}}, "f.yml")
    return policy.services["shop_api"].scale
