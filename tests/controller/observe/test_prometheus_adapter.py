# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever Prometheus says that is not one fresh finite number is unknown, with its reason (S1)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from swarmherd.model import MetricQuery, MetricScope
from swarmherd.observe.prometheus import AT_ONCE, MAX_BYTES, Prometheus

from tests.controller.conftest import Answer, Metrics, as_json, vector

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
AT = NOW.timestamp()
WHOLE = MetricQuery("web", "query:0", "sum(load)", MetricScope.SERVICE)
TASKS = MetricQuery("web", "cpu", "cpu", MetricScope.TASK, "task")


def test_one_fresh_number_is_known(prometheus: Prometheus, metrics: Metrics) -> None:
    reading = prometheus.query("sum(load)", NOW)
    assert (reading.value, reading.at, reading.source, reading.problem) == (50.0, NOW, "sum(load)", "")
    asked = metrics.asked[-1]
    assert float(asked["time"]) == AT
    assert asked["lookback_delta"] == "45s"
    assert asked["timeout"] == "500ms"


def test_a_scalar_is_a_number_too(prometheus: Prometheus, metrics: Metrics) -> None:
    metrics.answer = lambda _: as_json({"status": "success", "data": {"resultType": "scalar", "result": [AT, "7"]}})
    assert prometheus.query("scalar(x)", NOW).value == 7


def late(_query: dict[str, str]) -> Answer:
    time.sleep(1.5)  # what is tested is that nobody waits for this
    return vector([({}, "1")], AT)


def html(_query: dict[str, str]) -> Answer:
    return 200, "text/html", b"<html><body>Please log in</body></html>"


def result(found: object) -> Answer:
    return as_json({"status": "success", "data": {"resultType": "vector", "result": found}})


