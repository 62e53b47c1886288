# SPDX-License-Identifier: GPL-3.0-or-later
"""Fills `ClusterView.health`: what the checks of tasks say that are to be healed.

What can be known, and from where:

- **Docker's own health check** needs nothing here. A task becomes *running* only when its container is healthy, and one
  that turns unhealthy is ended and replaced by Swarm within the moment (swarmkit, agent/exec/container; the task then
  says *unhealthy container*). A manager's API never shows a task that runs and is unhealthy.
- **An endpoint** is asked by GET at the port that the task has published in host mode, on its node's address. That is
  the only address of one task that can be reached from outside of its overlay network: the routing mesh answers for any
  of them, and an overlay's own addresses are nobody's outside, or somebody else's.
- **A query** is Prometheus' word, one series per task: a blackbox exporter on the overlay, the service's own metric,
  cAdvisor's `container_health_state`. Prometheus is believed as ever (S1).

Every look is bounded (S25): so many at once, each with a timeout, all with a deadline, answers of 64 KiB at most, no
redirects, no proxies. What could not be asked is missing in the answer, and so unknown.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as LateError
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType

import jmespath
import requests
from jmespath.exceptions import JMESPathError

from swarmherd.model import (
    ClusterView,
    Health,
    Node,
    NodeState,
    Reading,
    Sample,
    Task,
    TaskHealth,
    TaskState,
)
from swarmherd.observe.bounded import BoundedAnswers
from swarmherd.policy import HEALTH, HealthKeys, Policy, address_of, service_wishes

AT_ONCE = 16
MOST_BYTES = 64 * 1024
MOST_SECONDS = 2.0
"""For one answer; a look takes three times that at most."""
SHOWN = 80
AddressOf = Callable[[Node], str]
"""Where a node is reached from here; empty where that is not known."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One task's endpoint."""

    task: Task
    url: str
    keys: HealthKeys


class HealthChecks:
    """The checks of one cluster. Where there are more than can be asked in a look, the next one goes on from there."""

    def __init__(self, address_of_node: AddressOf = lambda node: node.address, seconds: float = MOST_SECONDS) -> None:
        self._address = address_of_node
        self._seconds = seconds
        self._next = 0

    def look(self, policy: Policy, view: ClusterView, samples: Mapping[tuple[str, str], Sample]) -> ClusterView:
        """`view` with the health of its tasks. Where a task has both, an endpoint's word comes before a query's."""
        asked: list[Asked] = []
        health: dict[str, TaskHealth] = {}
        for task, keys in _checked(policy, view):
            if (url := self._url(view, task, keys)) is not None:
                asked.append(Asked(task, url, keys))
            elif keys.query is not None:
                health |= _told(task, keys, samples.get((task.service, HEALTH)), view.at)
        health |= self._answers(asked, view.at)
        return replace(view, health=MappingProxyType(health)) if health else view

    def _url(self, view: ClusterView, task: Task, keys: HealthKeys) -> str | None:
        """None where there is no port of this very task to ask at."""
        node = view.node(task.node_id)
        if keys.endpoint is None or node is None:
            return None
        port, path = address_of(keys.endpoint)
        published = [outside for inside, outside in task.host_ports if port in (None, inside)]
        host = self._address(node)
        if len(published) != 1 or not host:
            return None
        return f"http://{f'[{host}]' if ':' in host else host}:{published[0]}{path}"

    def _answers(self, asked: list[Asked], now: datetime) -> dict[str, TaskHealth]:
        if not asked:
            return {}
        first = self._next % len(asked)
        deadline = time.monotonic() + 3 * self._seconds
        pool = ThreadPoolExecutor(min(AT_ONCE, len(asked)), thread_name_prefix="health")
        try:
            turns = [*asked[first:], *asked[:first]]
            running = [(one, pool.submit(self._ask, one, now)) for one in turns]
            found = {one.task.id: answer for one, future in running if (answer := _in_time(future, deadline))}
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        self._next = 0 if len(found) == len(asked) else first + len(found)
        return found

    def _ask(self, one: Asked, now: datetime) -> TaskHealth:
        with BoundedAnswers() as session:
            session.max_bytes, session.max_seconds = MOST_BYTES, self._seconds
            session.trust_env = False
            try:
                answer = session.get(one.url, timeout=self._seconds)
            except requests.RequestException as error:
                return _ill(one, now, _explained(error, self._seconds), answered=False)
        why = _amiss(answer, one.keys.expect)
        return _ill(one, now, why) if why else TaskHealth(Health.HEALTHY, now, one.url)


def _checked(policy: Policy, view: ClusterView) -> Iterator[tuple[Task, HealthKeys]]:
    """The tasks that run on a node which is up, of services that are healed and have a check."""
    if not policy.enabled:
        return
    wishes = service_wishes(policy, view.services)
    up = {node.id for node in view.nodes if node.state is NodeState.READY}
    for task in view.tasks:
        keys = wishes.of(task.service).health
        if keys is not None and task.desired is task.state is TaskState.RUNNING and task.node_id in up:
            yield task, keys


def _in_time(future: Future[TaskHealth], deadline: float) -> TaskHealth | None:
    try:
        return future.result(max(0.0, deadline - time.monotonic()))
    except LateError:
        return None


def _amiss(answer: requests.Response, expect: str | None) -> str:
    """What is wrong with an answer, in a few words; empty where nothing is."""
    if answer.status_code >= requests.codes.bad_request:
        return f"status {answer.status_code}"
    if expect is None:
        return ""
    try:
        document = json.loads(answer.content)
    except (ValueError, RecursionError):
        return "the answer is not JSON"
    try:
        found = jmespath.search(expect, document)
        return "" if found is True else f"{expect[:SHOWN]} is {json.dumps(found, default=str)[:SHOWN]}"
    except (JMESPathError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
        # ValueError and ArithmeticError: `ceil` and `floor` of what is JSON to Python alone, NaN and infinity
        return f"{expect} cannot be asked of the answer: {error}"[:SHOWN]


def _explained(error: requests.RequestException, seconds: float) -> str:
    if isinstance(error, requests.Timeout):
        return f"no answer within {seconds:g} s"
    if isinstance(error, requests.ConnectionError):
        return "no connection, or it was closed without an answer"
    return f"no usable answer: {error}"[:SHOWN]


def _ill(one: Asked, now: datetime, why: str, answered: bool = True) -> TaskHealth:
    health = Health.STARTING if _young(one.task, one.keys, now) else Health.UNHEALTHY
    return TaskHealth(health, now, one.url, why, answered)


def _young(task: Task, keys: HealthKeys, now: datetime) -> bool:
    """By the node's clock against ours, so that a task of the future is young too."""
    return now - task.state_at < timedelta(seconds=keys.start_period)


def _told(task: Task, keys: HealthKeys, sample: Sample | None, now: datetime) -> dict[str, TaskHealth]:
    """What Prometheus says of one task: 1 or more is healthy, 0 is not; anything else, and nothing, is unknown (S1)."""
    reading: Reading | None = None if sample is None else sample.by_task.get(task.id)
    if reading is None or reading.value is None or not (reading.value == 0 or reading.value >= 1):
        return {}
    if reading.value >= 1:
        return {task.id: TaskHealth(Health.HEALTHY, reading.at, "prometheus")}
    ill = Health.STARTING if _young(task, keys, now) else Health.UNHEALTHY
    return {task.id: TaskHealth(ill, reading.at, "prometheus", "the query of its health answers 0")}
