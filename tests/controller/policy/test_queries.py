# SPDX-License-Identifier: GPL-3.0-or-later
"""What Prometheus is asked, and that nothing from a label or a name gets out of its quotes (S25)."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from swarmherd.model import MetricQuery, MetricScope, Service
from swarmherd.policy import parse_policy, queries
from swarmherd.policy.queries import escaped, fill, promql_duration

from tests.controller.described import view_of

TASK = "container_label_com_docker_swarm_task_id"


def asked(scale: dict[str, Any], policy: dict[str, Any] | None = None, **service: Any) -> dict[str, MetricQuery]:
    document = {"services": {"shop_api": {"scale": {"max": 9, **scale}}}, **(policy or {})}
    view = view_of({"services": {"shop_api": {"replicas": 3, **service}}})
    return {query.metric: query for query in queries(parse_policy(document, "f.yml"), view.services)}


def test_cpu_is_a_percentage_of_the_limit_per_task() -> None:
    [query] = asked({"metrics": ["cpu"]}, cpu_limit=0.5, cpu_reservation=0.25).values()
    assert query == MetricQuery(
        "shop_api",
        "cpu",
        f"100 * sum by ({TASK}) (rate(container_cpu_usage_seconds_total{{"
        'container_label_com_docker_swarm_service_name="shop_api"}[60s])) / 0.5',
        MetricScope.TASK,
        TASK,
    )


@pytest.mark.parametrize(
    ("service", "capacity"), [({"cpu_reservation": 0.25}, "/ 0.25"), ({}, "/ 1.0"), ({"cpu_limit": 0.0}, "/ 1.0")]
)
def test_or_of_the_reservation_or_of_one_core(service: dict[str, Any], capacity: str) -> None:
    assert asked({"metrics": ["cpu"]}, **service)["cpu"].promql.endswith(capacity)


def test_memory_is_a_percentage_of_the_limit_or_reservation() -> None:
    limited = asked({"metrics": ["memory"]}, memory_limit=5000, memory_reservation=400)["memory"]
    assert limited.promql == (
        f"100 * sum by ({TASK}) (container_memory_working_set_bytes{{"
        'container_label_com_docker_swarm_service_name="shop_api"}) / 5000'
    )
    assert asked({"metrics": ["memory"]}, memory_limit=None, memory_reservation=400)["memory"].promql.endswith("/ 400")
    assert asked({"metrics": ["memory"]}, memory_limit=None) == {}


def test_requests_and_rates_are_haproxys_unless_told() -> None:
    found = asked({"metrics": ["requests_per_replica", {"rates": {"responses": 'sum(x{s="$service"}[$window])'}}]})
    requests = 'sum(rate(haproxy_backend_http_requests_total{proxy="shop_api"}[60s]))'
    assert {name: query.promql for name, query in found.items()} == {
        "requests_per_replica": requests,
        "rates:requests": requests,
        "rates:responses": 'sum(x{s="shop_api"}[60s])',
    }
    assert {query.scope for query in found.values()} == {MetricScope.SERVICE}
    default = asked({"metrics": ["rates"]})["rates:responses"].promql
    assert default == 'sum(rate(haproxy_backend_http_responses_total{proxy="shop_api",code!="5xx"}[60s]))'


def test_a_queue_asks_for_the_requests_alone() -> None:
    fast = {"service_time": "80ms"}
    for queue, promql in (
        (fast, 'sum(rate(haproxy_backend_http_requests_total{proxy="shop_api"}[60s]))'),
        ({**fast, "requests": 'sum(rate(x{s="$service"}[$window]))'}, 'sum(rate(x{s="shop_api"}[60s]))'),
    ):
        found = asked({"metrics": [{"queue": queue, "target": {"p95": "400ms"}}]})
        assert {name: (query.promql, query.scope) for name, query in found.items()} == {
            "queue": (promql, MetricScope.SERVICE)
        }


def test_queries_of_the_operators_own() -> None:
    texts = {"window": "90s", "cpu": "cpu($service, $window, $capacity, $other)", "task_label": "task"}
    found = asked({"metrics": ["cpu", {"query": "q($service[$window])", "target": 1}]}, {"queries": texts})
    assert found["cpu"].promql == "cpu(shop_api, 90s, 1.0, $other)"
    assert found["cpu"].task_label == "task"
    assert found["query:0"].promql == "q(shop_api[90s])"


@pytest.mark.parametrize(
    ("scale", "policy", "service"),
    [
        ({"enabled": False}, {}, {}),
        ({}, {"enabled": False}, {}),
        ({}, {}, {"replicas": None}),
        ({}, {}, {"labels": {"swarmherd.scale.min": "x"}}),
    ],
)
def test_nothing_is_asked_about_what_is_not_scaled(
    scale: dict[str, Any], policy: dict[str, Any], service: dict[str, Any]
) -> None:
    assert asked(scale, policy, **service) == {}


def test_nothing_is_asked_about_a_service_that_is_not_there() -> None:
    assert queries(parse_policy({"services": {"gone": {"scale": {"max": 3}}}}, "f.yml"), []) == ()


@pytest.mark.parametrize(("seconds", "text"), [(60, "60s"), (0.5, "500ms"), (1.25, "1250ms"), (0.0001, "1ms")])
def test_durations_are_whole(seconds: float, text: str) -> None:
    assert promql_duration(seconds) == text


STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')


@given(st.text())
@example('x"} or vector(1) #')
@example("back\\")
@example("new\nline")
@example("$window $service")
def test_a_name_never_leaves_its_quotes(name: str) -> None:
    assert STRING.fullmatch(fill('"$service"', name, 60))
    for quote in "'`":
        assert quote not in escaped(name).replace(r"\'", "")


@given(st.text(max_size=20), st.text(max_size=20))
def test_no_other_label_reaches_a_query(key: str, text: str) -> None:
    base = view_of({"services": {"shop_api": {"replicas": 3, "labels": {"swarmherd.scale.max": "9"}}}}).services[0]
    labelled: Service = replace(base, labels={**base.labels, f"x.{key}": text})
    policy = parse_policy({}, "f.yml")
    assert queries(policy, [labelled]) == queries(policy, [base])


def test_a_name_with_a_quote_is_escaped_end_to_end() -> None:
    labels = {"swarmherd.scale.max": "9", "swarmherd.scale.requests_per_replica": "5"}
    view = view_of({"services": {'a"} or up{x="': {"replicas": 1, "labels": labels}}})
    [query] = queries(parse_policy({}, "f.yml"), view.services)
    assert query.promql == r'sum(rate(haproxy_backend_http_requests_total{proxy="a\"} or up{x=\""}[60s]))'
