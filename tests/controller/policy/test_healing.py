# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be said about health: endpoints that name no host, expressions that stay small, and who is healed at all."""

from __future__ import annotations

from typing import Any

import pytest
from swarmherd.policy import HealthKeys, PolicyError, address_of, health_queries, parse_policy, service_wishes

from tests.controller.arranged import view_of


def parsed(**health: Any) -> HealthKeys:
    found = parse_policy({"services": {"web": {"health": health}}}, "f.yml").services["web"].health
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "port", "path"),
    [
        ("http://:8080/health", 8080, "/health"),
        (":8080/", 8080, "/"),
        ("/health?deep=1", None, "/health?deep=1"),
        ("http://:65535/x", 65535, "/x"),
        ("//other.host/x", None, "//other.host/x"),
    ],
)
def test_an_endpoint_is_a_port_of_the_task_and_a_path(text: str, port: int | None, path: str) -> None:
    assert address_of(str(parsed(endpoint=text).endpoint)) == (port, path)


@pytest.mark.parametrize("text", [":65536/", "/a b", "/x\r\nHost: y", "ftp://:21/", ":080/", "@/x"])
def test_what_could_lead_elsewhere_is_refused(text: str) -> None:
    with pytest.raises(PolicyError, match="is no endpoint of a task"):
        parsed(endpoint=text)


@pytest.mark.parametrize(
    "text", ["status == 'ok'", "contains(['ok', 'up'], status) && !errors", "length(jobs[?late]) < `3`"]
)
def test_an_expression_is_read(text: str) -> None:
    assert parsed(expect=text).expect == text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("status = 'ok'", "is no JMESPath: "),
        ("(" * 290, "is no JMESPath: "),
        ("a" * 301, "this expression is too long; write at most 300 characters"),
        ("join(',', names)", "the function 'join' is not to be had here; there are abs, ceil, contains"),
        ("to_string(@)", "the function 'to_string' is not to be had here"),
        ("[@,@] | [@,@] | [@,@]", "this expression does too much"),
        (" && ".join(["a"] * 60), "this expression does too much"),
    ],
)
def test_an_expression_that_cannot_be_read_or_would_keep_us_busy_is_refused(text: str, says: str) -> None:
    with pytest.raises(PolicyError) as caught:
        parsed(expect=text)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def healed(policy: dict[str, Any], **labels: str) -> Any:
    services = {"web": {"at": ["n1"], "labels": labels}}
    view = view_of({"nodes": {"n1": {}}, "services": services})
    return service_wishes(parse_policy(policy, "f.yml"), view.services)


def test_nobody_is_healed_unless_asked_for() -> None:
    assert healed({"services": {"web": {}}}).of("web").heal is None
    assert healed({"defaults": {"heal": {}}}).of("web").heal is None
    assert healed({}, **{"health.endpoint": "/health"}).of("web").heal is None
    assert healed({}, **{"swarmherd.heal.enabled": "true"}).of("web").heal is not None
    assert (
        healed({"services": {"web": {"heal": {"enabled": False}}}}, **{"swarmherd.heal.after": "9"}).of("web").heal
        is None
    )


def test_key_by_key_the_policy_comes_before_the_label_and_that_before_the_defaults() -> None:
    defaults = {"after": "10s", "recheck": "11s", "cooldown": "12s"}
    found = healed(
        {"defaults": {"heal": defaults}, "services": {"web": {"heal": {"after": "30s"}}}},
        **{"swarmherd.heal.after": "20s", "swarmherd.heal.recheck": "21s"},
    ).of("web")
    assert (found.heal.after, found.heal.recheck, found.heal.cooldown) == (30, 21, 12)


def test_the_labels_of_health_are_read_only_where_it_is_healed() -> None:
    labels = {"health.endpoint": "tcp/8080, says another tool"}
    assert healed({"services": {"web": {}}}, **labels).problems == {}
    problem = healed({"services": {"web": {"heal": {}}}}, **labels).problems["web"][0]
    assert str(problem).startswith(
        "service web: health.endpoint: 'tcp/8080, says another tool' is no endpoint of a task"
    )


def test_what_the_policy_says_of_a_check_comes_before_the_label() -> None:
    said = {"services": {"web": {"heal": {}, "health": {"endpoint": "/of-the-policy"}}}}
    found = healed(said, **{"health.endpoint": "/of-the-label", "health.expect": "ok"}).of("web").health
    assert (found.endpoint, found.expect) == ("/of-the-policy", "ok")


def test_a_query_is_asked_per_task_where_it_is_healed_and_the_policy_is_on() -> None:
    services = view_of({"nodes": {"n1": {}}, "services": {'we"b': {"at": ["n1"]}, "other": {"at": ["n1"]}}}).services
    query = {"heal": {}, "health": {"query": 'min by (t) (up{s="$service"}[$window])'}}
    document = {"services": {"web": query, "other": {"health": query["health"]}}}
    assert health_queries(parse_policy(document, "f.yml"), services) == ()
    there = view_of({"nodes": {"n1": {}}, "services": {"web": {"at": ["n1"]}, "other": {"at": ["n1"]}}}).services
    (asked,) = health_queries(parse_policy(document, "f.yml"), there)
    assert (asked.service, asked.metric, asked.promql) == ("web", "health", 'min by (t) (up{s="web"}[60s])')
    assert health_queries(parse_policy({**document, "enabled": False}, "f.yml"), there) == ()
