# SPDX-License-Identifier: GPL-3.0-or-later
"""The history behind strategy `predictive`: a learner for each service and metric, which lives across cycles.

It is filled from Prometheus, a day at a time and within a budget of each cycle, and then taught what the cycles read.
What was missed for longer than a moment (the lease was elsewhere, Prometheus was away) is asked for afterwards.
Whatever is unknown teaches nothing (S1), and everything is bounded (S25): points, bytes and seconds of each answer,
seconds of each cycle, attempts at each day.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Protocol

from swarmherd.decide.predict import MISSED_SECONDS, Foreseen, Learner, foreseen
from swarmherd.decide.words import duration
from swarmherd.model import EMPTY, MetricQuery, Outlook, Sample, Service
from swarmherd.observe.stretches import Stretch
from swarmherd.policy import Policy

SHORTEST_STEP_SECONDS, LONGEST_STEP_SECONDS = 15.0, 60.0
"""Shorter ones teach no more, and of longer ones there may be none in what was missed."""
CHUNK_SECONDS = 86400.0
BACK_SECONDS = 60.0
"""A clock that goes back further has the history read anew: what was learned of a time to come is wrong."""
ATTEMPTS = 3
"""A stretch that cannot be read so often, while the service's present is known, is passed over."""
LEAD_SECONDS = 900.0
"""How long a measured start-up time is taken as it is."""
NEAR_LEAD = 0.25
"""A start-up time that changed by less does not have the history read anew."""


class Past(Protocol):
    """Who knows what was: `observe.prometheus.Prometheus` on a live cluster."""

    def stretch(self, promql: str, start: float, end: float, step_seconds: float) -> Stretch:
        """From `start` to `end` (seconds since the epoch, both included), step by step; never raises."""


@dataclass(slots=True)
class _History:
    """What is known of one metric's past, up to `until` (seconds since the epoch)."""

    wanted: Foreseen
    begin: float
    until: float
    learner: Learner = field(init=False)
    failures: int = 0
    problem: str = ""

    def __post_init__(self) -> None:
        self.learner = Learner(self.wanted.aim)

    @classmethod
    def of(cls, wanted: Foreseen, now: float, step_seconds: float) -> _History:
        begin = math.ceil((now - wanted.history_seconds) / step_seconds) * step_seconds
        return cls(wanted, begin, begin)

    def serves(self, wanted: Foreseen, now: float) -> bool:
        """Whether what was learned still is what is wanted to be learned."""
        had = self.wanted.aim
        near = abs(wanted.aim.lead_seconds - had.lead_seconds) <= NEAR_LEAD * had.lead_seconds
        same = replace(wanted, aim=replace(wanted.aim, lead_seconds=had.lead_seconds)) == self.wanted
        return near and same and now >= self.until - BACK_SECONDS

    def caught_up(self, now: float) -> bool:
        return now - self.until <= MISSED_SECONDS

    def see(self, at: float, value: float) -> Outlook:
        """Headroom is learned from the outlooks that were given: so one is asked for with each reading."""
        self.learner.see(at, value)
        return self.learner.outlook(at)

    def unread(self, now: float) -> str:
        """Why there is no outlook yet."""
        if self.problem:
            return f"its history cannot be read: {self.problem}"
        return f"its history is still being read, {duration(now - self.until)} of {duration(now - self.begin)} are left"


class Histories:
    """The learners of one cluster."""

    def __init__(
        self,
        prometheus: Past,
        measured_lead: Callable[[str], float | None],
        budget_seconds: float,
        interval_seconds: float,
    ) -> None:
        """`interval_seconds`: from one cycle to the next. What is read afterwards comes in the same steps: a level
        that was fitted to other ones would weigh what it sees wrongly."""
        self._prometheus, self._measured_lead = prometheus, measured_lead
        self._step_seconds = min(LONGEST_STEP_SECONDS, max(SHORTEST_STEP_SECONDS, interval_seconds))
        self.budget_seconds = budget_seconds
        """For all range reads of a cycle; the read in hand is finished, within Prometheus' own timeout."""
        self._histories: dict[tuple[str, str], _History] = {}
        self._leads: dict[str, tuple[float, float | None]] = {}

    def outlooks(
        self,
        policy: Policy,
        services: Sequence[Service],
        asked: Sequence[MetricQuery],
        samples: Mapping[tuple[str, str], Sample],
        now: datetime,
    ) -> Mapping[tuple[str, str], Outlook]:
        """What is to be expected of every metric that is to be foretold. Never raises for what Prometheus says."""
        at = now.timestamp()
        self._leads = {service: lead for service, lead in self._leads.items() if _serves(lead[0], at)}
        wanted = foreseen(policy, services, asked, lambda service: self._lead(service, at))
        if not wanted:
            self._histories.clear()
            return EMPTY
        self._keep(wanted, at)
        deadline = time.monotonic() + self.budget_seconds
        return MappingProxyType(
            {one.key: self._outlook(self._histories[one.key], samples.get(one.key), at, deadline) for one in wanted}
        )

    def _keep(self, wanted: Sequence[Foreseen], at: float) -> None:
        """Those that serve on, and new ones for the others."""
        had, self._histories = self._histories, {}
        for one in wanted:
            before = had.get(one.key)
            self._histories[one.key] = (
                before if before and before.serves(one, at) else _History.of(one, at, self._step_seconds)
            )

    def _outlook(self, history: _History, sample: Sample | None, at: float, deadline: float) -> Outlook:
        reading = sample.whole if sample is not None else None
        if reading is None or reading.value is None:  # decide is blind now: the past can wait
            return Outlook(0.0, 0.0, problem="the present demand is unknown")
        while not history.caught_up(at) and time.monotonic() < deadline and self._read(history, at):
            pass
        if not history.caught_up(at):
            return Outlook(0.0, 0.0, problem=history.unread(at))
        history.until = max(history.until, at)
        return history.see(at, reading.value)

    def _read(self, history: _History, now: float) -> bool:
        """Reads the next stretch; whether another may follow in this cycle."""
        step = self._step_seconds
        start = math.floor(history.until / step + 1) * step
        end = min(start + CHUNK_SECONDS, math.floor(now / step) * step)
        found = self._prometheus.stretch(history.wanted.query.promql, start, end, step)
        history.problem = found.problem
        if found.problem:
            history.failures += 1
            if history.failures < ATTEMPTS:
                return False
        for at, value in found.points:
            history.see(at, value)
        history.until, history.failures = end, 0
        return not found.problem

    def _lead(self, service: str, at: float) -> float | None:
        asked_at, lead = self._leads.get(service, (-math.inf, None))
        if not _serves(asked_at, at):
            lead = self._measured_lead(service)
            self._leads[service] = at, lead
        return lead


def _serves(asked_at: float, at: float) -> bool:
    """Whether a start-up time that was asked for then is taken as it is."""
    return 0 <= at - asked_at < LEAD_SECONDS
