# SPDX-License-Identifier: GPL-3.0-or-later
"""What one metric asks for.

A target follows the Horizontal Pod Autoscaler of Kubernetes: `ceil(running replicas x value / target)`, and nothing
within the tolerance of the target. Thresholds ask for a step. In both, a replica without a sample counts as 100 % of
the target (the upper threshold) on the way down and as idle on the way up; where that turns the direction round,
nothing is asked for (S2).
"""

from __future__ import annotations

import math
from typing import NamedTuple

from swarmherd.decide.measure import Load, measured
from swarmherd.decide.predict import steady
from swarmherd.decide.situation import Situation
from swarmherd.decide.words import count, number
from swarmherd.model import Evidence, Outlook, Reading
from swarmherd.policy.merge import foretold, seen_from_zero
from swarmherd.policy.metrics import CpuMetric, MemoryMetric, QueryMetric, RequestsMetric, Rule
from swarmherd.policy.wanted import Strategy

MOST = 1_000_000
"""No metric asks for more, so that no arithmetic overflows."""
NO_OUTLOOK = Outlook(0.0, 0.0, problem="there is no history")
AWAKE = 0.1
"""While nobody asks, the last replica is not kept awake, and none is woken, for less than this part of one."""
_ROUNDING = 1e-9
Judged = CpuMetric | MemoryMetric | RequestsMetric | QueryMetric
"""The metrics with a target or thresholds."""


class Wish(NamedTuple):
    """What one metric asks for, and why."""

    replicas: int | None
    """None when the metric is unknown, or has nothing to say."""
    why: str
    evidence: tuple[Evidence, ...]
    unknown: bool = False
    foretold: bool = False
    """True where it is about what comes: it needs no memory of what was."""


def unknown(name: str, target: str, reading: Reading) -> Wish:
    """The wish of a metric that could not be read."""
    return Wish(None, f"{name} is unknown: {reading.problem}", (Evidence(name, reading, target, None),), unknown=True)


def needed(load: float, each: float) -> int:
    """The replicas that share `load` at no more than `each`."""
    return max(0, math.ceil(min(load / each, MOST) - _ROUNDING))


def wish_of(s: Situation, name: str, metric: Judged) -> Wish:
    """What a metric with a target or thresholds asks for."""
    rule, target = metric.rule, str(metric.rule)
    if s.replicas == 0 and not seen_from_zero(metric):
        reading = Reading(None, s.now, "", "no replica runs")
        return Wish(None, f"{name} says nothing while no replica runs", (Evidence(name, reading, target, None),))
    reading, load = measured(s, name, metric)
    if load is None:
        return unknown(name, target, reading)
    if rule.target is not None and s.scale.strategy is Strategy.PREDICTIVE and foretold(metric):
        replicas, why, foreseen = _foretold(s, name, metric, rule.target, load)
    else:
        (replicas, why), foreseen = _asked_now(s, name, metric, load), False
    return Wish(replicas, why, (Evidence(name, reading, target, replicas),), foretold=foreseen)


def _asked_now(s: Situation, name: str, metric: Judged, load: Load) -> tuple[int, str]:
    """By what is measured now alone."""
    rule = metric.rule
    if s.replicas == 0:
        return _from_zero(name, rule, load)
    if rule.target is not None:
        return _tracked(s, name, rule.target, load)
    return _stepped(s, name, rule, load, wakes=seen_from_zero(metric))


def _from_zero(name: str, rule: Rule, load: Load) -> tuple[int, str]:
    """Any demand wakes a service that was scaled to zero."""
    if load.total <= 0:
        return 0, f"{name} shows no demand"
    replicas = needed(load.total, rule.target) if rule.target is not None else rule.steps.up
    return max(1, replicas), f"{name} shows demand ({number(load.total)})"


def _tracked(s: Situation, name: str, target: float, load: Load) -> tuple[int, str]:
    value = load.value
    if _within(value, target, s.scale.tolerance):
        return s.replicas, f"{name} {number(value)} is near target {number(target)}"
    up = value > target
    said = f"{name} {number(value)} is {'over' if up else 'under'} target {number(target)}"
    sure = load.refilled(0.0 if up else target)
    if _within(sure, target, s.scale.tolerance) or (sure > target) != up:
        return s.replicas, f"{said}, which is not sure with {_missing(load)}"
    wanted = needed(sure * load.running, target)
    wanted = max(wanted, s.replicas) if up else min(wanted, s.replicas)
    return wanted, f"{said}, which still takes {count(wanted, 'replica')}" if wanted == s.replicas else said


def _foretold(s: Situation, name: str, metric: Judged, target: float, load: Load) -> tuple[int, str, bool]:
    """What will be needed when new replicas serve; where nothing can be foretold, as if it were only a target.

    Never fewer than what the demand measured now needs. docs/design/0005-predictive.md has the method.
    """
    outlook = s.outlooks.get((s.service.name, name), NO_OUTLOOK)
    full = target * s.scale.ahead.full / 100
    need, keep = max(outlook.need, load.total) / full, outlook.keep / full
    idle = s.replicas <= 1 and load.total <= 0 and max(need, keep) < AWAKE
    if outlook.problem or idle:
        wanted, why = _asked_now(s, name, metric, load)
        return wanted, f"{why} (not foretold: {outlook.problem})" if outlook.problem else why, False
    wanted = max(1, min(steady(s.replicas, need, keep, outlook.room), MOST))
    if outlook.need >= load.total:
        return wanted, f"{name}: {outlook.why}", True
    said = "leaves no room"
    if need <= s.replicas:
        said = f"is more than was foretold, and takes no more than {count(wanted, 'replica')}"
    return wanted, f"{name} {number(load.value)} {said}", True


def _within(value: float, target: float, tolerance: float) -> bool:
    return abs(value / target - 1) <= tolerance + _ROUNDING


def _stepped(s: Situation, name: str, rule: Rule, load: Load, wakes: bool) -> tuple[int, str]:
    """`wakes`: any of this load would bring the last replica back."""
    up, down = rule.up or 0.0, rule.down or 0.0
    said = f"{name} {number(load.value)} is"
    if load.value > up:
        if load.refilled(0.0) <= up:
            return s.replicas, f"{said} above {number(up)}, which is not sure with {_missing(load)}"
        return s.replicas + rule.steps.up, f"{said} above {number(up)}"
    if load.value < down:
        if load.refilled(up) >= down:
            return s.replicas, f"{said} below {number(down)}, which is not sure with {_missing(load)}"
        # As far as the others then bear it below the threshold that would bring what goes up again.
        least = needed(load.refilled(up) * load.running, up) if wakes or s.replicas > 1 else 0
        wanted = min(s.replicas, max(0, s.replicas - rule.steps.down, least))
        stays = f", but fewer would not keep it to {number(up)}" if wanted == s.replicas else ""
        return wanted, f"{said} below {number(down)}{stays}"
    return s.replicas, f"{said} between {number(down)} and {number(up)}"


def _missing(load: Load) -> str:
    return f"{load.missing} of {count(load.running, 'sample')} missing"
