# SPDX-License-Identifier: GPL-3.0-or-later
"""What a policy would have done with a demand of old, beside others on the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from swarmherd.model import Decision
from swarmherd.policy import ScaleKeys, ScalePolicy
from swarmherd.simulate.account import Account, Course, Outcome, Scaler, course, oracle, outcome
from swarmherd.simulate.opponents import HorizontalPodAutoscaler, Keda, Nomad
from swarmherd.simulate.trace import Demand
from swarmherd.simulate.trial import Trial

_SCALERS: Mapping[str, Callable[[float], Scaler]] = {"hpa": HorizontalPodAutoscaler, "keda": Keda, "nomad": Nomad}
OPPONENTS = (*_SCALERS, "oracle")


@dataclass(frozen=True, slots=True)
class Backtest:
    """What the policy did, what became of it, and of the others."""

    course: Course
    outcome: Outcome
    compared: Mapping[str, Outcome]
    decisions: tuple[Decision, ...]
    """Those that changed the count, with their reasons."""


@dataclass(frozen=True, slots=True)
class Happened:
    """What was really there, by the same account."""

    course: Course
    outcome: Outcome


def happened(demand: Demand, course: Course, account: Account) -> Happened:
    return Happened(course, _outcome(demand, course, account))


def backtest(
    demand: Demand, policy: ScalePolicy, keys: ScaleKeys, account: Account, opponents: Iterable[str] = ()
) -> Backtest:
    """Run `policy` and `opponents` (of OPPONENTS) through `demand`. `keys` is what the policy was completed from."""
    trial = Trial(policy, keys, account, demand.first_second, demand.holes, demand.before)
    done = course(demand.values, account, trial)
    compared = {name: _outcome(demand, _course(name, demand, account), account) for name in opponents}
    return Backtest(done, _outcome(demand, done, account), compared, tuple(trial.decisions))


def _outcome(demand: Demand, done: Course, account: Account) -> Outcome:
    return outcome(demand.values, done, account, demand.holes)


def _course(opponent: str, demand: Demand, account: Account) -> Course:
    """Where nobody knows the demand an opponent's count stays: Kubernetes' autoscaler scales on no metric that it
    cannot fetch."""
    if opponent == "oracle":
        counts = oracle(demand.values, account.capacity)
        return Course(counts, counts)
    return course(demand.values, account, _SCALERS[opponent](account.capacity), demand.holes)
