# SPDX-License-Identifier: GPL-3.0-or-later
"""What decides about where tasks run: a view, gathered once, with what is wanted of each service."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from swarmherd.decide import objections
from swarmherd.decide.place import Settings, Strategy
from swarmherd.decide.situation import Cycle, Index, Situation
from swarmherd.model import ClusterView, Memory, Node, Service, Task
from swarmherd.policy import PlacementKeys, Policy, ScalePolicies, ScalePolicy, Wishes, followers, service_wishes

_UNSCALED = ScalePolicy(max=1)
"""Stands where a situation wants a scale policy; no objection asked here looks at it."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that one call of `arrange` decides by."""

    cycle: Cycle
    wishes: Wishes
    nodes: Mapping[str, Node]
    """By id."""
    led: Mapping[str, Sequence[str]]
    """By anchor: all that follow it, as the wishes have it."""

    @classmethod
    def of(cls, view: ClusterView, policy: Policy, memory: Memory, now: datetime) -> Scene:
        cycle = Cycle(view, policy, memory, now, ScalePolicies(), Index.of(view))
        wishes = service_wishes(policy, view.services)
        return cls(cycle, wishes, {node.id: node for node in view.nodes}, followers(wishes.follows))

    @property
    def view(self) -> ClusterView:
        return self.cycle.view

    @property
    def policy(self) -> Policy:
        return self.cycle.policy

    @property
    def memory(self) -> Memory:
        return self.cycle.memory

    @property
    def now(self) -> datetime:
        return self.cycle.now

    def service(self, name: str) -> Service | None:
        return self.cycle.index.services.get(name)

    def wanted(self, service: str) -> tuple[Task, ...]:
        """The tasks that Swarm wants running, by slot."""
        return tuple(sorted(self.cycle.index.wanted.get(service, ()), key=lambda task: (task.slot, task.id)))

    def followers(self, anchor: str) -> tuple[str, ...]:
        """All that follow `anchor`, chained ones too, as far as Docker has them."""
        return tuple(name for name in self.led.get(anchor, ()) if self.service(name) is not None)

    def hostname(self, node_id: str) -> str:
        """What people call a node."""
        node = self.nodes.get(node_id)
        return node_id if node is None else node.hostname

    def hostnames(self, node_ids: Iterable[str]) -> str:
        return ", ".join(sorted(self.hostname(node_id) for node_id in node_ids))

    def objection(self, service: Service, asked: Iterable[Callable[[Situation], str | None]]) -> str | None:
        """The first of `asked` that speaks against touching `service` (S6, S19, S24)."""
        count = service.replicas if service.replicas is not None else len(self.wanted(service.name))
        situation = self.cycle.situation(service, count, _UNSCALED)
        return next((why for objection in asked if (why := objection(situation))), None)


MOVING = (objections.paused, objections.updating, objections.just_changed, objections.pending, objections.looping)
"""What speaks against moving a task of a service, and against trusting where an anchor is."""
FOLLOWING = (objections.paused, objections.updating, objections.just_changed)
"""What speaks against moving a dependent. Pending is no objection: its anchor's new node may be what it waits for."""


def settings_of(keys: PlacementKeys) -> Settings:
    """The policy's words on placement, as the engine has them."""
    return Settings(**{**dict(keys), "strategy": Strategy(keys.strategy.value)})
