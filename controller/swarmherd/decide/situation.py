# SPDX-License-Identifier: GPL-3.0-or-later
"""One service's share of a view, gathered once, so that no rule searches the whole cluster."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from swarmherd.decide.schedules import Bounds, bounds_at
from swarmherd.model import (
    EMPTY,
    ClusterView,
    Memory,
    NodeState,
    Outlook,
    Pause,
    Sample,
    Service,
    ServiceMemory,
    Task,
    TaskState,
)
from swarmherd.policy import Policy, ScalePolicies, ScalePolicy

FAILED = frozenset({TaskState.FAILED, TaskState.REJECTED})


class Situation(NamedTuple):
    """A service that is there, replicated, and soundly configured, with everything that decides about it."""

    service: Service
    replicas: int
    """Wanted replicas."""
    scale: ScalePolicy
    policy: Policy
    memory: ServiceMemory
    pauses: tuple[Pause, ...]
    """Those that concern this service."""
    tasks: tuple[Task, ...]
    """What Swarm wants running, whatever its state."""
    running: tuple[Task, ...]
    """Those of `tasks` that run on a node which is up."""
    failures: tuple[Task, ...]
    """Tasks of the present specification that failed or were rejected within the policy's `crash_loop.within`, oldest
    first."""
    samples: Mapping[tuple[str, str], Sample]
    now: datetime
    outlooks: Mapping[tuple[str, str], Outlook] = EMPTY

    @property
    def bounds(self) -> Bounds:
        """The fewest and the most replicas at this time."""
        return bounds_at(self.scale, self.now)

    def ago(self, instant: datetime) -> float:
        """Seconds since `instant`. An instant somewhat ahead of us, by another host's clock, counts as just now."""
        return abs((self.now - instant).total_seconds())

    @property
    def crash_looping(self) -> bool:
        """At least the policy's number of tasks, and half of the replicas, failed of late (S24)."""
        return len(self.failures) >= max(self.policy.crash_loop.failures, self.replicas / 2)


@dataclass(frozen=True, slots=True)
class Index:
    """A view's services by name and its tasks by service, from one pass over each."""

    services: Mapping[str, Service]
    nodes_up: frozenset[str]
    wanted: Mapping[str, tuple[Task, ...]]
    """By service: the tasks that Swarm wants running."""
    failed: Mapping[str, tuple[Task, ...]]
    """By service: the tasks that failed or were rejected, oldest first. Not those of what the service was before it was
    changed or rolled back: that may have been the cure, and it is looked at anew."""

    @classmethod
    def of(cls, view: ClusterView) -> Index:
        services = {service.name: service for service in view.services}
        failed = (t for t in view.tasks if t.state in FAILED and not _of_the_past(services.get(t.service), t))
        return cls(
            services=services,
            nodes_up=frozenset(node.id for node in view.nodes if node.state is NodeState.READY),
            wanted=_by_service(task for task in view.tasks if task.desired is TaskState.RUNNING),
            failed=_by_service(sorted(failed, key=lambda t: (t.state_at, t.id))),
        )

    def running(self, service: str) -> tuple[Task, ...]:
        """The same answer as `ClusterView.running`."""
        wanted = self.wanted.get(service, ())
        return tuple(t for t in wanted if t.state is TaskState.RUNNING and t.node_id in self.nodes_up)


@dataclass(frozen=True, slots=True)
class Cycle:
    """Everything that one call of `decide` decides by."""

    view: ClusterView
    policy: Policy
    memory: Memory
    now: datetime
    policies: ScalePolicies
    index: Index

    def situation(self, service: Service, replicas: int, scale: ScalePolicy) -> Situation:
        name, since = service.name, self.now - timedelta(seconds=self.policy.crash_loop.within)
        return Situation(
            service=service,
            replicas=replicas,
            scale=scale,
            policy=self.policy,
            memory=self.memory.of(name),
            pauses=tuple(pause for pause in self.memory.pauses if pause.service in ("", name)),
            tasks=self.index.wanted.get(name, ()),
            running=self.index.running(name),
            failures=tuple(task for task in self.index.failed.get(name, ()) if task.state_at > since),
            samples=self.view.samples,
            now=self.now,
            outlooks=self.view.outlooks,
        )


def _of_the_past(service: Service | None, task: Task) -> bool:
    """Whether the task was made from another specification than the present one. What was not read is present."""
    return service is not None and "" not in (service.template, task.template) and service.template != task.template


def _by_service(tasks: Iterable[Task]) -> Mapping[str, tuple[Task, ...]]:
    lists: defaultdict[str, list[Task]] = defaultdict(list)
    for task in tasks:
        lists[task.service].append(task)
    return {name: tuple(found) for name, found in lists.items()}
