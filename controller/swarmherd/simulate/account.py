# SPDX-License-Identifier: GPL-3.0-or-later
"""The model that everything is compared in: what a count of replicas serves, loses and costs.

Steps of 15 s. A replica serves its capacity. Demand above the ready capacity of a step is lost, or waits where a queue
is asked for. A replica is ready `startup` seconds after the decision, and paid for from the decision until its removal;
those that are not ready yet are removed first. What is known at a step is the mean of the last 60 s as it was 30 s ago.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from swarmherd.simulate.trace import STEP_SECONDS, Flags, Floats

Counts = NDArray[np.int64]
WINDOW_STEPS, AGE_STEPS = 4, 2
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Account:
    """What holds for all that are compared on one trace."""

    capacity: float
    """Requests per second of one replica."""
    startup_seconds: float = 60.0
    queue_seconds: float = 0.0
    """How long a request waits for room before it is lost."""

    @property
    def startup_steps(self) -> int:
        return math.ceil(self.startup_seconds / STEP_SECONDS - _ROUNDING)


class Scaler(Protocol):
    """Anything that decides a count, step by step."""

    def first(self, value: float) -> int:
        """The count to begin with, given the first value of the demand."""

    def decide(self, step: int, metric: float, count: int, ready: int) -> int:
        """The count to have from this step on. `metric`: the demand as it is known now."""


@dataclass(frozen=True, slots=True)
class Course:
    """What one scaler did: replicas that were there (and paid for), and those that were ready, for each step."""

    counts: Counts
    ready: Counts
    unseen: Flags | None = None
    """The steps at which nobody knows what was there; None where it is known throughout."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it."""

    lost_fraction: float
    """Of all requests."""
    replica_seconds: float
    oracle_replica_seconds: float
    """What the fewest replicas that lose nothing without a queue would have cost, had the demand been known."""
    changes: int
    """How often the count changed."""
    max_replicas: int
    seconds_under_capacity: float
    """How long the demand was above the ready capacity."""


def known(demand: Floats) -> Floats:
    """For each step the metric that is known then: the mean of the last 60 s, as it was 30 s ago."""
    sums = np.concatenate(([0.0], np.cumsum(demand)))
    steps = np.arange(len(demand))
    end = np.maximum(0, steps - AGE_STEPS + 1)
    start = np.maximum(0, end - WINDOW_STEPS)
    means = (sums[end] - sums[start]) / np.maximum(1, end - start)
    found: Floats = np.maximum(0.0, np.where(end > start, means, demand[0]))
    return found


def oracle(demand: Floats, capacity: float) -> Counts:
    """The fewest replicas that serve each step at once, with no queue, at least one. It knows the demand, in holes too:
    there it follows the line that is drawn through them."""
    return np.maximum(1, np.ceil(demand / capacity - _ROUNDING)).astype(np.int64)


def course(demand: Floats, account: Account, scaler: Scaler, blind: Flags | None = None) -> Course:
    """Let `scaler` decide through the whole of `demand`, but for the steps at which it is `blind`."""
    sees = [True] * len(demand) if blind is None else (~blind).tolist()
    metrics = known(demand).tolist()
    counts, readies = [0] * len(demand), [0] * len(demand)
    count = ready = scaler.first(float(demand[0]))
    starting: deque[list[int]] = deque()  # [step at which they are ready, how many]
    delay = account.startup_steps
    for step, metric in enumerate(metrics):
        while starting and starting[0][0] <= step:
            ready += starting.popleft()[1]
        wanted = scaler.decide(step, metric, count, ready) if sees[step] else count
        if wanted > count:
            starting.append([step + delay, wanted - count])
            if not delay:
                ready += starting.popleft()[1]
        while count > wanted:
            newest = min(count - wanted, starting[-1][1]) if starting else count - wanted
            count -= newest
            if not starting:
                ready -= newest
            elif newest < starting[-1][1]:
                starting[-1][1] -= newest
            else:
                starting.pop()
        count = wanted
        counts[step], readies[step] = count, ready
    return Course(np.array(counts), np.array(readies))


def lost(demand: Floats, ready: Counts, account: Account) -> Floats:
    """Requests per second that are lost, for each step."""
    room = ready * account.capacity
    if not account.queue_seconds:
        return np.maximum(0.0, demand - room)
    waiting, gone = 0.0, np.zeros(len(demand))
    for step, (asked, served) in enumerate(zip(demand.tolist(), room.tolist(), strict=True)):
        waiting = max(0.0, waiting + (asked - served) * STEP_SECONDS)
        if (excess := waiting - served * account.queue_seconds) > 0:
            gone[step] = excess / STEP_SECONDS
            waiting -= excess
    return gone


def outcome(demand: Floats, done: Course, account: Account, holes: Flags | None = None) -> Outcome:
    """What is lost in `holes`, where the demand is not known, is not counted; replicas are paid for throughout. Steps
    at which they were not seen are left out altogether, of what the oracle costs too."""
    seen = np.ones(len(demand), dtype=bool) if done.unseen is None else ~done.unseen
    counted = seen if holes is None else seen & ~holes
    under, counts = demand > done.ready * account.capacity + _ROUNDING, done.counts[seen]
    asked = float(demand[counted].sum())
    return Outcome(
        lost_fraction=float(lost(demand, done.ready, account)[counted].sum()) / asked if asked else 0.0,
        replica_seconds=float(counts.sum() * STEP_SECONDS),
        oracle_replica_seconds=float(oracle(demand, account.capacity)[seen].sum() * STEP_SECONDS),
        changes=int(np.count_nonzero(np.diff(counts))),
        max_replicas=int(counts.max()),
        seconds_under_capacity=float(under[counted].sum() * STEP_SECONDS),
    )
