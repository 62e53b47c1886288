# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads Prometheus through prometheus-api-client. Whatever is not one fresh finite number is unknown (S1).

How staleness is seen. The answer of an instant query carries the time of its evaluation, not of its samples, so:

- Each query is evaluated at a time that we give, with `lookback_delta` of three scrape intervals: Prometheus 2.43 and
  later then ignore older samples. Older servers ignore the parameter and look back five minutes; for them the query
  itself is limited (`promql.only_fresh`), since a target that sets its own timestamps, as cAdvisor does, leaves
  series behind without the staleness marker that Prometheus writes for others.
- A Prometheus that scrapes nothing any more (restarted, out of disk, its clock off) is found by the age of the newest
  `up`, asked once per cycle. Without a fresh `up` nothing that it says is believed.
- An answer that carries another time than the one asked for, as a cache in between may give it, is stale too.

A few queries are under way at once, each over a session of its own thread's: `requests` promises nothing to threads
that share one.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import requests
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException
from urllib3.util.retry import Retry

from swarmherd.model import MetricQuery, MetricScope, Reading, Sample
from swarmherd.observe.bounded import AnswerTooLarge, BoundedAnswers
from swarmherd.observe.promql import only_fresh
from swarmherd.observe.stretches import MOST_POINTS, NOT_PROMETHEUS, Stretch, believable, stretch_of

STALE_INTERVALS = 3
LOOKBACK_VERSION = (2, 43)
"""The first that takes `lookback_delta` with a query."""
MAX_BYTES = 4 * 1024 * 1024
AT_ONCE = 4
"""Queries: a server answers 20 at once unless told, and has others to answer as well."""
FRESHNESS = "max(timestamp(up))"
NO_ANSWER = (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError, RecursionError)
"""What is raised for JSON of another shape, or with numbers or a depth that are none."""


class UnusableAnswer(Exception):  # noqa: N818  (caught in this file; it is a reading's problem and no error of ours)
    """Why an answer says nothing, in a few words."""


class _Session(BoundedAnswers):
    """The client's `custom_query` drops warnings, and a warning means that data is missing: they are seen here."""

    max_bytes = MAX_BYTES

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        response = super().send(request, **kwargs)
        if response.is_redirect:
            where = response.headers["location"].partition("/api/v1/query")[0][:200]
            raise UnusableAnswer(f"HTTP {response.status_code} to {where}, which is not followed; name that address")
        if response.ok:
            _refuse_incomplete(response)
        return response


@dataclass(frozen=True, slots=True)
class Series:
    """One series of an instant vector."""

    labels: Mapping[str, str]
    value: float


