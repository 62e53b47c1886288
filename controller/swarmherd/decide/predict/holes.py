# SPDX-License-Identifier: GPL-3.0-or-later
"""A sudden fall to next to nothing is the capture's before it is the demand's."""

from __future__ import annotations

import math

DEEP = 0.15
"""A hole begins below this part of the average."""
LONGEST_SECONDS, SHORTEST_SECONDS = 2400.0, 300.0
"""So much of a day may lie in holes: half as much with each fall that lasted longer, twice with each that did not."""
DAY_SECONDS = 86400.0
AVERAGED_SECONDS = 480.0
"""Time constant of the exponential average."""


class Holes:
    """Fed with every reading, tells those that lie in a hole."""

    def __init__(self, first: float) -> None:
        self.before = first
        """The average of what was read outside of holes."""
        self.within = False
        """Whether the last reading lies in a hole."""
        self._most = self._left = LONGEST_SECONDS

    def see(self, value: float, step: float) -> bool:
        """Whether `value`, read `step` seconds after the last, lies in a hole."""
        if value < DEEP * self.before:
            self._fallen(value, step)
            return self.within
        if self.within:
            self.within, self._most = False, min(LONGEST_SECONDS, 2 * self._most)
        self._left = min(self._most, self._left + step * LONGEST_SECONDS / DAY_SECONDS)
        self.before += (1 - math.exp(-step / AVERAGED_SECONDS)) * (value - self.before)
        return False

    def _fallen(self, value: float, step: float) -> None:
        self._left -= step
        self.within = self._left > 0
        if not self.within:  # it is believed
            self._left, self._most, self.before = 0.0, max(SHORTEST_SECONDS, self._most / 2), value
