# SPDX-License-Identifier: GPL-3.0-or-later
"""Other autoscalers, as their own documents and code say that they decide, at their defaults.

All aim at 80 % of a replica's capacity, and see the same metric.
"""

from __future__ import annotations

import math
from collections import deque

from swarmherd.simulate.trace import STEP_SECONDS

AIM = 0.8
_ROUNDING = 1e-9


def needed(load: float, each: float) -> int:
    """The replicas that share `load` at no more than `each`, at least one."""
    return max(1, math.ceil(load / each - _ROUNDING))


class HorizontalPodAutoscaler:
    """Kubernetes: every 15 s `ceil(ready x ratio)`, nothing within 10 % of the target. Replicas that are not ready
    count as idle on the way up; a reversed direction means no change. Up by at most the larger of doubling and four
    per step, down to the highest wish of the last 300 s.
    """

    TOLERANCE = 0.1
    WINDOW_STEPS = round(300 / STEP_SECONDS)

    def __init__(self, capacity: float) -> None:
        self._target = AIM * capacity
        self._wishes: deque[tuple[int, int]] = deque()  # [step, count]

    def first(self, value: float) -> int:
        return needed(value, self._target)

    def decide(self, step: int, metric: float, count: int, ready: int) -> int:
        wish = self._wish(metric, count, ready)
        self._wishes.append((step, wish))
        while self._wishes[0][0] <= step - self.WINDOW_STEPS:
            self._wishes.popleft()
        if wish > count:
            return min(wish, max(2 * count, count + 4))
        return min(count, max(wish for _step, wish in self._wishes))

    def _wish(self, metric: float, count: int, ready: int) -> int:
        ratio = metric / (self._target * max(1, ready))
        if ratio > 1 and ready < count:
            ratio = max(1.0, metric / (self._target * count))
        return count if abs(ratio - 1) <= self.TOLERANCE + _ROUNDING else needed(metric, self._target)


class Keda(HorizontalPodAutoscaler):
    """KEDA hands an external metric to Kubernetes' autoscaler: polled every 30 s, shared by all replicas, ready or not.
    Its own cooldown of 300 s is about the way to zero alone.
    """

    POLL_STEPS = round(30 / STEP_SECONDS)

    def __init__(self, capacity: float) -> None:
        super().__init__(capacity)
        self._polled = 0.0

    def decide(self, step: int, metric: float, count: int, ready: int) -> int:
        if step % self.POLL_STEPS == 0:
            self._polled = metric
        return super().decide(step, self._polled, count, ready)

    def _wish(self, metric: float, count: int, ready: int) -> int:  # noqa: ARG002  (one shape for all)
        return super()._wish(metric, count, count)


class Nomad:
    """Nomad's autoscaler: `ceil(count x metric / target)` unless within 1 %, and nothing for 5 minutes after a change.
    It evaluates every 10 s, which the model's steps round to every step.
    """

    THRESHOLD = 0.01
    COOLDOWN_STEPS = round(300 / STEP_SECONDS)

    def __init__(self, capacity: float) -> None:
        self._target = AIM * capacity
        self._quiet_until = 0

    def first(self, value: float) -> int:
        return needed(value, self._target)

    def decide(self, step: int, metric: float, count: int, ready: int) -> int:  # noqa: ARG002  (one shape for all)
        near = abs(metric / (self._target * count) - 1) < self.THRESHOLD
        wish = count if near else needed(metric, self._target)
        if step < self._quiet_until or wish == count:
            return count
        self._quiet_until = step + self.COOLDOWN_STEPS
        return wish