class Prometheus:
    """One server. `timeout_seconds` bounds each call, three times that all of a cycle's together."""

    def __init__(self, url: str, timeout_seconds: float, scrape_interval_seconds: float) -> None:
        self._timeout = timeout_seconds
        self._stale_seconds = STALE_INTERVALS * scrape_interval_seconds
        self._url, self._version = url.rstrip("/"), (0, 0)
        self._unanswered: list[str] = []
        self._next = 0
        self.trouble = ""
        """Why the server gave no answer when it was last asked for samples; empty where it did, whatever it said."""
        self._session, self._client = self._connected()
        self._clients = [self._client]
        """One for each query that may be under way."""

    def close(self) -> None:
        for client in self._clients:
            client.close()

    def _connected(self) -> tuple[_Session, PrometheusConnect]:
        session = _Session()
        session.max_seconds = self._timeout
        # No retries: the next cycle is the retry. `read=False` lets a timeout be told from a refusal.
        retry = Retry(0, read=False)
        return session, PrometheusConnect(self._url, session=session, retry=retry, timeout=self._timeout)

    def query(self, promql: str, now: datetime) -> Reading:
        """The one number that `promql` answers at `now`, or why there is none."""
        return self._whole(self._client, promql, now)

    def _whole(self, client: PrometheusConnect, promql: str, now: datetime) -> Reading:
        try:
            return Reading(_single(self._vector(client, promql, now)), now, promql)
        except UnusableAnswer as problem:
            return Reading(None, now, promql, str(problem))

    def stretch(self, promql: str, start: float, end: float, step_seconds: float) -> Stretch:
        """What `promql` answered from `start` to `end` (seconds since the epoch, both included), step by step.

        Never raises for what Prometheus says or does not say.
        """
        if (end - start) / step_seconds >= MOST_POINTS:
            return Stretch(problem=f"more than {MOST_POINTS} points at once are not asked for")
        self.version()
        if (0, 0) < self._version < LOOKBACK_VERSION:
            promql = only_fresh(promql, f"time() - {self._stale_seconds:g}")
        begin, until = (datetime.fromtimestamp(at, UTC) for at in (start, end))
        try:
            answer = self._client.custom_query_range(promql, begin, until, f"{step_seconds:g}", self._bounds())
        except UnusableAnswer as problem:
            return Stretch(problem=str(problem))
        except (requests.RequestException, PrometheusApiClientException, *NO_ANSWER) as error:
            return Stretch(problem=self._explained(error))
        return stretch_of(answer, start, end)

    def fresh(self, now: datetime) -> Reading:
        """The age in seconds of the newest scrape, or why nothing that this server says can be believed."""
        newest = self.query(FRESHNESS, now)
        if newest.value is None:
            empty = newest.problem == "no series"
            return Reading(None, now, FRESHNESS, "Prometheus scrapes nothing" if empty else newest.problem)
        age = now.timestamp() - newest.value
        if age > self._stale_seconds:
            return Reading(None, now, FRESHNESS, f"stale: Prometheus' newest scrape is {age:.0f} s old")
        return Reading(age, now, FRESHNESS)

    def version(self) -> tuple[int, int]:
        """The server's version, asked once; (0, 0) while it does not say."""
        if self._version == (0, 0):
            try:
                answer = self._session.get(f"{self._url}/api/v1/status/buildinfo", timeout=self._timeout)
                parts = str(answer.json()["data"]["version"]).split(".")
                self._version = (int(parts[0]), int(parts[1]))
            except (UnusableAnswer, requests.RequestException, *NO_ANSWER):
                return (0, 0)
        return self._version

    def server_time(self) -> datetime | None:
        """The server's own clock, or None when it does not say."""
        try:
            answer = self._client.custom_query("time()")
            return datetime.fromtimestamp(float(answer[1]), UTC)
        except (UnusableAnswer, requests.RequestException, PrometheusApiClientException, *NO_ANSWER):
            return None

    def sample(self, queries: Iterable[MetricQuery], now: datetime) -> Mapping[tuple[str, str], Sample]:
        """Every query's answer, by service and metric. Never raises for what Prometheus says or does not say.

        Those for which there was no time are the first of the next call.
        """
        deadline = time.monotonic() + 3 * self._timeout
        asked = tuple(queries)
        self._unanswered.clear()
        problem = self.fresh(now).problem if asked else ""
        self.trouble = "".join(self._unanswered)
        if not asked or problem:
            return MappingProxyType({(q.service, q.metric): unknown(q, now, problem) for q in asked})
        self.version()
        self._unanswered.clear()
        answers = self._answers(asked, now, deadline)
        if len(answers) < len(asked) and 2 * len(self._unanswered) > len(answers):
            self.trouble = self._unanswered[-1]
        late = f"not asked: Prometheus took more than {3 * self._timeout:g} s for the queries before"
        return MappingProxyType(
            {(q.service, q.metric): answers.get(i) or unknown(q, now, late) for i, q in enumerate(asked)}
        )

    def _answers(self, asked: Sequence[MetricQuery], now: datetime, deadline: float) -> Mapping[int, Sample]:
        """By the query's place. None is begun after the deadline."""
        first = self._next % len(asked)
        turns = iter([*range(first, len(asked)), *range(first)])
        taking = threading.Lock()
        answers: dict[int, Sample] = {}

        def work(client: PrometheusConnect) -> None:
            while True:
                with taking:
                    turn = next(turns, None) if time.monotonic() <= deadline else None
                if turn is None:
                    return
                answers[turn] = self._ask(client, asked[turn], now)

        while len(self._clients) < min(AT_ONCE, len(asked)):
            self._clients.append(self._connected()[1])
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="prometheus") as pool:
            list(pool.map(work, self._clients[: len(asked)]))
        self._next = 0 if len(answers) == len(asked) else first + len(answers)
        return answers

    def _ask(self, client: PrometheusConnect, query: MetricQuery, now: datetime) -> Sample:
        if query.scope is MetricScope.SERVICE:
            return Sample(whole=self._whole(client, query.promql, now))
        try:
            return Sample(by_task=_by_task(self._vector(client, query.promql, now), query, now))
        except UnusableAnswer as problem:
            return unknown(query, now, str(problem))

    def _vector(self, client: PrometheusConnect, promql: str, now: datetime) -> list[Series]:
        parameters = {"time": f"{now.timestamp():.3f}", **self._bounds()}
        try:
            answer = client.custom_query(self._limited(promql, now), params=parameters)
        except (requests.RequestException, PrometheusApiClientException, *NO_ANSWER) as error:
            why = self._explained(error)
            self._unanswered.append(why)
            raise UnusableAnswer(why) from error
        return _series(answer, now.timestamp(), self._stale_seconds)

    def _bounds(self) -> dict[str, str]:
        """How long the server may take, and how far it may look back for a sample."""
        seconds = math.ceil(self._stale_seconds)
        return {"timeout": f"{math.ceil(self._timeout * 1000)}ms", "lookback_delta": f"{seconds}s"}

    def _limited(self, promql: str, now: datetime) -> str:
        """A server that does not say its version is taken to be a newer one."""
        if (0, 0) < self._version < LOOKBACK_VERSION:
            return only_fresh(promql, now.timestamp() - self._stale_seconds)
        return promql

    def _explained(self, error: Exception) -> str:
        if isinstance(error, AnswerTooLarge):
            return str(error)
        if isinstance(error, requests.Timeout):
            return f"no answer within {self._timeout:g} s"
        if isinstance(error, requests.JSONDecodeError | KeyError | TypeError | AttributeError | ArithmeticError):
            return NOT_PROMETHEUS
        if isinstance(error, RecursionError):
            return f"{NOT_PROMETHEUS}: it is nested too deep"
        if isinstance(error, requests.ConnectionError):
            return "Prometheus cannot be reached"
        return f"Prometheus refused: {str(error)[:200]}"


