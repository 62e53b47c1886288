# SPDX-License-Identifier: GPL-3.0-or-later
"""Other settings on the same demand, the frontier of lost requests and replica time, and the one to take. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from swarmherd.decide.words import latency, number
from swarmherd.policy import ScaleKeys, Strategy
from swarmherd.policy.merge import complete
from swarmherd.policy.metrics import Metric, RequestsMetric, RequestsRule
from swarmherd.policy.queueing import QueueMetric
from swarmherd.policy.wanted import Predictive
from swarmherd.simulate.account import Account, Outcome, course, outcome
from swarmherd.simulate.trace import Demand
from swarmherd.simulate.trial import Trial

TARGETS = (0.6, 0.7, 0.8, 0.9)
"""Of a replica's capacity."""
SPENDS = (80.0, 90.0, 100.0, 115.0, 130.0)
"""Percent of what tracking 80 % of the capacity costs."""
LATENCIES = (0.5, 0.75, 1.5, 2.0, 4.0)
"""Times the latency that the policy's `queue` aims at."""
AIM = 0.8
WORTH_IT = 0.98
"""What saves less than two in a hundred, of replica time or of what is lost, is no reason to change a policy."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One policy to try. `keys` are what it is completed from."""

    strategy: Strategy
    target: float
    """Requests per second and replica; of a latency target the seconds."""
    spend: float | None
    keys: ScaleKeys
    percentile: str = ""
    """`p95`, of a latency target."""

    @property
    def name(self) -> str:
        """`predictive, target 40, spend 90 %`, `target, p95 250 ms`"""
        spend = "" if self.spend is None else f", spend {number(self.spend)} %"
        return f"{self.strategy.value}, {self._aim}{spend}"

    @property
    def short(self) -> str:
        """`spend 90 %`, `target 40`, `p95 250 ms`: what sets it apart within its strategy."""
        return self._aim if self.spend is None else f"spend {number(self.spend)} %"

    @property
    def _aim(self) -> str:
        return f"{self.percentile} {latency(self.target)}" if self.percentile else f"target {number(self.target)}"


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of a setting."""

    setting: Setting
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Advice:
    """The setting to take, None for the policy as it is; and why."""

    setting: Setting | None
    why: str


@dataclass(frozen=True, slots=True)
class Grid:
    """All that was tried beside a policy, and what to make of it."""

    tried: tuple[Tried, ...]
    advice: Advice


def settings(keys: ScaleKeys, capacity: float) -> Iterator[Setting]:
    """The grid around a policy: its bounds and limits, with other strategies, targets and spends; and where it aims at
    a latency, other latencies that some number of replicas reaches."""
    for share in TARGETS:
        target = share * capacity
        yield Setting(Strategy.TARGET, target, None, _changed(keys, Strategy.TARGET, _requests(target)))
    for spend in SPENDS:
        target, ahead = AIM * capacity, Predictive(spend=spend, full=100 / AIM)
        yield Setting(Strategy.PREDICTIVE, target, spend, _changed(keys, Strategy.PREDICTIVE, _requests(target), ahead))
    for metric in keys.metrics or ():
        if isinstance(metric, QueueMetric):
            yield from _latencies(keys, metric)


def _latencies(keys: ScaleKeys, metric: QueueMetric) -> Iterator[Setting]:
    for factor in LATENCIES:
        seconds = factor * metric.seconds
        if metric.queue.reaches(metric.share, seconds):
            aimed = metric.model_copy(update={"target": {metric.name: seconds}})
            yield Setting(Strategy.TARGET, seconds, None, _changed(keys, Strategy.TARGET, aimed), metric.name)


def _requests(target: float) -> RequestsMetric:
    return RequestsMetric(requests_per_replica=RequestsRule(target=target))


def _changed(keys: ScaleKeys, strategy: Strategy, metric: Metric, ahead: Predictive | None = None) -> ScaleKeys:
    return keys.model_copy(update={"strategy": strategy, "predictive": ahead, "metrics": (metric,)})


def tried(setting: Setting, demand: Demand, account: Account) -> Tried:
    """One setting through the whole of the demand."""
    trial = Trial(complete(setting.keys), setting.keys, account, demand.first_second, demand.holes, demand.before)
    return Tried(setting, outcome(demand.values, course(demand.values, account, trial), account, demand.holes))


def frontier(outcomes: Sequence[Outcome]) -> tuple[int, ...]:
    """Indices of those that no other beats at both, the cheapest first: what loses less costs more."""
    order = sorted(range(len(outcomes)), key=lambda i: (outcomes[i].replica_seconds, outcomes[i].lost_fraction))
    best: list[int] = []
    for index in order:
        if not best or outcomes[index].lost_fraction < outcomes[best[-1]].lost_fraction:
            best.append(index)
    return tuple(best)


def advice(policy: Outcome, grid: Sequence[Tried], may_lose: float | None = None) -> Advice:
    """The cheapest setting that loses no more than the policy does, or than `may_lose` (a part of all requests)."""
    most = policy.lost_fraction if may_lose is None else may_lose
    keeps = policy.lost_fraction <= most
    good = [one for one in grid if one.outcome.lost_fraction <= most]
    cheapest = min(good, key=lambda one: (one.outcome.replica_seconds, one.outcome.lost_fraction), default=None)
    if cheapest is None:
        return _no_better(policy, grid, most, keeps)
    if keeps and cheapest.outcome.replica_seconds > WORTH_IT * policy.replica_seconds:
        return _safer(policy, grid, most)
    return Advice(cheapest.setting, _compared(cheapest, policy))


def _safer(policy: Outcome, grid: Sequence[Tried], most: float) -> Advice:
    """Nothing is cheaper: then what loses least for the same replica time."""
    same = [one for one in grid if one.outcome.replica_seconds <= policy.replica_seconds]
    safest = min(same, key=lambda one: (one.outcome.lost_fraction, one.outcome.replica_seconds), default=None)
    if safest is not None and safest.outcome.lost_fraction < WORTH_IT * policy.lost_fraction:
        return Advice(safest.setting, _compared(safest, policy))
    saved = f"saves {1 - WORTH_IT:.0%} or more of its replica time"
    return Advice(None, f"keep the policy: nothing that was tried loses at most {most:.3%} and {saved}")


def _no_better(policy: Outcome, grid: Sequence[Tried], most: float, keeps: bool) -> Advice:
    if keeps:
        return _safer(policy, grid, most)
    least = min(grid, key=lambda one: one.outcome.lost_fraction)
    said, remedy = f"nothing that was tried loses at most {most:.3%}", "start replicas faster or aim at less load"
    if least.outcome.lost_fraction >= WORTH_IT * policy.lost_fraction:
        kept = f"keep the policy, which loses {policy.lost_fraction:.3%}"
        return Advice(None, f"{kept}: {said}, nor {1 - WORTH_IT:.0%} less than the policy; to lose less, {remedy}")
    return Advice(least.setting, f"{said}; {_compared(least, policy)}; to lose less, {remedy}")


def _compared(one: Tried, policy: Outcome) -> str:
    hours = one.outcome.replica_seconds / policy.replica_seconds
    return (
        f"{one.setting.name}: it loses {one.outcome.lost_fraction:.3%} where the policy loses "
        f"{policy.lost_fraction:.3%}, for {hours:.0%} of the policy's replica hours"
    )
