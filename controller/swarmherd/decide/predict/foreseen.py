# SPDX-License-Identifier: GPL-3.0-or-later
"""Which metrics are to be foretold, and what their learners must know of policy and service."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from swarmherd.decide.predict.learner import Aim
from swarmherd.model import MetricQuery, Service
from swarmherd.policy import Policy, ScalePolicy, Strategy, scale_policies
from swarmherd.policy.merge import target_of_total
from swarmherd.policy.metrics import named

DEFAULT_LEAD_SECONDS = 60.0
LONGEST_LEAD_SECONDS = 3600.0
LEAST_STARTS, LAST_STARTS = 3, 20
"""Fewer scale-ups say nothing, older ones no more."""
USUAL = 0.75
"""A replica that serves later than foreseen costs requests, one that serves sooner a minute of its time."""
USUAL_AGE_SECONDS = 30.0
"""How old a reading is on average: scraped, rated, asked for."""


@dataclass(frozen=True, slots=True)
class Foreseen:
    """One metric of one service whose history is wanted."""

    query: MetricQuery
    aim: Aim
    history_seconds: float
    """How much of the past to begin with."""

    @property
    def key(self) -> tuple[str, str]:
        """By which the outlook stands in the view."""
        return self.query.service, self.query.metric


def foreseen(
    policy: Policy,
    services: Iterable[Service],
    asked: Iterable[MetricQuery],
    measured_lead: Callable[[str], float | None],
) -> tuple[Foreseen, ...]:
    """Those of `asked` that strategy `predictive` looks ahead on. `measured_lead`: seconds, by service, where known."""
    queries = {(query.service, query.metric): query for query in asked}
    found = []
    for name, scale in sorted(scale_policies(policy, services).by_service.items()):
        if scale.strategy is Strategy.PREDICTIVE:
            lead = scale.ahead.lead or measured_lead(name) or DEFAULT_LEAD_SECONDS
            for metric_name, metric in named(scale.metrics):
                target, query = target_of_total(metric), queries.get((name, metric_name))
                if target is not None and query is not None:
                    aim = _aim(scale, target, lead, policy.queries.window)
                    found.append(Foreseen(query, aim, scale.ahead.history))
    return tuple(found)


def usual_lead(starts: Sequence[float]) -> float | None:
    """From a decision until its replicas serve, as the newest scale-ups took it (seconds, newest first).

    Their upper quartile; None where they are too few.
    """
    known = sorted(seconds for seconds in starts[:LAST_STARTS] if 0 < seconds <= LONGEST_LEAD_SECONDS)
    return known[math.ceil(USUAL * len(known)) - 1] if len(known) >= LEAST_STARTS else None


def _aim(scale: ScalePolicy, target: float, lead_seconds: float, window_seconds: float) -> Aim:
    lag = window_seconds / 2 + USUAL_AGE_SECONDS
    return Aim(target, target * scale.ahead.full / 100, lead_seconds, scale.ahead.spend / 100, scale.min, lag)
