# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a demand stands now: several averages and trends, weighed by how well each foretold it of late.

Averages over seconds follow a ramp, averages over half an hour see through noise; which serves better is a matter of
the traffic, and is learned from it. A surprise (the demand is far above what the averages say) counts at once.
"""

from __future__ import annotations

import math
from collections import deque
from operator import mul

AVERAGED_SECONDS = (25.0, 60.0, 120.0, 240.0, 480.0, 960.0, 1800.0)
"""Time constants of the exponential averages."""
TRENDS = ((60.0, 0.5), (60.0, 1.0), (120.0, 0.5))
"""(span in seconds, share): so much of the change over the span is expected to come again."""
EXPERTS = 1 + len(AVERAGED_SECONDS) + len(TRENDS)
JUDGED_MINUTES = 720.0
"""Time constant of the squared errors that the weights come from."""
SHARPNESS = 8.0
"""A weight is the squared error to this negative power."""
SURPRISE = (1.5, 3.0)
"""In usual errors above the average: from the first on a surprise counts, from the second on it counts in full."""
LONGEST_SPAN = 120.0
_TINY = 1e-12


class Level:
    """Fed with every reading; answers one level. Costs a few microseconds a reading."""

    def __init__(self) -> None:
        self._averages: list[float] = []
        self._recent: deque[tuple[float, float]] = deque()
        self._errors = [_TINY] * EXPERTS
        self._weights = [1.0 / EXPERTS] * EXPERTS
        self._said: deque[tuple[int, list[float]]] = deque()
        self._judged = 0
        self._step, self._shares = -1.0, [0.0] * len(AVERAGED_SECONDS)
        self._opinions = [0.0] * EXPERTS
        self.value = 0.0
        self.trend = 0.0
        """The change over the last two minutes, as a part of what it was before."""

    def see(self, at: float, value: float, usual_error: float) -> None:
        """`value` was read at `at` (seconds); `usual_error` is in its unit."""
        if not self._recent or at - self._recent[-1][0] > 10 * LONGEST_SPAN:
            self._averages = [value] * len(AVERAGED_SECONDS)
            self._recent.clear()
        else:
            step = at - self._recent[-1][0]
            if step != self._step:
                self._step, self._shares = step, [1.0 - math.exp(-step / constant) for constant in AVERAGED_SECONDS]
            old = zip(self._averages, self._shares, strict=True)
            self._averages = [average + share * (value - average) for average, share in old]
        self._recent.append((at, value))
        while self._recent[0][0] < at - LONGEST_SPAN:
            self._recent.popleft()
        changes = {60.0: value - self._since(at - 60.0), LONGEST_SPAN: value - self._recent[0][1]}
        before = value - changes[LONGEST_SPAN]
        self.trend = changes[LONGEST_SPAN] / before if before > 0 else 0.0
        trends = [max(0.0, value + share * changes[span]) for span, share in TRENDS]
        self._opinions = [value, *self._averages, *trends]
        base = sum(map(mul, self._weights, self._opinions))
        excess = (value - base) / (usual_error + _TINY)
        counts = min(1.0, max(0.0, (excess - SURPRISE[0]) / (SURPRISE[1] - SURPRISE[0])))
        self.value = base + counts * max(0.0, value + 0.5 * changes[60.0] - base)

    def judge(self, minute: int, horizon: int, value: float) -> None:
        """Once a minute: compare what was said `horizon` minutes ago with `value`, and weigh anew."""
        while self._said and self._said[0][0] < minute - horizon:
            self._said.popleft()
        if self._said and self._said[0][0] == minute - horizon:
            self._judged += 1
            share = max(1.0 / self._judged, 1.0 / JUDGED_MINUTES)
            judged = zip(self._errors, self._said.popleft()[1], strict=True)
            self._errors = [error + share * ((value - said) ** 2 - error) for error, said in judged]
            least = min(self._errors) + _TINY
            weights = [((error + _TINY) / least) ** -SHARPNESS for error in self._errors]
            whole = sum(weights)
            self._weights = [weight / whole for weight in weights]
        self._said.append((minute, self._opinions))

    def _since(self, instant: float) -> float:
        """The value at `instant`, or the oldest after it."""
        edge = instant - 1e-6
        for at, value in self._recent:
            if at >= edge:
                return value
        return self._recent[-1][1]


class UsualError:
    """The root mean square of recent errors, over about two hours, with no single error counting for too much."""

    MINUTES = 120.0
    CLIP = 20.0

    def __init__(self, first: float) -> None:
        self.value = max(_TINY, first)

    def see(self, error: float) -> None:
        bounded = min(abs(error), self.CLIP * self.value)
        share = 1.0 / self.MINUTES
        self.value = max(_TINY, math.sqrt((1 - share) * self.value**2 + share * bounded**2))
