# SPDX-License-Identifier: GPL-3.0-or-later
"""The policy on trial: a cluster of one service in memory, decided about by the very functions that decide live."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from swarmherd.decide.memory import remember_result, remembered
from swarmherd.decide.predict import Aim, Learner
from swarmherd.decide.scale import scale
from swarmherd.decide.situation import Situation
from swarmherd.model import (
    EMPTY,
    Action,
    Decision,
    Memory,
    Outcome,
    Outlook,
    Reading,
    Result,
    Sample,
    Service,
    ServiceMemory,
    Task,
    TaskState,
)
from swarmherd.policy import Policy, ScaleKeys, ScalePolicy, Strategy
from swarmherd.policy.metrics import RatesMetric, RequestsMetric, named
from swarmherd.policy.queries import REQUESTS, RESPONSES
from swarmherd.simulate.account import Account
from swarmherd.simulate.opponents import AIM
from swarmherd.simulate.trace import STEP_SECONDS, Flags, Points

NAME = "service"
REQUESTS_PER_REPLICA = "requests_per_replica"
SOURCE = "trace"
LATEST_SECOND = 4_000_000_000.0
"""Later times than this (2096) are no seconds since the epoch; the trace is then taken to begin at it."""
_STEP = timedelta(seconds=STEP_SECONDS)


class Trial:
    """A `Scaler` that decides as the controller does. `scale_keys` are what stands under a service's `scale:`."""

    def __init__(
        self,
        policy: ScalePolicy,
        keys: ScaleKeys,
        account: Account,
        first_second: float = 0.0,
        blind: Flags | None = None,
        before: Points = (),
    ) -> None:
        """`blind`: the steps at which the metric is not there; `before`: what was read earlier."""
        self._scale, self._keys, self._account = policy, keys, account
        self._blind = None if blind is None else blind.tolist()
        self._cluster = Policy()
        self._first_second = first_second if 0 <= first_second <= LATEST_SECOND else 0.0
        self._begin = datetime.fromtimestamp(self._first_second, UTC)
        self._service = Service("id", NAME, 1, 1, self._begin)
        self._memory = ServiceMemory(last_version=1)
        self._tasks: dict[tuple[int, int], tuple[tuple[Task, ...], tuple[Task, ...]]] = {}
        self._made: dict[tuple[int, TaskState], Task] = {}
        self._rated = any(isinstance(metric, RatesMetric) for metric in policy.metrics)
        self._asked = [name for name, _metric in named(policy.metrics)]
        self._learner = self._learning()
        if self._learner is not None:
            for at, value in before:
                self._learner.see(at, value)
                self._learner.outlook(at)
        self.decisions: list[Decision] = []
        """Those that changed the count."""

    def first(self, value: float) -> int:
        count = math.ceil(value / (AIM * self._account.capacity) - 1e-9)
        count = min(self._scale.max, max(1, self._scale.min, count))
        self._service = replace(self._service, replicas=count)
        return count

    def decide(self, step: int, metric: float, count: int, ready: int) -> int:
        now = self._begin + step * _STEP
        if self._blind is not None and self._blind[step]:
            metric = math.nan
        tasks, running = self._tasks_of(count, ready)
        situation = Situation(
            service=self._service,
            replicas=count,
            scale=self._scale,
            policy=self._cluster,
            memory=self._memory,
            pauses=(),
            tasks=tasks,
            running=running,
            failures=(),
            samples=self._samples(metric, ready, now),
            now=now,
            outlooks=self._outlooks(metric, self._first_second + step * STEP_SECONDS),
        )
        decision = scale(situation)
        self._memory = remembered(self._memory, decision, self._keys, now)
        if decision.then is None or decision.then == count:
            return count
        self._enacted(decision, count, decision.then, now)
        return decision.then

    def _learning(self) -> Learner | None:
        metric = next((m for m in self._scale.metrics if isinstance(m, RequestsMetric)), None)
        if self._scale.strategy is not Strategy.PREDICTIVE or metric is None or metric.rule.target is None:
            return None
        ahead, target = self._scale.ahead, metric.rule.target
        lead = self._account.startup_seconds if ahead.lead is None else ahead.lead
        return Learner(Aim(target, target * ahead.full / 100, lead, ahead.spend / 100, self._scale.min))

    def _outlooks(self, metric: float, at: float) -> Mapping[tuple[str, str], Outlook]:
        if self._learner is None:
            return EMPTY
        self._learner.see(at, metric)
        return {(NAME, REQUESTS_PER_REPLICA): self._learner.outlook(at)}

    def _samples(self, metric: float, ready: int, now: datetime) -> Mapping[tuple[str, str], Sample]:
        asked = Sample(Reading(metric, now, SOURCE))
        samples = {(NAME, name): asked for name in self._asked}
        if self._rated:
            served = Sample(Reading(min(metric, ready * self._account.capacity), now, SOURCE))
            samples |= {(NAME, REQUESTS): asked, (NAME, RESPONSES): served}
        return samples

    def _tasks_of(self, count: int, ready: int) -> tuple[tuple[Task, ...], tuple[Task, ...]]:
        """What Swarm wants running, and those of it that run: the others are starting."""
        if (count, ready) not in self._tasks:
            running = tuple(self._task(slot, TaskState.RUNNING) for slot in range(ready))
            starting = tuple(self._task(slot, TaskState.STARTING) for slot in range(ready, count))
            self._tasks = {(count, ready): (running + starting, running)}
        return self._tasks[count, ready]

    def _task(self, slot: int, state: TaskState) -> Task:
        """Long in its state: what is answered is told here of the replicas that are there, and of no window."""
        if (slot, state) not in self._made:
            since = self._begin - timedelta(hours=1)
            made = Task(f"t{slot}", NAME, slot, "node", state, TaskState.RUNNING, since, since)
            self._made[slot, state] = made
        return self._made[slot, state]

    def _enacted(self, decision: Decision, before: int, after: int, now: datetime) -> None:
        """The count is written as our own playbook writes it, and remembered so."""
        self.decisions.append(decision)
        version = self._service.version + 1
        self._service = replace(self._service, replicas=after, version=version, updated_at=now)
        parameters = {"swarmherd_replicas": after, "swarmherd_expected_replicas": before}
        action = Action("", "scale", "", NAME, parameters, EMPTY, decision.because)
        result = Result("", Outcome.DONE, "", now, now, version=version)
        self._memory = remember_result(Memory({NAME: self._memory}), action, result).of(NAME)
