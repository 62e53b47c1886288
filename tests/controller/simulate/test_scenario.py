# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenario files: what they may say, and one clear error for each mistake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from swarmherd.policy import PolicyError
from swarmherd.simulate.story import Told, document, read_scenario, tell

SERVICES = {"web": {"replicas": 2, "traffic": 60}}
POLICY = {"services": {"web": {"scale": {"min": 2, "max": 8, "metrics": [{"requests_per_replica": 40}]}}}}


def told(folder: Path, **keys: Any) -> Told:
    scenario = {"nodes": 4, "services": SERVICES, "swarmherd_policy": POLICY, "run_for": "10m", **keys}
    return tell(*read_scenario(scenario, "x.yml"), folder, "x.yml")


def test_the_same_scenario_always_comes_to_the_same(tmp_path: Path) -> None:
    fault = [{"at": "2m", "fault": "node_dies", "node": "n4"}]
    assert document(told(tmp_path, faults=fault)) == document(told(tmp_path, faults=fault))


@pytest.mark.parametrize(
    ("traffic", "replicas"),
    [
        (120, 3),
        ({"steady": 120}, 3),
        ({"steps": {"0s": 60, "3m": 200}}, 5),
        ({"ramp": {"0s": 60, "5m": 200}}, 5),
        ({"wave": {"low": 60, "high": 70, "period": "5m"}}, 2),
        ({"trace": "grows.csv"}, 5),
    ],
)
def test_every_shape_of_traffic_is_followed(tmp_path: Path, traffic: object, replicas: int) -> None:
    (tmp_path / "grows.csv").write_text("time_s,requests_per_s\n0,60\n60,60\n120,200\n180,200\n240,200\n")
    one = told(tmp_path, services={"web": {"replicas": 2, "traffic": traffic}})
    assert document(one)["services"]["web"]["replicas"] == replicas
    assert one.problems == ()


def test_a_latency_target_is_followed_and_without_readings_the_count_is_held(tmp_path: Path) -> None:
    queue = {"queue": {"replica_capacity": 50}, "target": {"p95": "90ms"}}
    policy = {"services": {"web": {"scale": {"min": 2, "max": 12, "stabilization": 0, "metrics": [queue]}}}}
    traffic = {"steps": {"0s": 60, "3m": 200, "5m": 60}}
    blind = [{"at": "4m50s", "fault": "prometheus_empty"}]
    one = document(told(tmp_path, services={"web": {"replicas": 2, "traffic": traffic}}, swarmherd_policy=policy))
    held = document(
        told(tmp_path, services={"web": {"replicas": 2, "traffic": traffic}}, swarmherd_policy=policy, faults=blind)
    )
    assert "200 requests/s at 50/s each: 4 replicas would not keep up" in " ".join(a["reason"] for a in one["actions"])
    assert one["services"]["web"]["replicas"] < held["services"]["web"]["replicas"]
    assert one["problems"] == held["problems"] == []


def test_what_looks_ahead_foretells_once_it_has_watched_and_knows_it_after_a_restart_too(tmp_path: Path) -> None:
    scale = {"strategy": "predictive", "min": 2, "max": 20, "metrics": [{"requests_per_replica": 40}]}
    keys = {
        "services": {"web": {"replicas": 2, "traffic": {"wave": {"low": 50, "high": 400, "period": "1h"}}}},
        "swarmherd_policy": {"services": {"web": {"scale": scale}}},
        "faults": [{"at": "149m", "fault": "controller_killed"}],
        "run_for": "3h",
    }
    one = document(told(tmp_path, **keys))
    reasons = {action["at"]: action["reason"] for action in one["actions"]}
    early = [reason for at, reason in reasons.items() if at < 7200 and " over " in reason]
    assert early
    assert all("not foretold: its history is only" in reason for reason in early)
    assert any("is expected in 1 min" in reason for at, reason in reasons.items() if 7260 < at < 8940)
    assert any("is expected in 1 min" in reason for at, reason in reasons.items() if at > 8940)
    assert not any("not foretold" in reason for at, reason in reasons.items() if at > 7260)
    assert document(told(tmp_path, **keys)) == one


