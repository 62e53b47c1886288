# SPDX-License-Identifier: GPL-3.0-or-later
"""From samples to one value per running replica, or the knowledge that there is none (S1)."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

from swarmherd.decide.situation import Situation
from swarmherd.decide.words import number
from swarmherd.model import Reading, Sample
from swarmherd.policy.metrics import CpuMetric, MemoryMetric, Metric, Per, QueryMetric
from swarmherd.policy.queries import memory_capacity

NO_SAMPLE = Sample()


class Load(NamedTuple):
    """A metric's value per running replica, and how much of it is a guess."""

    total: float
    """Of the replicas that have a sample."""
    running: int
    missing: int = 0
    """Running replicas without a sample."""

    @property
    def value(self) -> float:
        """The average of the replicas that have a sample; the total where nothing runs."""
        return self.total / max(1, self.running - self.missing)

    def refilled(self, each: float) -> float:
        """The average if each replica without a sample had the value `each` (S2)."""
        return (self.total + self.missing * each) / max(1, self.running)


def measured(s: Situation, name: str, metric: Metric) -> tuple[Reading, Load | None]:
    """The reading to show, per replica, and the load to judge; no load where the metric is unknown."""
    if s.replicas > 0 and not s.running:
        return _unknown(s, "no replica runs on a node that is up"), None
    if isinstance(metric, MemoryMetric) and memory_capacity(s.service) is None:
        return _unknown(s, "the service has no memory limit or reservation to take a percentage of; set one"), None
    if isinstance(metric, (CpuMetric, MemoryMetric)):
        return _of_tasks(s, name)
    reading = whole(s, name, signed=isinstance(metric, QueryMetric))
    if reading.value is None:
        return reading, None
    if isinstance(metric, QueryMetric) and metric.per is Per.REPLICA:
        load = Load(reading.value * len(s.running), len(s.running))
    else:
        load = Load(reading.value, len(s.running))
    same = load.value == reading.value
    return (reading if same else Reading(load.value, reading.at, reading.source, reading.problem)), load


def whole(s: Situation, name: str, *, signed: bool = False) -> Reading:
    """What was read for the service as a whole; a value that cannot be is unknown, wherever it came from. Below zero
    only what is `signed` can be: the answer to an operator's own query."""
    reading = s.samples.get((s.service.name, name), NO_SAMPLE).whole
    return _unknown(s, "there is no sample") if reading is None else _possible(reading, signed)


def _possible(reading: Reading, signed: bool = False) -> Reading:
    """The same, or unknown. A share, or a rate, that is negative is some fault of who measures: no word of no load."""
    if reading.value is None or (math.isfinite(reading.value) and (signed or reading.value >= 0)):
        return reading
    problem = "below zero" if math.isfinite(reading.value) else "not a finite number"
    return replace(reading, value=None, problem=f"{number(reading.value)} is {problem}")


def _of_tasks(s: Situation, name: str) -> tuple[Reading, Load | None]:
    sample = s.samples.get((s.service.name, name), NO_SAMPLE)
    readings = [_possible(sample.by_task[task.id]) for task in s.running if task.id in sample.by_task]
    known = [r for r in readings if r.value is not None]
    if not known:
        problem = next((r.problem for r in (*readings, *_whole_of(sample)) if r.problem), "no task has a sample")
        return _unknown(s, problem), None
    missing = len(s.running) - len(known)
    load = Load(math.fsum(r.value for r in known if r.value is not None), len(s.running), missing)
    oldest = min(known, key=lambda r: (r.at, r.source))
    problem = f"{missing} of {len(s.running)} tasks without a sample" if missing else ""
    return Reading(load.value, oldest.at, oldest.source, problem), load


def _whole_of(sample: Sample) -> tuple[Reading, ...]:
    """Where a query per task failed as a whole, its problem stands there."""
    return (sample.whole,) if sample.whole is not None else ()


def _unknown(s: Situation, problem: str) -> Reading:
    return Reading(None, s.now, "", problem)
