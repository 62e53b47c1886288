# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster in memory with a controller that looks after it, through simulated time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from random import Random

from swarmherd.loop import Cycle
from swarmherd.model import Node, Result, Service
from swarmherd.policy import Policy
from swarmherd.simulate.cluster.api import Api
from swarmherd.simulate.cluster.controller import Controller, Errand, unlogged
from swarmherd.simulate.cluster.crash import Crash
from swarmherd.simulate.cluster.errors import Killed
from swarmherd.simulate.cluster.habits import Habits
from swarmherd.simulate.cluster.hands import SimulatedHands
from swarmherd.simulate.cluster.measuring import SCRAPE_SECONDS, Measuring
from swarmherd.simulate.cluster.notebook import Keeping, Notebook, Watched
from swarmherd.simulate.cluster.orchestrator import Orchestrator
from swarmherd.simulate.cluster.steps import ANSIBLE_SECONDS
from swarmherd.simulate.cluster.swarm import Swarm
from swarmherd.simulate.cluster.timeline import Timeline
from swarmherd.simulate.cluster.waiting import Line

BEGIN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
"""A Monday morning."""
TALLY_SECONDS = 5.0
RESTART_SECONDS = 3.0
"""How soon a killed controller is started again, by systemd."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What a simulation begins with."""

    nodes: Sequence[Node]
    services: Sequence[tuple[Service, Habits]]
    policy: Policy
    interval_seconds: float = 15.0
    heartbeat_seconds: float = 5.0
    name: str = "simulated"
    scrape_seconds: float = SCRAPE_SECONDS
    playbook_seconds: float = ANSIBLE_SECONDS
    tally_seconds: float = TALLY_SECONDS
    """How often is counted what users notice."""
    tallied_seconds: float = math.inf
    """Until when: a cycle under way may end later."""


@dataclass
class Tally:
    """What users noticed of one service, and what it cost."""

    asked: float = 0.0
    """Requests."""
    lost: float = 0.0
    """Those that no replica had room for, now or in its queue."""
    missing_seconds: float = 0.0
    """Replicas that were wanted and did not serve, times how long."""
    replica_seconds: float = 0.0
    course: list[tuple[float, float, float, int, int]] = field(default_factory=list)
    """Seconds, requests per second asked and lost, replicas wanted and serving."""


class Simulation:
    """`controlled=False` is the same cluster with nobody to look after it."""

    def __init__(
        self,
        layout: Layout,
        seed: int = 1,
        *,
        controlled: bool = True,
        crash: Crash | None = None,
        store: Keeping | None = None,
    ) -> None:
        self.layout, self.crash = layout, crash or Crash()
        self.timeline = Timeline(BEGIN)
        self.swarm = Swarm(layout.name, self.timeline, Random(seed), layout.nodes, layout.heartbeat_seconds)  # noqa: S311  (a seed is to give the same again)
        self.orchestrator = Orchestrator(self.swarm)
        self.lines = {
            service.name: Line(self.swarm, service.name) for service, habits in layout.services if habits.queue
        }
        self.api = Api(self.orchestrator)
        self.measuring = Measuring(self.swarm, layout.scrape_seconds, self.lines)
        self.hands = SimulatedHands(self.api, self.crash, layout.playbook_seconds)
        self.store: Keeping = Watched(store or Notebook(), self.crash)
        self.tallies = {service.name: Tally() for service, _habits in layout.services}
        self.cycles: list[Cycle] = []
        self.results: list[Result] = []
        """Of errands."""
        self.kills: list[str] = []
        """Where a controller was killed."""
        self.restarts = True
        """Whether a killed controller is started again."""
        self._errands: list[Errand] = []
        self._numbers, self._processes = count(1), count(1)
        self._controller = self._started() if controlled else None
        self._acting = False
        self._next_cycle = 0.0
        for service, habits in layout.services:
            self.swarm.create(service, habits)
        self.timeline.after(layout.tally_seconds, self._tally)

    # ------------------------------------------------------------ time passes

    def run_for(self, seconds: float) -> None:
        """Cycles at fixed times; one that takes longer skips its successors, as `running.Runner` does it."""
        until = self.timeline.seconds + seconds
        with unlogged():
            while self.timeline.seconds < until:
                if self._controller is None or self._next_cycle > until:
                    self._advance_idly(until)
                    continue
                self._advance_idly(self._next_cycle)
                if self._controller is not None and self.timeline.seconds >= self._next_cycle:
                    self._act()

    def _advance_idly(self, until: float) -> None:
        """To `until`, or to when a controller begins."""
        while self.timeline.seconds < until:
            before = self._controller
            try:
                self.timeline.advance_to(min(until, self.timeline.seconds + 1.0))
            except Killed as at:  # a playbook that outlived one controller did a step, and another one is killed at it
                self._dead(str(at))
            if self._controller is not before:
                return

    def _act(self) -> None:
        self._acting = True
        try:
            self._one_cycle()
        except Killed as at:
            self._dead(str(at))
        finally:
            self._acting = False
        interval = self.layout.interval_seconds
        if self._controller is not None:
            self._next_cycle = interval * (self.timeline.seconds // interval + 1)

    def _one_cycle(self) -> None:
        if self._controller is None:
            return
        if self._errands:
            result = self._controller.run_errand(self._errands.pop(0))
            self.results += [] if result is None else [result]
            return
        if (done := self._controller.cycle()) is not None:
            self.cycles.append(done)

    # ------------------------------------------------------------ controllers begin and end

    def errand(self, errand: Errand) -> None:
        """A person's command, at the next cycle's time. It dies with the controller that carries it out."""
        self._errands.append(errand)

    def kill_controller(self) -> None:
        """SIGKILL, at any instant. Whatever it was doing ends there; its playbook goes on."""
        if self._acting:
            raise Killed("killed")
        if self._controller is not None:
            self._dead("between two cycles")

    def _dead(self, where: str) -> None:
        if self._controller is None:
            return
        self.kills.append(where)
        self._controller = None
        if self.restarts:
            self.timeline.after(RESTART_SECONDS, self._restart)

    def _restart(self) -> None:
        if self._controller is None:
            self._controller = self._started()
            self._next_cycle = self.timeline.seconds

    def _started(self) -> Controller:
        return Controller(
            f"simulated:{next(self._processes)}",
            self.api,
            self.measuring,
            self.hands,
            self.store,
            self.layout.policy,
            lambda: f"a{next(self._numbers)}",
            self.layout.interval_seconds,
        )

    # ------------------------------------------------------------ what users notice

    def _tally(self) -> None:
        seconds = self.layout.tally_seconds
        if self.timeline.seconds > self.layout.tallied_seconds:
            return
        for name, tally in self.tallies.items():
            habits, replicas = self.swarm.habits[name], self.swarm.services[name].replicas or 0
            serving, demand = self.swarm.serving(name), habits.demand(self.timeline.seconds)
            if line := self.lines.get(name):
                demand, lost = (line.asked - tally.asked) / seconds, (line.turned_away - tally.lost) / seconds
            else:
                lost = max(0.0, demand - serving * habits.capacity)
            tally.asked += demand * seconds
            tally.lost += lost * seconds
            tally.missing_seconds += max(0, replicas - serving) * seconds
            tally.replica_seconds += replicas * seconds
            tally.course.append((self.timeline.seconds, demand, lost, replicas, serving))
        self.timeline.after(seconds, self._tally)

    @property
    def lost(self) -> Mapping[str, float]:
        return {name: tally.lost for name, tally in self.tallies.items()}
