# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns actions into playbook runs, and says what became of them by looking at Docker."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from swarmherd.model import Action, Result


class Enactor(Protocol):
    """What a cycle does with the actions of its plan."""

    def enact(self, action: Action, decided_at: datetime) -> Result | None:
        """What became of `action`; None when nothing was done because nothing is to be done."""


class RecordingEnactor:
    """Does nothing and remembers it: the enactor of observe mode (S19). The cycle before it is the very same."""

    def __init__(self) -> None:
        self.actions: list[Action] = []

    def enact(self, action: Action, decided_at: datetime) -> Result | None:  # noqa: ARG002  (the protocol's)
        self.actions = [*self.actions[-99:], action]
        return None
