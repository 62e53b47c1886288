# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong in the simulated cluster, and when.

A fault is a value: it is planned on the timeline of a simulation, and is over after its seconds where it has any.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from swarmherd.model import Availability
from swarmherd.simulate.cluster.hands import Playing
from swarmherd.simulate.cluster.hosts import Host
from swarmherd.simulate.cluster.measuring import Answers
from swarmherd.simulate.cluster.rollout import Rollout
from swarmherd.simulate.cluster.simulation import Simulation

RETURN_SECONDS = 2.0
"""From a host's return until it has registered with the managers."""
SLOW = 10.0
FLAP_SECONDS = 30.0
LOOK_SECONDS = 2.5


class Kind(StrEnum):
    """Named as scenario files write them."""

    NODE_DIES = "node_dies"
    NODE_FREEZES = "node_freezes"
    NODE_CUT_OFF = "node_cut_off"
    NODE_FLAPS = "node_flaps"
    ENGINE_SLOW = "engine_slow"
    MANAGERS_UNREACHABLE = "managers_unreachable"
    PROMETHEUS_DOWN = "prometheus_down"
    PROMETHEUS_EMPTY = "prometheus_empty"
    PROMETHEUS_STALE = "prometheus_stale"
    PROMETHEUS_LIES = "prometheus_lies"
    DEPLOY = "deploy"
    IMAGE_MISSING = "image_missing"
    CRASH_LOOP = "crash_loop"
    MANUAL_SCALE = "manual_scale"
    MANUAL_DRAIN = "manual_drain"
    CONTROLLER_KILLED = "controller_killed"
    PLAYBOOK_KILLED = "playbook_killed"
    PLAYBOOK_HANGS = "playbook_hangs"


ON_NODES = frozenset(
    {Kind.NODE_DIES, Kind.NODE_FREEZES, Kind.NODE_CUT_OFF, Kind.NODE_FLAPS, Kind.ENGINE_SLOW, Kind.MANUAL_DRAIN}
)
ON_SERVICES = frozenset({Kind.DEPLOY, Kind.IMAGE_MISSING, Kind.CRASH_LOOP, Kind.MANUAL_SCALE})
LASTING = frozenset({Kind.NODE_DIES})
"""What may be for good."""


@dataclass(frozen=True, slots=True)
class Fault:
    """`about` is a node's hostname or a service's name, where the kind is about one."""

    kind: Kind
    at: float
    seconds: float | None = 60.0
    """How long it lasts; None for good. What is done in an instant passes over it."""
    about: str = ""
    replicas: int = 0
    """Of a manual scaling."""

    def __str__(self) -> str:
        to = f" to {self.replicas}" if self.kind is Kind.MANUAL_SCALE else ""
        about = f" ({self.about}{to})" if self.about else ""
        lasts = "for good" if self.seconds is None else f"for {self.seconds:.0f} s"
        return f"{self.kind.value}{about} at {self.at:.1f} s {lasts}"

    @property
    def over_at(self) -> float:
        return self.at + (self.seconds or 0.0)

    def plan(self, simulation: Simulation) -> None:
        """From now on it will happen."""
        begin, end = _Doing(simulation, self).both()
        simulation.timeline.at(self.at, begin)
        if self.seconds is not None and end is not None:
            simulation.timeline.at(self.over_at, end)


