# SPDX-License-Identifier: GPL-3.0-or-later
"""What nodes and tasks really use: put to the right ones, and unknown where that is not certain (S1)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from swarmherd.model import ClusterView, NodeUse, Reading
from swarmherd.observe import Observer
from swarmherd.observe.connection import Connection
from swarmherd.observe.docker import Docker
from swarmherd.observe.prometheus import Prometheus
from swarmherd.observe.use import host_of
from swarmherd.policy import Policy, parse_policy, use_queries, wants_use
from swarmherd.policy.use import NODE

from tests.controller.conftest import Answer, Engine, Metrics, vector

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
AT = NOW.timestamp()
TASK = "container_label_com_docker_swarm_task_id"
POLICY = parse_policy({}, "f.yml")
Observe = Callable[[], ClusterView]
ANSWERS = {
    "node_cpu_seconds_total": [({"instance": "10.0.0.1:9100"}, "0.25"), ({"instance": "10.0.0.2:9100"}, "0.5")],
    "node_memory_MemAvailable": [({"instance": "n1.example.org:9100"}, "0.75"), ({"instance": "N2:9100"}, "0.9")],
    "node_disk_io": [({"instance": "10.0.0.1:9100"}, "1.02"), ({"instance": "10.0.0.2:9100"}, "1.2")],
    "node_network": [({"instance": "10.0.0.9:9100"}, "0.5")],
    "scrape_duration": [({"instance": "10.0.0.1:9100"}, "1.7"), ({"instance": "10.0.0.2:9100"}, "-1")],
    "container_cpu_usage": [({TASK: "web-1"}, "0.4"), ({TASK: "gone"}, "9")],
    "container_memory": [({TASK: "web-1"}, "1000"), ({TASK: "web-2"}, "1000"), ({TASK: "web-2"}, "2000")],
}
Series = list[tuple[dict[str, str], str]]


def answering(answers: dict[str, Series]) -> Callable[[dict[str, str]], Answer]:
    def answer(query: dict[str, str]) -> Answer:
        found = next((series for part, series in answers.items() if part in query["query"]), [])
        return vector(found, AT)

    return answer


@pytest.fixture
def observe(engine: Engine, metrics: Metrics) -> Iterator[Observe]:
    engine.add_nodes("n2")
    metrics.answer = answering(ANSWERS)
    docker = Docker([Connection("m1", engine.url)], 3)
    observer = Observer("shop", docker, Prometheus(metrics.url, 0.5, 15), lambda _policy, _services: True)
    yield lambda: observer.observe(POLICY, NOW)
    observer.close()


def used(view: ClusterView, node: str) -> dict[str, Any]:
    use = view.node_use[node]
    readings = {name: getattr(use, name) for name in NODE}
    return {name: r.value if r.value is not None else r.problem for name, r in readings.items()}


def test_a_node_is_known_by_its_address_or_its_hostname(observe: Observe) -> None:
    view = observe()
    assert used(view, "node1") == {"cpu": 0.25, "memory": 0.75, "disk": 1.0, "network": "no series", "response": 1.7}
    assert used(view, "node2") == {
        "cpu": 0.5,
        "memory": 0.9,
        "disk": "1.2 is no share from 0 to 1",
        "network": "no series",
        "response": "-1 is less than nothing",
    }
    assert view.samples == {}, "they are no samples of a service"


def test_a_task_is_known_by_its_id_and_a_strange_one_is_left_out(observe: Observe) -> None:
    use = observe().task_use
    assert set(use) == {"web-1", "web-2"}
    assert use["web-1"].cpu is not None
    assert use["web-1"].cpu.value == 0.4
    assert use["web-2"].cpu == Reading(None, NOW, use["web-1"].cpu.source, "no series")
    assert use["web-2"].memory is not None
    assert use["web-2"].memory.problem == "2 series where one is expected"


def test_two_answers_for_one_node_leave_it_unknown(observe: Observe, metrics: Metrics) -> None:
    twice: Series = [({"instance": "10.0.0.2:9100"}, "0.1"), ({"instance": "n2:9101"}, "0.9")]
    metrics.answer = answering({"node_cpu": twice})
    assert used(observe(), "node2")["cpu"] == "2 series where one is expected"


def test_a_hostname_of_two_ready_nodes_is_nobodys(observe: Observe, metrics: Metrics, engine: Engine) -> None:
    engine.add_nodes("n3")
    engine.nodes["node3"].hostname = "n2"
    metrics.answer = answering({"node_cpu": [({"instance": "n2:9100"}, "0.9")]})
    view = observe()
    assert used(view, "node2")["cpu"] == used(view, "node3")["cpu"] == "n2:9100 may be any of 2 nodes"


def test_an_entry_that_a_host_left_behind_does_not_count(observe: Observe, metrics: Metrics, engine: Engine) -> None:
    engine.add_nodes("n3")
    engine.nodes["node3"].hostname, engine.nodes["node3"].state = "n2", "down"
    metrics.answer = answering({"node_cpu": [({"instance": "n2:9100"}, "0.9")]})
    view = observe()
    assert (used(view, "node2")["cpu"], used(view, "node3")["cpu"]) == (0.9, "no series")


def test_a_prometheus_that_stopped_scraping_leaves_everything_unknown(observe: Observe, metrics: Metrics) -> None:
    metrics.up_age_seconds = 46
    view = observe()
    assert set(used(view, "node1").values()) == {"stale: Prometheus' newest scrape is 46 s old"}
    assert view.task_use["web-1"].memory is not None
    assert view.task_use["web-1"].memory.value is None


def test_a_prometheus_that_hangs_costs_no_more_than_three_timeouts(observe: Observe, metrics: Metrics) -> None:
    def hang(_query: dict[str, str]) -> Answer:
        time.sleep(1)  # what is tested is that nobody waits for this
        return vector([], AT)

    metrics.answer = hang
    started = time.monotonic()
    view = observe()
    assert time.monotonic() - started < 4 * 0.5 + 0.5
    assert used(view, "node1")["cpu"] == "no answer within 0.5 s"


def test_nothing_is_asked_where_nobody_needs_it(engine: Engine, metrics: Metrics) -> None:
    observer = Observer("shop", Docker([Connection("m1", engine.url)], 3), Prometheus(metrics.url, 0.5, 15))
    view = observer.observe(POLICY, NOW)
    assert (view.node_use, view.task_use, metrics.asked) == ({}, {}, [])
    observer.close()


def test_without_a_prometheus_it_is_unknown(engine: Engine) -> None:
    docker = Docker([Connection("m1", engine.url)], 3)
    view = Observer("shop", docker, None, lambda _policy, _services: True).observe(POLICY, NOW)
    assert set(used(view, "node1").values()) == {"swarmherd_cluster.prometheus_url is not set"}
    assert view.node_use["node1"] != NodeUse()


@pytest.mark.parametrize(
    ("document", "wanted"),
    [
        ({}, False),
        ({"services": {"web": {"scale": {"max": 3}}}}, False),
        ({"services": {"web": {"follows": "db"}}}, True),
        ({"services": {"web": {"apart_from": ["db"]}}}, True),
        ({"rebalance": {}}, True),
        ({"refill": {}}, True),
        ({"placement": {}}, True),
        ({"rebalance": {}, "enabled": False}, False),
    ],
)
def test_use_is_asked_for_where_something_is_decided_by_it(document: dict[str, Any], wanted: bool) -> None:
    assert wants_use(parse_policy(document, "f.yml")) is wanted


def test_the_questions_take_the_policys_window_and_label() -> None:
    policy: Policy = parse_policy({"queries": {"window": "6s", "node_label": "node", "task_cpu": "x"}}, "f.yml")
    asked = {query.metric: query for query in use_queries(policy)}
    assert asked["node:cpu"].promql == '1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[6s]))'
    assert asked["node:cpu"].task_label == "node"
    assert (asked["task:cpu"].promql, asked["task:cpu"].service) == ("x", "")


@pytest.mark.parametrize(
    ("label", "host"),
    [
        ("10.0.0.5:9100", "10.0.0.5"),
        ("10.0.0.5", "10.0.0.5"),
        ("N1.example.org:9100", "n1.example.org"),
        ("[fd00::5]:9100", "fd00::5"),
        ("fd00::5", "fd00::5"),
        ("", ""),
    ],
)
def test_the_port_of_an_instance_is_left_out(label: str, host: str) -> None:
    assert host_of(label) == host
