# SPDX-License-Identifier: GPL-3.0-or-later
"""A sudden fall to next to nothing is the capture's before it is the demand's."""

from __future__ import annotations

import math

DEEP = 0.15
"""A hole begins below this part of the average."""
LONGEST_SECONDS = 2400.0
"""After that it is believed."""
AVERAGED_SECONDS = 480.0
"""Time constant of the exponential average."""


class Holes:
    """Fed with every reading, tells those that lie in a hole."""

    def __init__(self, first: float) -> None:
        self.before = first
        """The average of what was read outside of holes."""
        self._since = math.nan

    @property
    def within(self) -> bool:
        """Whether the last reading lies in a hole."""
        return not math.isnan(self._since)

    def see(self, at: float, value: float, step: float) -> bool:
        """Whether `value`, read at `at`, `step` seconds after the last, lies in a hole."""
        if value < DEEP * self.before:
            if not self.within:
                self._since = at
            if at - self._since < LONGEST_SECONDS:
                return True
            self.before = value
        self._since = math.nan
        self.before += (1 - math.exp(-step / AVERAGED_SECONDS)) * (value - self.before)
        return False
