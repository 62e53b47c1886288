# SPDX-License-Identifier: GPL-3.0-or-later
"""Boundaries between steps, numbered as they are come by, and what is killed at one of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from swarmherd.simulate.cluster.errors import Killed


class Victim(StrEnum):
    CONTROLLER = "controller"
    """Its playbook goes on, as a process of its own."""
    PLAYBOOK = "playbook"
    BOTH = "both"


@dataclass
class Crash:
    """Kills `victim` at the boundaries of these numbers; with none, boundaries are only written down."""

    at: tuple[int, ...] = ()
    victim: Victim = Victim.BOTH
    passed: list[str] = field(default_factory=list)
    """The names of the boundaries that were come by."""
    times: int = 0
    """How often somebody was killed."""

    def step(self, name: str, kill_playbook: Callable[[], None]) -> None:
        """A playbook has done a step. Raises Killed where the controller ends here."""
        if self._due(name):
            if self.victim is not Victim.CONTROLLER:
                kill_playbook()
            if self.victim is not Victim.PLAYBOOK:
                raise Killed(name)

    def moment(self, name: str) -> None:
        """The controller has done a step of its own. A playbook cannot be killed here: there is none."""
        if self._due(name) and self.victim is not Victim.PLAYBOOK:
            raise Killed(name)

    def _due(self, name: str) -> bool:
        self.passed.append(name)
        due = len(self.passed) - 1 in self.at
        self.times += due
        return due

    @property
    def happened(self) -> bool:
        return self.times == len(self.at)
