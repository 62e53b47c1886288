# SPDX-License-Identifier: GPL-3.0-or-later
"""A service's own past, as Prometheus or the journal remembers it, in the steps of the model. Pure.

Where nobody knows what was asked for, the demand is drawn as a line so that the picture holds together; a policy is
blind there, as it would have been, and nothing that is lost there is counted.
"""

from __future__ import annotations

import numpy as np

from swarmherd.simulate.account import Counts, Course, known
from swarmherd.simulate.trace import LONGEST_GAP_BINS, STEP_SECONDS, Demand, Flags, Floats, Points, TraceError

SHORTEST_SECONDS = 3600.0
LEAST_KNOWN = 0.5


def demand_of(name: str, points: Points, bin_seconds: float) -> Demand:
    """The demand that `points` say, one each `bin_seconds`. Raises TraceError; `name` is what it is about."""
    seconds = float(len(points) * bin_seconds)
    if seconds < SHORTEST_SECONDS:
        said = "nothing" if not points else f"only {seconds / 60:.0f} min"
        raise TraceError(f"{name}: {said} is known of its demand in that time; an hour is the least, see its query")
    times, steps, values = _in_steps(points)
    if not values.sum() > 0:
        raise TraceError(f"{name}: nothing was ever asked for in that time; there is nothing to try a policy on")
    longest = LONGEST_GAP_BINS * bin_seconds
    gaps = int((np.diff(times) > longest).sum())
    return Demand(values, float(times[0]), bin_seconds, gaps, _between(times, steps, longest))


def metric_of(points: Points, bin_seconds: float) -> Points:
    """What a policy would have read while `points` came about, one each `bin_seconds`: as in a trial, step by step."""
    if not points:
        return ()
    times, steps, values = _in_steps(points)
    read = ~_between(times, steps, LONGEST_GAP_BINS * bin_seconds)
    return tuple(zip(steps[read].tolist(), known(values)[read].tolist(), strict=True))


def _in_steps(points: Points) -> tuple[Floats, Floats, Floats]:
    """When `points` were known, the model's steps through that time, and what the demand was at each."""
    times, rates = np.array([at for at, _rate in points]), np.maximum(0.0, [rate for _at, rate in points])
    steps = np.arange(times[0], times[-1] + 1e-9, STEP_SECONDS)
    values: Floats = np.interp(steps, times, rates)
    return times, steps, values


def _between(times: Floats, steps: Floats, longest: float) -> Flags:
    """Which of `steps` lie between two of `times` that are further apart than `longest`."""
    after = np.minimum(np.searchsorted(times, steps), len(times) - 1)
    before = np.maximum(0, after - 1)
    flags: Flags = (times[after] - times[before] > longest) & (steps > times[before]) & (steps < times[after])
    return flags


def replicas_of(points: Points, demand: Demand, longest: float) -> Course | None:
    """The replicas that `points` say there were: each count holds until the next, for `longest` seconds at most. After
    that none was seen: they slept, or were not measured.

    None where that leaves more than half of the demand's time unknown.
    """
    steps = demand.first_second + STEP_SECONDS * np.arange(len(demand.values))
    if not points:
        return None
    times, counts = np.array([at for at, _count in points]), np.array([count for _at, count in points])
    last = np.searchsorted(times, steps, side="right") - 1
    seen = (last >= 0) & (steps - times[np.maximum(last, 0)] <= longest)
    if seen.mean() < LEAST_KNOWN:
        return None
    held: Counts = np.where(seen, np.rint(counts[np.maximum(last, 0)]), 0).astype(np.int64)
    return Course(held, held, ~seen)
