# SPDX-License-Identifier: GPL-3.0-or-later
"""The one exception of the modules. The runner, and nothing else, turns it into a failed result."""

from __future__ import annotations

from typing import Any


class SwarmError(Exception):
    """One clear sentence for people; `facts` become keys of the failed result."""

    def __init__(self, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.facts = facts


class NotFoundError(SwarmError):
    """The engine answered, and what was asked for is not there. Never raised when the engine did not answer."""


class UnavailableError(SwarmError):
    """The engine did not answer, or its managers have no leader: nothing is known, and soon somebody may answer."""


class VersionConflictError(SwarmError):
    """Another writer was quicker: the version that this write carried is no longer the current one."""


class TimedOutError(SwarmError):
    """The bound of a wait passed. `last` is what was seen last."""

    def __init__(self, message: str, last: Any) -> None:
        super().__init__(message)
        self.last = last
