# SPDX-License-Identifier: GPL-3.0-or-later
"""Services are held to an anchor's label no longer, and nodes that nobody needs it on have lost it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from swarmherd.enact.goals.goal import OfCluster, some
from swarmherd.enact.goals.relabel import follows
from swarmherd.model import ClusterView, Outcome
from swarmherd.policy import anchor_label


@dataclass(frozen=True, slots=True)
class Release(OfCluster):
    """See `Goal`."""

    @property
    def leaves_traces(self) -> bool:
        return False

    @property
    def _anchor(self) -> str:
        return str(self.action.parameters["swarmherd_anchor"])

    @property
    def _freed(self) -> tuple[str, ...]:
        return tuple(str(one["name"]) for one in self.action.parameters.get("swarmherd_dependents") or ())

    def landed(self, view: ClusterView) -> bool:
        return not any(self._missing(view))

    def achieved(self, view: ClusterView) -> str:  # noqa: ARG002  (the protocol's)
        nodes = self.action.parameters.get("swarmherd_old_nodes")
        words = [f"{some(self._freed)} may run anywhere again"] if self._freed else []
        return " and ".join([*words, *([f"the label of {self._anchor} is gone"] if nodes else [])])

    def shortfall(self, view: ClusterView) -> str:
        return "; ".join(self._missing(view))

    def undo(self, view: ClusterView, outcome: Outcome) -> None:  # noqa: ARG002  (the protocol's)
        """Nothing: half of it harms nobody, and what is left is decided anew."""
        return

    def cut_short(self, view: ClusterView) -> tuple[Outcome, str]:
        return Outcome.UNDONE, f"{self.shortfall(view)}; it is decided again"

    def _missing(self, view: ClusterView) -> Iterator[str]:
        for service in view.services:
            if service.name in self._freed and follows(service, self._anchor):
                yield f"{service.name} is still held to {self._anchor}"
        label = anchor_label(self._anchor)
        for node_id in self.action.parameters.get("swarmherd_old_nodes") or ():
            node = view.node(str(node_id))
            if node is not None and label in node.labels:
                yield f"{node.hostname} still has the label {label}"
