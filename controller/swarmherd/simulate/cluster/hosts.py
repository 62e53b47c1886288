# SPDX-License-Identifier: GPL-3.0-or-later
"""A host with its engine: what it is, whether the managers hear it, and how quickly it does what they say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from swarmherd.model import Node, NodeState, Role

MISSED_HEARTBEATS = 3
"""So many and the dispatcher takes a node to be down (swarmkit, dispatcher.go)."""


@dataclass
class Host:
    """One host. `node` is what the managers hold of it, which may be older than the truth."""

    node: Node
    version: int = 1
    """The version index of the node, for writes."""
    alive: bool = True
    """Whether its engine runs; containers die with it."""
    frozen: bool = False
    """Stopped in its tracks: nothing on it answers or goes on, and nothing is lost."""
    cut_off: bool = False
    """No packet reaches it, from anybody; what runs there goes on."""
    slowness: float = 1.0
    """How many times longer everything takes there."""
    deaths: int = 0
    """How often it died: what was under way on it before is not to go on when it is back."""
    silent_since: float | None = None
    """In the timeline's seconds; None while it is heard."""
    silence: int = 0
    """Counts its silences, so that the end of one is not taken for the end of another."""
    unsaid: list[Callable[[], None]] = field(default_factory=list)
    """What happened while nobody heard it, to be told when it is heard again."""

    @property
    def heard(self) -> bool:
        """Whether managers, balancer and our own probes get an answer from it."""
        return self.alive and not self.frozen and not self.cut_off

    @property
    def is_manager(self) -> bool:
        return self.node.role is Role.MANAGER

    @property
    def ready(self) -> bool:
        return self.node.state is NodeState.READY
