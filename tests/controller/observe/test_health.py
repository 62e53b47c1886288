# SPDX-License-Identifier: GPL-3.0-or-later
"""What the checks of tasks say, asked of a server on loopback; and that asking is bounded (S1, S25)."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from swarmherd.model import ClusterView, Health, NodeState, Reading, Sample, TaskHealth, TaskState
from swarmherd.observe.health import MOST_BYTES, HealthChecks
from swarmherd.policy import HEALTH, parse_policy

from tests.controller.arranged import view_of
from tests.controller.conftest import Answer, Loopback, as_json
from tests.controller.described import NOW
from tests.controller.loop.test_service import until
from tests.controller.observe.dripping import dripping

Serve = Callable[[Callable[[str, dict[str, str]], Answer]], int]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Servers on ports of this host, which stand for what tasks publish there."""
    made: list[Loopback] = []

    def one(answer: Callable[[str, dict[str, str]], Answer]) -> int:
        made.append(Loopback(answer))
        return made[-1].port

    yield one
    for server in made:
        server.close()


def seen(ports: list[int], tasks: int = 1, **service: Any) -> ClusterView:
    said = {"at": ["n1"] * tasks, "ports": [[8080, port] for port in ports], **service}
    return view_of({"nodes": {"n1": {}}, "services": {"web": said}})


def looked(
    view: ClusterView, samples: dict[tuple[str, str], Sample] | None = None, **health: Any
) -> dict[str, TaskHealth]:
    keys = {"endpoint": "http://:8080/health", "start_period": 0, **health}
    policy = parse_policy({"services": {"web": {"heal": {}, "health": keys}}}, "f.yml")
    checks = HealthChecks(lambda _node: "127.0.0.1", seconds=0.5)
    return dict(checks.look(policy, view, samples or {}).health)


def the(found: dict[str, TaskHealth]) -> tuple[Health, str, bool]:
    (one,) = found.values()
    return one.health, one.why, one.answered


def answering(answer: Answer) -> Callable[[str, dict[str, str]], Answer]:
    return lambda _path, _parameters: answer


@pytest.mark.parametrize(
    ("status", "health", "why"),
    [
        (200, "healthy", ""),
        (204, "healthy", ""),
        (302, "healthy", ""),
        (404, "unhealthy", "status 404"),
        (503, "unhealthy", "status 503"),
    ],
)
def test_a_status_says_how_a_task_is(serve: Serve, status: int, health: str, why: str) -> None:
    port = serve(answering((status, "text/plain", b"")))
    assert the(looked(seen([port]))) == (health, why, True)


def test_the_path_is_asked_as_it_stands(serve: Serve) -> None:
    asked: list[tuple[str, dict[str, str]]] = []
    port = serve(lambda path, parameters: (asked.append((path, parameters)), as_json({}))[1])
    looked(seen([port]), endpoint=":8080/health/deep?full=1")
    assert asked == [("/health/deep", {"full": "1"})]


@pytest.mark.parametrize(
    ("body", "health", "why"),
    [
        (b'{"status": "ok"}', "healthy", ""),
        (b'{"status": "bad"}', "unhealthy", "status == 'ok' is false"),
        (b"{}", "unhealthy", "status == 'ok' is false"),
        (b"<html>", "unhealthy", "the answer is not JSON"),
        (b"[" * 60_000, "unhealthy", "the answer is not JSON"),
        (b"", "unhealthy", "the answer is not JSON"),
    ],
)
def test_what_is_expected_of_the_answer_must_be_true(serve: Serve, body: bytes, health: str, why: str) -> None:
    port = serve(answering((200, "application/json", body)))
    assert the(looked(seen([port]), expect="status == 'ok'")) == (health, why, True)


def test_only_true_is_true(serve: Serve) -> None:
    port = serve(answering(as_json({"status": "ok"})))
    assert the(looked(seen([port]), expect="status"))[:2] == ("unhealthy", 'status is "ok"')
    assert the(looked(seen([port]), expect="length(nothing)"))[0] == "unhealthy"


@pytest.mark.parametrize("number", [b"1e999", b"NaN"])
def test_what_is_no_number_to_round_makes_a_task_ill_and_ends_no_cycle(serve: Serve, number: bytes) -> None:
    port = serve(answering((200, "application/json", b'{"load": %s}' % number)))
    health, why, answered = the(looked(seen([port]), expect="ceil(load) < `3`"))
    assert (health, answered) == ("unhealthy", True)
    assert why.startswith("ceil(load) < `3` cannot be asked of the answer: ")


def test_where_nobody_listens_nothing_has_answered() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        found = looked(seen([free.getsockname()[1]]))
    assert the(found) == ("unhealthy", "no connection, or it was closed without an answer", False)


def test_one_that_hangs_costs_no_more_than_the_timeout(serve: Serve) -> None:
    def late(_path: str, _parameters: dict[str, str]) -> Answer:
        time.sleep(2)  # what is tested is that nobody waits for this
        return as_json({})

    began = time.monotonic()
    assert the(looked(seen([serve(late)]))) == ("unhealthy", "no answer within 0.5 s", False)
    assert time.monotonic() - began < 1.5


