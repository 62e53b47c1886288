# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists, amounts and shares as they stand in a sentence."""

from __future__ import annotations

from collections.abc import Iterable

from swarmherd.decide.words import latency, number
from swarmherd.model import Reading

SHOWN = 5


def listed(names: Iterable[str]) -> str:
    """`n1`, `n1 and n2`, `n1, n2 and 7 more`."""
    found = list(names)
    if len(found) > SHOWN:
        return f"{', '.join(found[:SHOWN])} and {len(found) - SHOWN} more"
    return " and ".join(part for part in (", ".join(found[:-1]), *found[-1:]) if part)


def amount(size: float) -> str:
    """`512 MiB`, `2 GiB`."""
    for unit, name in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if size >= unit:
            return f"{number(size / unit)} {name}"
    return f"{size:.0f} bytes"


def percent(reading: Reading) -> str:
    """`41 %`, or why it is unknown."""
    return f"unknown ({reading.problem})" if reading.value is None else f"{100 * reading.value:.0f} %"


def seconds(reading: Reading) -> str:
    """`35 ms`, or why nobody knows."""
    return f"nobody knows how long ({reading.problem})" if reading.value is None else latency(reading.value)