def test_what_we_did_is_held_against_the_same_without_us(tmp_path: Path) -> None:
    one = document(told(tmp_path, services={"web": {"replicas": 2, "traffic": {"steps": {"0s": 60, "2m": 300}}}}))
    ours = one["services"]["web"]
    assert ours["lost_fraction"] < 0.2 < ours["without"]["lost_fraction"]
    assert {action["kind"] for action in one["actions"]} == {"scale"}
    assert one["actions"][0]["reason"].startswith("scale web from 2 to")


def test_a_node_that_dies_is_seen_in_what_is_lost(tmp_path: Path) -> None:
    one = told(tmp_path, faults=[{"at": "2m", "fault": "node_dies", "node": "n1", "lasts": "2m"}])
    assert (one.tallies["web"].missing_seconds > 0) == (one.without["web"].missing_seconds > 0)
    assert one.problems == ()


def test_what_is_not_as_it_should_be_in_the_end_is_told(tmp_path: Path) -> None:
    one = told(tmp_path, faults=[{"at": "2m", "fault": "image_missing", "service": "web"}])
    assert "the update of web is paused" in one.problems


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ({"enabled": False, **POLICY}, "the policy is switched off (swarmherd_policy.enabled)"),
        (
            {"services": {"web": {"scale": {"enabled": False, "max": 8}}}},
            "the scaling of web is switched off (scale.enabled)",
        ),
    ],
)
def test_what_is_switched_off_is_told(tmp_path: Path, policy: dict[str, Any], said: str) -> None:
    assert said in told(tmp_path, swarmherd_policy=policy).problems


