# SPDX-License-Identifier: GPL-3.0-or-later
"""A query's answers over days, in stretches that Prometheus gives (S25), for a person who waits for them."""

from __future__ import annotations

import math
from collections.abc import Iterator

from swarmherd.observe.errors import ObserveError
from swarmherd.observe.prometheus import Prometheus

CHUNK_SECONDS = 86400.0
Points = tuple[tuple[float, float], ...]


class UnreadableError(ObserveError):
    """Prometheus does not say what was asked for."""


def past(prometheus: Prometheus, promql: str, start: float, end: float, step_seconds: float) -> Iterator[Points]:
    """What is known from `start` to `end` (seconds since the epoch), a day at a time. Raises UnreadableError."""
    at, last = (math.floor(edge / step_seconds) * step_seconds for edge in (start, end))
    while at <= last:
        until = min(at + CHUNK_SECONDS - step_seconds, last)
        found = prometheus.stretch(promql, at, until, step_seconds)
        if found.problem:
            raise UnreadableError(f"Prometheus' past cannot be read: {found.problem}")
        yield found.points
        at = until + step_seconds
