# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for a condition, within a bound."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(what: str, condition: Callable[[], T], seconds: float = 30.0) -> T:
    """What `condition` answers once it is true; an error that says what was waited for where that takes too long."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {seconds:g} s for {what}"
        time.sleep(0.05)
    return found
