# SPDX-License-Identifier: GPL-3.0-or-later
"""What the simulated Swarm answers when it does not do as it is told, and the end of a simulated process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ModuleFailedError(Exception):
    """A module of a playbook failed: `facts` is its result."""

    def __init__(self, message: str, **facts: Any) -> None:
        self.facts: Mapping[str, Any] = {**facts, "msg": message}
        super().__init__(message)


class OutOfSequenceError(Exception):
    """A write that carries an old version is refused."""


class Killed(BaseException):
    """The controller was killed: what it was doing ends here, with no chance to tidy up."""
