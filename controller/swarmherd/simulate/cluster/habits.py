# SPDX-License-Identifier: GPL-3.0-or-later
"""What a simulated service is like: how its tasks start, stop and fail, what they use, and what is asked of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

MEBIBYTE = 2**20


def nothing_asked(_seconds: float) -> float:
    return 0.0


@dataclass
class Habits:
    """One service's. Faults change them in mid-run."""

    startup_seconds: float = 2.0
    """From its container's start until it runs."""
    stop_seconds: float = 1.0
    restart_delay_seconds: float = 5.0
    """Swarm's own default."""
    capacity: float = 50.0
    """Requests per second that one replica serves."""
    queue: int = 0
    """Requests that may wait at one replica; what finds no room is lost."""
    memory_bytes: float = 200 * MEBIBYTE
    """What one task really uses."""
    cores: float = 1.0
    """What one task uses when it is full."""
    demand: Callable[[float], float] = nothing_asked
    """Requests per second, by seconds since the begin."""
    crashes_after_seconds: float | None = None
    """How long its tasks run before they fail; None for as long as they may."""