def unknown(query: MetricQuery, now: datetime, problem: str) -> Sample:
    """No answer at all: known as such for the whole service, whatever the query's scope."""
    return Sample(whole=Reading(None, now, query.promql, problem))


def _refuse_incomplete(response: requests.Response) -> None:
    answer = response.json()
    if not isinstance(answer, dict) or answer.get("status") != "success":
        raise UnusableAnswer(NOT_PROMETHEUS)
    # Some versions list mere hints among the warnings; they start with this word.
    warnings = [str(w) for w in answer.get("warnings") or () if not str(w).startswith("PromQL info")]
    if warnings:
        raise UnusableAnswer(f"incomplete: {warnings[0][:200]}")


def _series(answer: Any, asked_at: float, stale_seconds: float) -> list[Series]:
    """An instant vector's series, or a scalar as one series without labels."""
    if not isinstance(answer, list):
        raise UnusableAnswer(NOT_PROMETHEUS)
    if len(answer) == 2 and not isinstance(answer[0], dict):
        return [Series({}, _number(answer, asked_at, stale_seconds))]
    try:
        return [Series(_labels(s["metric"]), _number(s["value"], asked_at, stale_seconds)) for s in answer]
    except NO_ANSWER as error:
        raise UnusableAnswer("the query answers no instant vector") from error


def _labels(metric: Mapping[str, Any]) -> Mapping[str, str]:
    return {name: str(value) for name, value in metric.items()}


def _number(pair: Any, asked_at: float, stale_seconds: float) -> float:
    try:
        at, value = float(pair[0]), float(pair[1])
    except NO_ANSWER as error:
        raise UnusableAnswer("the answer holds no number") from error
    if not abs(asked_at - at) <= stale_seconds:  # so that NaN is no time either
        raise UnusableAnswer(f"stale: the answer is of {_moment(at)}")
    return value


def _moment(at: float) -> str:
    try:
        return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):
        return f"no time that there is, {at:g}"


def _single(series: list[Series]) -> float:
    if not series:
        raise UnusableAnswer("no series")
    if len(series) > 1:
        raise UnusableAnswer(f"{len(series)} series where one is expected")
    value = series[0].value
    if not believable(value):
        raise UnusableAnswer(f"the value is {value}")
    return value


def _by_task(series: list[Series], query: MetricQuery, now: datetime) -> Mapping[str, Reading]:
    """One reading per task or node. Two series for one, or a value that is no number, leave that one unknown."""
    found: dict[str, list[Series]] = {}
    for one in series:
        found.setdefault(one.labels.get(query.task_label, ""), []).append(one)
    if not series:
        raise UnusableAnswer("no series")
    if "" in found:
        raise UnusableAnswer(f"a series carries no label {query.task_label}")
    return MappingProxyType({task: _reading(ones, query.promql, now) for task, ones in found.items()})


def _reading(series: list[Series], source: str, now: datetime) -> Reading:
    try:
        return Reading(_single(series), now, source)
    except UnusableAnswer as problem:
        return Reading(None, now, source, str(problem))
