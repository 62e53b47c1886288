# SPDX-License-Identifier: GPL-3.0-or-later
"""The policy `predictive` beside other autoscalers on real traces, and the frontier of lost requests and replica time.

Traces lie in ../shared/traces beside the checkout, or where SWARMHERD_TRACES points; without them this is skipped, with
the reason. A replica's capacity is the trace's peak over 40 (over 100 for the largest), it is ready after 60 s, and all
see a metric that is 30 s old. One capacity, one start-up time, one set of defaults: nothing is tuned to a trace.
"""

from __future__ import annotations

import csv
import gzip
import math
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from swarmherd.policy import ScaleKeys
from swarmherd.policy.merge import complete
from swarmherd.simulate import OPPONENTS, Account, Demand, Outcome, backtest, read_trace
from swarmherd.simulate.trace import STEP_SECONDS

TRACES = Path(os.environ.get("SWARMHERD_TRACES", Path(__file__).resolve().parents[3] / "shared" / "traces"))
PEAK_REPLICAS = {
    "nasa_jul95_1min": 40,
    "twitter_aug21_1min": 100,
    "azure_functions19_1350f_total_1min": 40,
    "azure_llm23_conv_1s": 40,
}
SPENDS = (80, 85, 90, 95, 110, 125)
"""Percent; 100 is the default and measured anyway."""
WEEK_STEPS = 7 * 86400 / 15
DAY_STEPS = round(86400 / STEP_SECONDS)
STEPS_PER_MINUTE = round(60 / STEP_SECONDS)
AROUND_MINUTES = (5, 10, 20)


def capacity(file: Path, replicas: int) -> float:
    """The demand's peak over so many replicas."""
    with gzip.open(file, "rt") as stream:
        return max(float(row["requests_per_s"]) for row in csv.DictReader(stream)) / replicas


def told(one: Outcome, beside: Outcome) -> dict[str, Any]:
    """What became of it, and how that compares with the HPA."""
    return asdict(one) | {
        "over_oracle": round(one.replica_seconds / one.oracle_replica_seconds, 4),
        "lost_over_hpa": round(one.lost_fraction / beside.lost_fraction, 3) if beside.lost_fraction else None,
        "changes_over_hpa": round(one.changes / max(1, beside.changes), 3),
    }


def knowing_around(
    demand: Demand, capacity: float, minutes: int, enough: Callable[[float, float], bool]
) -> tuple[float, float]:
    """(lost fraction, replica-seconds) of who knows the average of so many minutes before *and after* each step, but
    not the minute on either side of it, with all the headroom that is not yet `enough`. A yardstick and no bound: who
    knows what is usual at a minute can do better.

    The headroom is a multiple of the average's square root, as of requests that come independently of each other; all
    replicas are ready at once, and their count may change at every step.
    """
    many, near = minutes * STEPS_PER_MINUTE, STEPS_PER_MINUTE
    weights = np.ones(2 * many + 1)
    weights[many - near : many + near + 1] = 0
    around = np.convolve(np.pad(demand.values, many, mode="edge"), weights / weights.sum(), "valid")

    def with_headroom(headroom: float) -> tuple[float, float]:
        counts = np.maximum(1, np.ceil((around + headroom * np.sqrt(around)) / capacity))
        missing = np.maximum(0.0, demand.values - counts * capacity)
        return float(missing.sum() / demand.values.sum()), float(counts.sum()) * STEP_SECONDS

    least, most = 0.0, 100.0 * math.sqrt(capacity)
    for _halving in range(60):
        middle = (least + most) / 2
        least, most = (least, middle) if enough(*with_headroom(middle)) else (middle, most)
    return with_headroom(least)