def test_with_us_and_without_is_counted_for_as_long_although_a_cycle_is_under_way_in_the_end(tmp_path: Path) -> None:
    services = {"web": {"replicas": 2, "capacity": 50, "traffic": 160}}
    fault = [{"at": "20s", "fault": "playbook_hangs"}]
    web = document(told(tmp_path, services=services, faults=fault, run_for="60s"))["services"]["web"]
    assert web["requests"] == web["without"]["requests"] == 60 * 160


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nodes: 0", "scenario.nodes: 0 nodes cannot be simulated; write a whole number from 1 to 200"),
        ("nodes: {n1: {}}", "scenario.nodes: none of them is a manager; write manager: true below one, or three"),
        ("nodes: {n1: {memory: 4}}", "scenario.nodes.n1.memory: 4 is no size; write one such as 300MiB or 4GiB"),
        ("nods: 3", "scenario.nods: there is no such key; did you mean nodes?"),
        ("services: {web: {startup: soon}}", "scenario.services.web.startup: 'soon' is not a duration"),
        ("services: {web: {traffic: {steady: 3, trace: x.csv}}}", "2 shapes stand here, and traffic has one"),
        ("services: {web: {traffic: {steps: {noon: 3}}}}", "'noon' is no time; write one such as 0s, 90s or 5m"),
        ("services: {web: {traffic: {trace: none.csv}}}", "none.csv"),
        ("faults: [{at: 1m, fault: node_dyes, node: n1}]", "scenario.faults[0].fault: there is no fault 'node_dyes'"),
        (
            "faults: [{at: 1m, fault: node_dies, node: n9}]",
            "faults[0].node: there is no node 'n9'; write node: with one of n1, n2, n3",
        ),
        ("faults: [{at: 1m, fault: node_dies}]", "faults[0].node: node_dies is about a node; write node: with one of"),
        ("faults: [{at: 1m, fault: deploy, service: wep}]", "there is no service 'wep'; did you mean web?"),
        ("faults: [{at: 1m, fault: prometheus_down, node: n1}]", "prometheus_down is not about a node; leave it out"),
        (
            "scrape_seconds: 31",
            "scenario.scrape_seconds: a window of 60 s may hold fewer than two scrapes of 31 s each, and has no rate"
            " then; write up to 30s, or a longer swarmherd_policy.queries.window",
        ),
        ("services: {web: {queue: -1}}", "scenario.services.web.queue"),
        ("run_for: 90d", "run_for: this is too long; write a month at most: 31d"),
        (
            "{run_for: 31d, interval_seconds: 10s}",
            "run_for: these are more than 200000 cycles of 10 s; write a shorter one, or a longer interval_seconds",
        ),
        ("interval_seconds: 1ms", "scenario.interval_seconds: this is too short; write 0.1s or more"),
        ("heartbeat_seconds: 1ms", "scenario.heartbeat_seconds: this is too short; write 0.1s or more"),
        (
            "heartbeat_seconds: 30d",
            "scenario.heartbeat_seconds: 3 missed take 7.776e+06 s, longer than all of it: no node would be down in it;"
            " write up to 600s, or a longer run_for",
        ),
        (
            "swarmherd_policy: {services: {web: {scale: {max: 100000}}}}",
            "scenario.services: by their max the services may come to 100000 replicas together, web alone to 100000;"
            " write a lower max: 1000 replicas can be simulated",
        ),
        (
            "services: {web: {replicas: 800}, api: {labels: {swarmherd.scale.max: '201'}}}",
            "by their max the services may come to 1001 replicas together, web alone to 800",
        ),
        (
            "swarmherd_policy: {services: {web: {scale: {max: 3, schedules: {days: sun, max: 2000}}}}}",
            "by their max the services may come to 2000 replicas together, web alone to 2000",
        ),
        (
            "services: {web: {replicas: 800}, api: {replicas: 201}}",
            "scenario.services: these are more than 1000 replicas together; write fewer replicas, each with more",
        ),
        (
            "faults: [{at: 1m, fault: manual_scale, service: web, replicas: 1001}]",
            "scenario.faults[0].replicas: 1001 is too large; write at most 1000",
        ),
        (
            "{run_for: 5m, faults: [{at: 1h, fault: prometheus_down}]}",
            "scenario.faults[0].at: 3600 s is not before the end, which is at 300 s; write an earlier time, or a",
        ),
        (
            'services: {web: {constraints: ["node.labels.zone=a"]}}',
            "scenario.services.web.constraints[0]: 'node.labels.zone=a' has neither == nor !=; write something like",
        ),
        (
            "swarmherd_policy: {services: {wbe: {scale: {max: 3}}}}",
            "swarmherd_policy.services.wbe: the scenario has no service 'wbe'; did you mean web?",
        ),
        (
            "swarmherd_policy: {services: {web: {scale: {min: 3}}}}",
            "swarmherd_policy.services.web.scale.max: it is missing; write how many replicas there may be at most",
        ),
        (
            "services: {web: {labels: {swarmherd.scale.max: abc}}}",
            "scenario.services.web.labels.swarmherd.scale.max: 'abc' is not a whole number; write a whole number",
        ),
        (
            "services: {web: {labels: {swarmherd.priorty: high}}}",
            "scenario.services.web.labels.swarmherd.priorty: there is no such label; did you mean swarmherd.priority?",
        ),
        ("swarmherd_policy: []", "swarmherd_policy: a list is not a mapping; write keys and values below it"),
        ("swarmherd_policy: 0", "swarmherd_policy: 0 is not a mapping; write keys and values below it"),
        ("swarmherd_policy: {services: {web: {scale: {maxx: 3}}}}", "swarmherd_policy.services.web.scale.maxx"),
    ],
)
def test_each_mistake_is_one_sentence_with_file_key_and_remedy(tmp_path: Path, text: str, said: str) -> None:
    keys = {"nodes": 3, "services": SERVICES, **yaml.safe_load(text)}
    with pytest.raises(PolicyError) as error:
        tell(*read_scenario(keys, "x.yml"), tmp_path, "x.yml")
    assert said in str(error.value)
    assert str(error.value).startswith("x.yml: ")
