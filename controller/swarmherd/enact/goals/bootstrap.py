# SPDX-License-Identifier: GPL-3.0-or-later
"""Every host of the inventory is a node of the Swarm that is ready and bears its labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from swarmherd.decide.words import count
from swarmherd.enact.goals.goal import OfCluster, some
from swarmherd.model import ClusterView, NodeState, Outcome


@dataclass(frozen=True, slots=True)
class Bootstrap(OfCluster):
    """See `Goal`. What it has done stays, whatever came of the rest: nothing of it is ever set back."""

    @property
    def leaves_traces(self) -> bool:
        return False

    @property
    def _wanted(self) -> Mapping[str, Mapping[str, str]]:
        """Labels by node."""
        found: Mapping[str, Mapping[str, str]] = self.action.parameters["swarmherd_nodes"]
        return found

    def landed(self, view: ClusterView) -> bool:
        return not any(self._missing(view))

    def achieved(self, view: ClusterView) -> str:  # noqa: ARG002  (the protocol's)
        return f"{count(len(self._wanted), 'node')} of the inventory ready and labelled"

    def shortfall(self, view: ClusterView) -> str:
        return some(self._missing(view))

    def undo(self, view: ClusterView, outcome: Outcome) -> Mapping[str, Any] | None:  # noqa: ARG002  (the protocol's)
        return None

    def cut_short(self, view: ClusterView) -> tuple[Outcome, str]:
        return Outcome.GIVEN_UP, self.shortfall(view)

    def _missing(self, view: ClusterView) -> Iterator[str]:
        """What is not there, a sentence for each node."""
        for name, labels in sorted(self._wanted.items()):
            nodes = [node for node in view.nodes if node.hostname == name and node.state is NodeState.READY]
            others = {key: value for key, value in labels.items() if nodes and nodes[0].labels.get(key) != value}
            if not nodes:
                yield f"{name} is not ready in the Swarm"
            elif others:
                yield f"{name} lacks {some(f'{key}={value}' for key, value in others.items())}"
