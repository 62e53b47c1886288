# SPDX-License-Identifier: GPL-3.0-or-later
"""The Docker API as playbooks and the controller reach it: readings and writes, or no answer.

It is the one thing between them and the simulated Swarm, so that being cut off from the managers is one switch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from swarmherd.breaker import Breakers
from swarmherd.model import Availability, ClusterView, Node, Probe, Service, Task, TaskState
from swarmherd.observe.docker import SwarmState
from swarmherd.observe.errors import UnreachableError
from swarmherd.simulate.cluster.errors import ModuleFailedError, OutOfSequenceError
from swarmherd.simulate.cluster.hosts import Host
from swarmherd.simulate.cluster.orchestrator import Orchestrator
from swarmherd.simulate.cluster.rollout import Rollout

PROBE_SECONDS = 1.0
MISSES = 2
"""Probes that find nobody until a host counts as silent."""


class Api:
    """What answers at the managers' address, and our own probes of the hosts."""

    def __init__(self, orchestrator: Orchestrator) -> None:
        self._orchestrator = orchestrator
        self.swarm = orchestrator.swarm
        self.cut_off = False
        """Whether no manager can be reached from where the controller and its playbooks run."""
        self.drained: dict[str, set[str]] = {}
        """By the load balancer's backend: the tasks whose servers are drained there."""

    # ------------------------------------------------------------ for the controller

    def close(self) -> None:
        """Nothing is open."""

    def read(self, breakers: Breakers | None = None) -> SwarmState:
        """See `observe.Managers`; the managers answer or do not answer as one, so that no breaker is asked."""
        del breakers
        if self.cut_off or not self.swarm.has_quorum:
            raise UnreachableError("no manager answers")
        view = self.swarm.view()
        return SwarmState("m1", view.nodes, view.services, view.tasks)

    def look(self, service: str | None) -> ClusterView | None:
        """See `enact.watch.Look`; the whole cluster, whatever is asked for."""
        del service
        return None if self.cut_off or not self.swarm.has_quorum else self.swarm.view()

    def manager(self) -> str | None:
        return None if self.look(None) is None else "m1"

    def probes(self) -> Mapping[str, Probe]:
        """What looking at each host every second has come to by now."""
        now, found = self.swarm.timeline.now, {}
        for host in self.swarm.hosts.values():
            silent = self._silent_for(host)
            misses = int(silent / PROBE_SECONDS)
            if misses < MISSES:
                found[host.node.id] = Probe(now, misses, exporter=True, tcp=True)
            else:
                begin = self.swarm.timeline.at_second(self.swarm.timeline.seconds - silent)
                found[host.node.id] = Probe(now, misses, begin, exporter=False, tcp=False, problem="no answer")
        return found

    def _silent_for(self, host: Host) -> float:
        return self.swarm.timeline.seconds - host.silent_since if host.silent_since is not None else 0.0

    # ------------------------------------------------------------ for playbooks

    def view(self) -> ClusterView:
        if (view := self.look(None)) is None:
            raise ModuleFailedError("no manager answers", unreachable=True)
        return view

    def service(self, name: str) -> Service:
        if (found := self.view().service(name)) is None:
            raise ModuleFailedError(f"there is no service {name}")
        return found

    def node(self, name: str) -> Node:
        found = [node for node in self.view().nodes if name in (node.id, node.hostname)]
        if not found:
            raise ModuleFailedError(f"the Swarm has no node {name}")
        return found[0]

    def kept(self, service: str) -> list[Task]:
        self.view()
        return [t for t in self.swarm.kept(service) if t.desired is TaskState.RUNNING]

    def update_service(self, name: str, expected: int | None, **changes: Any) -> Service:
        """Fails as a conflict where the service is at another version than expected."""
        service = self.service(name)
        self.refuse_unexpected(service, expected)
        if all(getattr(service, key) == value for key, value in changes.items()):
            return service
        return self.swarm.update_service(name, service.version, **changes)

    def refuse_unexpected(self, service: Service, expected: int | None) -> None:
        if expected is not None and service.version != expected:
            found = {"replicas": service.replicas, "version": service.version}
            raise ModuleFailedError(f"conflict: {service.name} was changed", conflict=True, found=found)

    def roll_back(self, name: str, expected: int | None) -> None:
        """Fails as a conflict like `update_service`."""
        service = self.service(name)
        self.refuse_unexpected(service, expected)
        if not service.has_previous:
            raise ModuleFailedError(f"{name} has no previous specification to go back to")
        Rollout(self._orchestrator, name).back(service.version)

    def renew(self, name: str, expected: int | None) -> None:
        """A forced update. Fails as a conflict like `update_service`."""
        service = self.service(name)
        self.refuse_unexpected(service, expected)
        Rollout(self._orchestrator, name).anew(service.version)

    def update_node(
        self,
        name: str,
        change: Callable[[Node], tuple[Mapping[str, str], Availability] | None],
        expected: int | None = None,
    ) -> None:
        """Writes what `change` makes of the node's labels and availability; None leaves it as it is.

        Fails as a conflict where the node is at another version than expected.
        """
        node = self.node(name)
        if expected is not None and node.version != expected:
            found = {"availability": node.availability.value, "version": node.version}
            raise ModuleFailedError(f"conflict: {node.hostname} was changed", conflict=True, found=found)
        if (wanted := change(node)) is None:
            return
        try:
            self.swarm.update_node(node.id, self.swarm.hosts[node.id].version, *wanted)
        except OutOfSequenceError as error:
            raise ModuleFailedError(str(error)) from error

    def stop_container(self, task_id: str, node_id: str) -> None:
        """`docker stop` on the task's own host."""
        host = self.swarm.hosts[node_id]
        if not host.heard:
            raise ModuleFailedError(f"{host.node.hostname} could not be reached", unreachable=True)
        self._orchestrator.agent.fail(task_id, "task: non-zero exit (143)")


def running_on(tasks: Iterable[Task], node_id: str) -> list[Task]:
    return [task for task in tasks if task.node_id == node_id]