def test_headers_without_end_cost_no_more_than_the_timeout_and_leave_no_thread_behind() -> None:
    with dripping(socket.create_server(("127.0.0.1", 0))) as server:
        found = looked(seen([server.getsockname()[1]], tasks=40))
        assert {one.why for one in found.values()} == {"no answer within 0.5 s"}
        until("no thread to be left", lambda: not [t for t in threading.enumerate() if t.name.startswith("health")])


def test_an_answer_without_end_is_not_read_to_its_end(serve: Serve) -> None:
    port = serve(answering((200, "text/plain", b"x" * (MOST_BYTES + 1))))
    health, why, answered = the(looked(seen([port])))
    assert (health, answered) == ("unhealthy", False)
    assert why.startswith("no usable answer: the answer is larger than 65536 bytes")


def test_a_redirect_is_an_answer_and_is_not_followed(serve: Serve) -> None:
    asked: list[str] = []

    def away(path: str, _parameters: dict[str, str]) -> Answer:
        asked.append(path)
        return 301, "text/plain", b""

    assert the(looked(seen([serve(away)])))[0] is Health.HEALTHY
    assert asked == ["/health"]


def test_a_task_that_has_just_started_is_starting(serve: Serve) -> None:
    port = serve(answering((503, "text/plain", b"")))
    assert the(looked(seen([port], age=50), start_period=60))[0] is Health.STARTING
    assert the(looked(seen([port], age=70), start_period=60))[0] is Health.UNHEALTHY


def test_what_cannot_be_asked_at_a_port_of_its_own_is_unknown(serve: Serve) -> None:
    port = serve(answering(as_json({})))
    assert looked(seen([])) == {}
    assert looked(seen([port]), endpoint=":9090/") == {}
    assert len(looked(seen([port]), endpoint="/")) == 1
    assert looked(seen([port, port]), endpoint="/") == {}, "which of the two?"


def test_tasks_that_do_not_run_on_a_node_that_is_up_are_not_asked(serve: Serve) -> None:
    view = seen([serve(answering(as_json({})))])
    down = replace(view, nodes=tuple(replace(node, state=NodeState.DOWN) for node in view.nodes))
    pending = replace(view, tasks=tuple(replace(task, state=TaskState.STARTING) for task in view.tasks))
    assert looked(down) == {}
    assert looked(pending) == {}


def test_nobody_is_asked_who_is_not_healed(serve: Serve) -> None:
    asked: list[str] = []
    port = serve(lambda path, _parameters: (asked.append(path), as_json({}))[1])
    view = seen([port], labels={"health.endpoint": ":8080/health"})
    for policy in ({}, {"enabled": False, "services": {"web": {"heal": {}}}}):
        HealthChecks(lambda _node: "127.0.0.1").look(parse_policy(policy, "f.yml"), view, {})
    assert asked == []
    HealthChecks(lambda _node: "127.0.0.1").look(parse_policy({"services": {"web": {"heal": {}}}}, "f.yml"), view, {})
    assert asked == ["/health"]


def test_many_that_hang_cost_a_look_no_more_than_three_timeouts_and_the_next_look_goes_on(serve: Serve) -> None:
    def late(_path: str, _parameters: dict[str, str]) -> Answer:
        time.sleep(1)
        return as_json({})

    policy = parse_policy({"services": {"web": {"heal": {}, "health": {"endpoint": ":8080/"}}}}, "f.yml")
    checks = HealthChecks(lambda _node: "127.0.0.1", seconds=0.2)
    view = seen([serve(late)], tasks=120)
    began = time.monotonic()
    first = set(checks.look(policy, view, {}).health)
    assert time.monotonic() - began < 2
    assert len(first) < 120, "the others are unknown"
    second = set(checks.look(policy, view, {}).health)
    assert second - first


def sample(**by_task: float | None) -> dict[tuple[str, str], Sample]:
    readings = {name.replace("_", "."): Reading(value, NOW, "q") for name, value in by_task.items()}
    return {("web", HEALTH): Sample(by_task=readings)}


@pytest.mark.parametrize(
    ("value", "health"), [(1, Health.HEALTHY), (0, Health.UNHEALTHY), (None, None), (0.5, None), (-1, None)]
)
def test_prometheus_says_one_or_nought_and_anything_else_is_unknown(value: float | None, health: Health | None) -> None:
    found = looked(seen([]), sample(web_1=value), query="up", endpoint="/")
    assert [one.health for one in found.values()] == ([] if health is None else [health])


def test_without_an_answer_of_prometheus_nothing_is_known() -> None:
    assert looked(seen([]), {("web", HEALTH): Sample(whole=Reading(None, NOW, "q", "no series"))}, query="up") == {}
    assert looked(seen([]), {}, query="up") == {}


def test_of_a_task_that_has_both_the_endpoint_is_asked(serve: Serve) -> None:
    port = serve(answering((503, "text/plain", b"")))
    assert the(looked(seen([port]), sample(web_1=1), query="up"))[1] == "status 503"


def test_a_clock_that_is_behind_ours_makes_no_task_old(serve: Serve) -> None:
    view = seen([serve(answering((503, "text/plain", b"")))])
    ahead = replace(view, tasks=tuple(replace(task, state_at=NOW + timedelta(seconds=30)) for task in view.tasks))
    assert the(looked(ahead, start_period=10))[0] is Health.STARTING
