# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of the health of tasks beside that they run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Health(StrEnum):
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    STARTING = "starting"


@dataclass(frozen=True, slots=True)
class TaskHealth:
    """What a task's own check says of it, at the time of the look."""

    health: Health
    at: datetime
    source: str
    """Who says so: `docker`, or the address that was asked."""
    why: str = ""
