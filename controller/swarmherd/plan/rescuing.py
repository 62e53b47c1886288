# SPDX-License-Identifier: GPL-3.0-or-later
"""What is put right of failed nodes, as actions: marks cleared first, then nodes closed or opened, then services
brought up again. Each service and node is one action's at most, as ever."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from swarmherd.model import ClusterView, Cordon, Direction, Finding, Recreation, Rescue
from swarmherd.plan.actions import clearing, cordoning, recreating
from swarmherd.plan.claims import Claims


@dataclass(frozen=True, slots=True)
class Rescuing:
    """Plans what a `Rescue` asks for."""

    view: ClusterView
    claims: Claims
    held: Callable[[set[str], set[str], Direction, str], str | None]
    """Why what concerns these services and nodes is not begun, or None."""
    new_id: Callable[[], str]

    def of(self, rescue: Rescue) -> Rescue:
        """`rescue` with what planning held; actions are added to the claims."""
        findings = tuple(map(self._clear, rescue.findings))
        cordons = tuple(map(self._cordon, rescue.cordons))
        recreations = tuple(map(self._recreate, rescue.recreations))
        return replace(rescue, findings=findings, cordons=cordons, recreations=recreations)

    def _clear(self, one: Finding) -> Finding:
        if not one.clear:
            return one
        if why := self.held({one.service}, set(), Direction.FAILOVER, "failover"):
            return replace(one, clear=False, reasons=(*one.reasons, f"leave {one.service} waiting, because {why}"))
        self.claims.add(clearing(self.view.cluster, self.new_id(), one), {one.service}, set())
        return one

    def _cordon(self, one: Cordon) -> Cordon:
        if one.cordon is None:
            return one
        if why := self.held(set(), {one.node}, Direction.FAILOVER, "failover"):
            node = self.view.node(one.node)
            name = one.node if node is None else node.hostname
            return replace(one, cordon=None, reasons=(*one.reasons, f"leave {name} as it is, because {why}"))
        self.claims.add(cordoning(self.view.cluster, self.new_id(), one), set(), {one.node})
        return one

    def _recreate(self, one: Recreation) -> Recreation:
        service = self.view.service(one.service)
        if not one.recreate or service is None:
            return one
        nodes = {node for node in (one.node, one.target) if node}
        if why := self.held({one.service}, nodes, Direction.FAILOVER, "failover"):
            return replace(one, recreate=False, reasons=(*one.reasons, f"leave {one.service} down, because {why}"))
        self.claims.add(recreating(self.view.cluster, self.new_id(), one, service), {one.service}, nodes)
        return one
