# SPDX-License-Identifier: GPL-3.0-or-later
"""What the readings of nodes say of them, as shares from 0 to 1; nothing here changes while tasks are placed."""

from __future__ import annotations

import numpy as np

from swarmherd.decide.place.columns import Column, Columns

SLOW_SECONDS = 1.0
"""A response time of this and above scores 0."""


def performance(columns: Columns, unknown: float = 0.5) -> Column:
    """mean(1 - cpu, 1 - memory, max(0, 1 - response / 1 s)), each part that is unknown taken as `unknown`.

    Source: the first document, GetNodePerformanceScore.
    """
    response = np.array([_or_nan(node.readings.response_seconds) for node in columns.nodes], np.float64)
    quick = np.maximum(0.0, 1.0 - response / SLOW_SECONDS)
    parts = (1.0 - columns.cpu, 1.0 - columns.memory, quick)
    known = [np.where(np.isnan(part), unknown, part) for part in parts]
    mean: Column = (known[0] + known[1] + known[2]) / 3.0
    return mean


def load(columns: Columns) -> Column:
    """min(1, (cpu + memory) / 2), each unknown part taken as 0.5. Source: the first document, GetNodeLoadScore."""
    cpu, memory = (np.where(np.isnan(part), 0.5, part) for part in (columns.cpu, columns.memory))
    return np.minimum(1.0, (cpu + memory) / 2.0)


def idle(columns: Columns, name: str) -> Column:
    """1 - the reading called so; 0.5 when unknown."""
    values = np.array([_or_nan(getattr(node.readings, name)) for node in columns.nodes], np.float64)
    return np.where(np.isnan(values), 0.5, np.maximum(0.0, 1.0 - values))


def _or_nan(value: float | None) -> float:
    return np.nan if value is None else value