BAD: dict[str, tuple[Callable[[dict[str, str]], Answer], str]] = {
    "empty": (lambda _: vector([], AT), "no series"),
    "several": (lambda _: vector([({"a": "1"}, "1"), ({"a": "2"}, "2")], AT), "2 series where one is expected"),
    "nan": (lambda _: vector([({}, "NaN")], AT), "the value is nan"),
    "infinite": (lambda _: vector([({}, "+Inf")], AT), "the value is inf"),
    "no number": (lambda _: vector([({}, "many")], AT), "the answer holds no number"),
    "stale": (lambda _: vector([({}, "1")], AT - 46), "stale: the answer is of 2026-03-01 11:59:14 UTC"),
    "from the future": (lambda _: vector([({}, "1")], AT + 46), "stale"),
    "more than there is": (lambda _: vector([({}, "1e308")], AT), "the value is 1e+308"),
    "at no time": (lambda _: vector([({}, "1")], 1e300), "stale: the answer is of no time that there is"),
    "at a time without number": (lambda _: vector([({}, "1")], float("nan")), "stale"),
    "no pair": (lambda _: result([{"metric": {}, "value": 7}]), "the answer holds no number"),
    "a pair of nothing": (lambda _: result([AT, None]), "the answer holds no number"),
    "a number without end": (lambda _: result([{"metric": {}, "value": [10**400, "1"]}]), "the answer holds no number"),
    "labels that are none": (lambda _: result([{"metric": [1], "value": [AT, "1"]}]), "no instant vector"),
    "nested without end": (
        lambda _: (200, "application/json", b"[" * 100_000),
        "not Prometheus' JSON: it is nested too deep",
    ),
    "html": (html, "not Prometheus' JSON"),
    "json of another kind": (lambda _: as_json(["hello"]), "not Prometheus' JSON"),
    "no data": (lambda _: as_json({"status": "success"}), "not Prometheus' JSON"),
    "matrix": (
        lambda _: as_json({"status": "success", "data": {"result": [{"metric": {}, "values": []}]}}),
        "no instant vector",
    ),
    "error 400": (lambda _: as_json({"status": "error", "error": "parse error"}, 400), "parse error"),
    "error 503": (lambda _: (503, "text/plain", b"starting up"), "starting up"),
    "warning": (lambda _: vector([({}, "1")], AT, warnings=["a shard is away"]), "incomplete: a shard is away"),
    "too large": (lambda _: (200, "application/json", b" " * (MAX_BYTES + 1)), "larger than"),
    "late": (late, "no answer within 0.5 s"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_answer_is_unknown_and_says_why(prometheus: Prometheus, metrics: Metrics, name: str) -> None:
    metrics.answer, problem = BAD[name]
    reading = prometheus.query("sum(load)", NOW)
    assert reading.value is None
    assert problem in reading.problem


@pytest.mark.parametrize("name", BAD)
def test_a_bad_answer_ends_no_cycle(prometheus: Prometheus, metrics: Metrics, name: str) -> None:
    """Each question by itself is unknown, whatever it was about."""
    usual = metrics.answer
    metrics.answer = lambda asked: (
        BAD[name][0](asked) if "load" in asked["query"] or "cpu" in asked["query"] else usual(asked)
    )
    found = prometheus.sample((WHOLE, TASKS), NOW)
    for sample in found.values():
        readings = [sample.whole] if sample.whole else list(sample.by_task.values())
        assert all(reading.value is None and reading.problem for reading in readings)
    assert len(found) == 2


def test_hints_among_the_warnings_do_no_harm(prometheus: Prometheus, metrics: Metrics) -> None:
    metrics.answer = lambda _: vector([({}, "1")], AT, warnings=["PromQL info: might not be a counter"])
    assert prometheus.query("rate(x[1m])", NOW).value == 1


def test_a_byte_now_and_then_does_not_hold_a_cycle_up() -> None:
    """The deadline is for the whole answer, not for each read of the socket."""
    import socket
    import threading

    listener = socket.create_server(("127.0.0.1", 0))

    def drip() -> None:
        connection, _address = listener.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            try:
                for _drop in range(200):
                    connection.sendall(b" " * 10)
                    time.sleep(0.05)
            except OSError:  # the reader has given up, as it should
                return

    threading.Thread(target=drip, daemon=True).start()
    prometheus = Prometheus(f"http://127.0.0.1:{listener.getsockname()[1]}", 0.5, 15)
    started = time.monotonic()
    reading = prometheus.query("up", NOW)
    assert reading.value is None
    assert time.monotonic() - started < 3
    listener.close()


def test_nobody_there_is_unknown() -> None:
    reading = Prometheus("http://127.0.0.1:1", 0.5, 15).query("up", NOW)
    assert (reading.value, reading.problem) == (None, "Prometheus cannot be reached")


def test_nothing_is_believed_of_a_prometheus_that_stopped_scraping(prometheus: Prometheus, metrics: Metrics) -> None:
    metrics.up_age_seconds = 46
    sample = prometheus.sample([WHOLE], NOW)["web", "query:0"]
    assert sample.whole is not None
    assert sample.whole.value is None
    assert sample.whole.problem == "stale: Prometheus' newest scrape is 46 s old"


def test_a_query_per_task_answers_one_reading_per_task(prometheus: Prometheus, metrics: Metrics) -> None:
    metrics.answer = lambda _: vector(
        [({"task": "a"}, "1"), ({"task": "b"}, "NaN"), ({"task": "c"}, "3"), ({"task": "c"}, "4")], AT
    )
    by_task = prometheus.sample([TASKS], NOW)["web", "cpu"].by_task
    assert by_task["a"].value == 1
    assert by_task["b"].problem == "the value is nan"
    assert by_task["c"].problem == "2 series where one is expected"


def test_a_query_per_task_without_its_label_is_unknown_as_a_whole(prometheus: Prometheus, metrics: Metrics) -> None:
    metrics.answer = lambda _: vector([({"other": "a"}, "1")], AT)
    sample = prometheus.sample([TASKS], NOW)["web", "cpu"]
    assert not sample.by_task
    assert sample.whole is not None
    assert sample.whole.problem == "a series carries no label task"


@pytest.mark.parametrize(
    ("version", "asked"),
    [
        ("2.42.0+ds", f"(load and timestamp(load) >= {AT - 45:.3f})"),
        ("2.43.0", "load"),
        ("3.1.0-rc.1", "load"),
        ("", "load"),
    ],
)
def test_an_old_server_is_asked_for_fresh_samples_in_the_query_itself(
    prometheus: Prometheus, metrics: Metrics, version: str, asked: str
) -> None:
    metrics.version = version
    sample = prometheus.sample([MetricQuery("web", "q", "load", MetricScope.SERVICE)], NOW)["web", "q"]
    assert metrics.asked[-1]["query"] == asked
    assert sample.whole is not None
    assert (sample.whole.value, sample.whole.source) == (50, "load")


def test_a_prometheus_that_hangs_costs_a_cycle_no_more_than_three_timeouts(
    prometheus: Prometheus, metrics: Metrics
) -> None:
    metrics.answer = late
    queries = [MetricQuery(f"s{i}", "q", f"q{i}", MetricScope.SERVICE) for i in range(30)]
    started = time.monotonic()
    samples = prometheus.sample(queries, NOW)
    assert time.monotonic() - started < 4 * 0.5 + 0.5
    assert len(samples) == 30
    assert all(s.whole is not None and s.whole.value is None for s in samples.values())
    assert samples["s29", "q"].whole.problem.startswith("not asked")  # type: ignore[union-attr]  # asserted above
    assert prometheus.trouble == "no answer within 0.5 s"


def test_more_queries_than_a_cycle_has_time_for_are_no_trouble_and_each_has_its_turn(
    prometheus: Prometheus, metrics: Metrics
) -> None:
    lock = threading.Lock()
    under_way: list[int] = [0]

    def steady(_query: dict[str, str]) -> Answer:
        with lock:
            under_way.append(under_way[-1] + 1)
        time.sleep(0.1)
        with lock:
            under_way.append(under_way[-1] - 1)
        return vector([({}, "1")], AT)

    metrics.answer = steady
    queries = [MetricQuery(f"s{i}", "q", f"q{i}", MetricScope.SERVICE) for i in range(100)]
    known: set[tuple[str, str]] = set()
    for cycle in range(10):
        samples = prometheus.sample(queries, NOW)
        assert list(samples) == [(query.service, query.metric) for query in queries]
        answered = {key for key, sample in samples.items() if sample.whole is not None and sample.whole.value == 1}
        assert answered - known, f"cycle {cycle} begins where the one before stopped"
        assert prometheus.trouble == ""
        known |= answered
        if len(known) == len(queries):
            break
    assert len(known) == len(queries)
    assert cycle > 0, "one cycle is too short for all"
    assert max(under_way) == AT_ONCE


def test_the_answer_is_as_old_as_the_instant_that_was_asked_for(prometheus: Prometheus) -> None:
    before = NOW - timedelta(days=2)
    assert prometheus.query("sum(load)", before).at == before