class _Doing:
    """One fault on one simulation."""

    def __init__(self, simulation: Simulation, fault: Fault) -> None:
        self._simulation, self._fault = simulation, fault
        self._swarm, self._orchestrator = simulation.swarm, simulation.orchestrator

    def both(self) -> tuple[Callable[[], None], Callable[[], None] | None]:
        """What begins it, and what ends it."""
        kind = self._fault.kind
        table: dict[Kind, tuple[Callable[[], None], Callable[[], None] | None]] = {
            Kind.NODE_DIES: (self._die, self._come_back),
            Kind.NODE_FREEZES: (self._freeze, self._come_back),
            Kind.NODE_CUT_OFF: (self._cut_off, self._come_back),
            Kind.NODE_FLAPS: (self._flap, self._come_back),
            Kind.ENGINE_SLOW: (lambda: self._slow(SLOW), lambda: self._slow(1.0)),
            Kind.MANAGERS_UNREACHABLE: (lambda: self._unreachable(True), lambda: self._unreachable(False)),
            Kind.PROMETHEUS_DOWN: (lambda: self._answers(Answers.DOWN), self._answers_again),
            Kind.PROMETHEUS_EMPTY: (lambda: self._answers(Answers.EMPTY), self._answers_again),
            Kind.PROMETHEUS_STALE: (lambda: self._answers(Answers.STALE), self._answers_again),
            Kind.PROMETHEUS_LIES: (lambda: self._answers(Answers.LYING), self._answers_again),
            Kind.DEPLOY: (lambda: self._deploy("good"), None),
            Kind.IMAGE_MISSING: (self._deploy_missing, lambda: self._deploy("mended")),
            Kind.CRASH_LOOP: (lambda: self._crashing(5.0), lambda: self._crashing(None)),
            Kind.MANUAL_SCALE: (self._scale, None),
            Kind.MANUAL_DRAIN: (
                lambda: self._available(Availability.DRAIN),
                lambda: self._available(Availability.ACTIVE),
            ),
            Kind.CONTROLLER_KILLED: (self._simulation.kill_controller, None),
            Kind.PLAYBOOK_KILLED: (self._kill_playbooks, None),
            Kind.PLAYBOOK_HANGS: (self._hang_playbooks, None),
        }
        return table[kind]

    # ------------------------------------------------------------ hosts

    def _host(self) -> Host:
        about = self._fault.about
        return next(host for host in self._swarm.hosts.values() if about in (host.node.id, host.node.hostname))

    def _die(self) -> None:
        host = self._host()
        if host.alive:
            self._orchestrator.agent.lose_all(host)
            self._orchestrator.silent(host)

    def _freeze(self) -> None:
        self._host().frozen = True
        self._orchestrator.silent(self._host())

    def _cut_off(self) -> None:
        self._host().cut_off = True
        self._orchestrator.silent(self._host())

    def _come_back(self) -> None:
        host = self._host()
        host.alive, host.frozen, host.cut_off = True, False, False
        self._swarm.timeline.after(RETURN_SECONDS, lambda: self._orchestrator.heard_again(host))

    def _flap(self) -> None:
        """It dies and comes back, over and over."""
        self._die()
        self._swarm.timeline.after(FLAP_SECONDS, self._come_back)
        if self._swarm.timeline.seconds + 2 * FLAP_SECONDS < self._fault.over_at:
            self._swarm.timeline.after(2 * FLAP_SECONDS, self._flap)

    def _slow(self, factor: float) -> None:
        self._host().slowness = factor

    def _available(self, availability: Availability) -> None:
        host = self._host()
        self._swarm.update_node(host.node.id, host.version, availability=availability)

    # ------------------------------------------------------------ what we ask, and what acts for us

    def _unreachable(self, cut_off: bool) -> None:
        self._simulation.api.cut_off = cut_off

    def _answers(self, answers: Answers) -> None:
        self._simulation.measuring.answers = answers

    def _answers_again(self) -> None:
        self._answers(Answers.RIGHT)

    def _kill_playbooks(self) -> None:
        self._to_playbooks(lambda playing: playing.kill())

    def _hang_playbooks(self) -> None:
        self._to_playbooks(Playing.hang)

    def _to_playbooks(self, do: Callable[[Playing], None]) -> None:
        """To those that run, or to the next one that does."""
        running = [playing for playing in self._simulation.hands.running.values() if playing.run is None]
        for playing in running:
            do(playing)
        if not running:
            self._swarm.timeline.after(LOOK_SECONDS, lambda: self._to_playbooks(do))

    # ------------------------------------------------------------ somebody else

    def _deploy(self, word: str) -> None:
        image = f"{self._fault.about}:{word}-{self._fault.at:.0f}"
        Rollout(self._orchestrator, self._fault.about).begin(image)

    def _deploy_missing(self) -> None:
        self._swarm.missing_images.add(f"{self._fault.about}:missing-{self._fault.at:.0f}")
        self._deploy("missing")

    def _crashing(self, seconds: float | None) -> None:
        """What runs already crashes as well."""
        self._swarm.habits[self._fault.about].crashes_after_seconds = seconds
        if seconds is not None:
            for task in self._swarm.kept(self._fault.about):
                self._orchestrator.agent.fail(task.id, "task: non-zero exit (1)")

    def _scale(self) -> None:
        now = self._swarm.services[self._fault.about]
        self._swarm.update_service(now.name, now.version, replicas=self._fault.replicas)