def yardsticks(demand: Demand, capacity: float, hpa: Outcome) -> dict[str, dict[int, float]]:
    """By how many minutes around are known: the loss for the HPA's money, and the cost of the HPA's loss."""
    lost, cost = {}, {}
    for minutes in AROUND_MINUTES:
        its_loss, _seconds = knowing_around(demand, capacity, minutes, lambda _lost, paid: paid > hpa.replica_seconds)
        _lost, its_cost = knowing_around(demand, capacity, minutes, lambda lost, _paid: lost <= hpa.lost_fraction)
        lost[minutes] = round(its_loss / hpa.lost_fraction, 3)
        cost[minutes] = round(its_cost / hpa.oracle_replica_seconds, 4)
    return {
        "lost_over_hpa_by_who_knows_so_many_minutes_around": lost,
        "over_oracle_at_hpa_lost_by_who_knows_so_many_minutes_around": cost,
    }


def trial(demand: Demand, account: Account, others: Iterable[str] = (), **keys: Any) -> tuple[Any, float]:
    """One backtest and the processor seconds that it took."""
    written = ScaleKeys.model_validate(
        {"min": 1, "max": 1000, "metrics": [{"requests_per_replica": 0.8 * account.capacity}], **keys}
    )
    started = time.process_time()
    found = backtest(demand, complete(written), written, account, others)
    return found, time.process_time() - started


def on(file: Path, replicas: int, grid: Iterable[int]) -> dict[str, Any]:
    demand, account = read_trace(file), Account(capacity(file, replicas))
    target, _seconds = trial(demand, account, OPPONENTS, strategy="target")
    hpa = target.compared["hpa"]
    own, seconds = trial(demand, account, strategy="predictive")
    frontier = {
        f"{spend}%": told(trial(demand, account, strategy="predictive", predictive={"spend": spend})[0].outcome, hpa)
        for spend in grid
    }
    return {
        "days": round(demand.seconds / 86400, 2),
        "predictive": told(own.outcome, hpa),
        "target": told(target.outcome, hpa),
        **{name: told(one, hpa) for name, one in target.compared.items()},
        "predictive_by_spend": frontier,
        "elsewhere": elsewhere(demand, replicas) if grid else {},
        "single_days": single_days(demand, replicas) if grid else {},
        **yardsticks(demand, account.capacity, hpa),
        "seconds_per_week_and_setting": round(seconds / len(demand.values) * WEEK_STEPS, 2),
    }


def over_hpa(demand: Demand, account: Account) -> dict[str, float]:
    own, _seconds = trial(demand, account, ("hpa",), strategy="predictive")
    hpa = own.compared["hpa"]
    compared = told(own.outcome, hpa) | {"cost_over_hpa": round(own.outcome.replica_seconds / hpa.replica_seconds, 4)}
    return {key: compared[key] for key in ("lost_over_hpa", "cost_over_hpa", "changes_over_hpa")}


def elsewhere(demand: Demand, replicas: int) -> dict[str, dict[str, float]]:
    """The same with replicas of other sizes that take other times to start: a single figure may be luck."""
    peak = float(demand.values.max())
    others = product((round(0.6 * replicas), round(1.6 * replicas)), (45, 90))
    return {f"peak/{n}, ready after {s} s": over_hpa(demand, Account(peak / n, s)) for n, s in others}


def single_days(demand: Demand, replicas: int) -> dict[str, float]:
    """Each day alone, begun without any history: on average, and the worst."""
    days = []
    for first in range(0, len(demand.values) - DAY_STEPS + 1, DAY_STEPS):
        values = demand.values[first : first + DAY_STEPS]
        day = replace(demand, values=values, first_second=demand.first_second + first * STEP_SECONDS)
        days.append(over_hpa(day, Account(float(values.max()) / replicas)))
    found: dict[str, float] = {"days": len(days)}
    for key in days[0] if days else ():
        found |= {key: round(mean(day[key] for day in days), 3), f"most_{key}": max(day[key] for day in days)}
    return found


def autoscaling(grid: Iterable[int] = SPENDS) -> dict[str, Any]:
    """By trace; or why it was skipped."""
    found: dict[str, Any] = {}
    for name, replicas in PEAK_REPLICAS.items():
        file = TRACES / f"{name}.csv.gz"
        found[name] = (
            on(file, replicas, grid) if file.exists() else {"skipped": f"{file.name} is not in SWARMHERD_TRACES"}
        )
    return found
