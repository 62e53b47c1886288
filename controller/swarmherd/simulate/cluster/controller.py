# SPDX-License-Identifier: GPL-3.0-or-later
"""One process of the controller in the simulated cluster: the real loop, enactor, journal and recovery around it.

What `service.Cluster` and `running.Runner` put together for a live cluster is put together here, with the simulated
Swarm below it.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import structlog

from swarmherd.breaker import Breakers
from swarmherd.enact.playbook import PlaybookEnactor, Surroundings
from swarmherd.enact.recovery import recover
from swarmherd.enact.runner import Setting
from swarmherd.loop import Cycle, Steps, act, run_cycle
from swarmherd.model import Action, ClusterView, Memory, Outcome, Result
from swarmherd.observe import Observer
from swarmherd.observe.histories import Histories
from swarmherd.policy import Policy
from swarmherd.simulate.cluster.api import Api
from swarmherd.simulate.cluster.hands import KnownPlaybooks, SimulatedHands
from swarmherd.simulate.cluster.measuring import Measuring
from swarmherd.simulate.cluster.notebook import Keeping
from swarmherd.store.starts import measured_lead

DEADLINE_SECONDS = 120.0
ENTRIES_LOOKED_AT = 1000
"""The newest of all services, for how long a replica takes to serve."""
Errand = Callable[[ClusterView, Policy, Memory, Callable[[], str]], Action]
"""A person's command: what it makes of what it sees."""


@dataclass(frozen=True, slots=True)
class SimulatedObserver:
    """The real observer, and the probes that a watcher beside it would have."""

    inner: Observer
    api: Api

    def observe(self, policy: Policy, now: datetime) -> ClusterView:
        view = self.inner.observe(policy, now)
        return replace(view, probes=self.api.probes())


class Controller:
    """One process. When it is killed, `Killed` comes out of `cycle` or `run_errand`, and it is not used again."""

    def __init__(
        self,
        name: str,
        api: Api,
        measuring: Measuring,
        hands: SimulatedHands,
        store: Keeping,
        policy: Policy,
        new_id: Callable[[], str],
        interval_seconds: float,
    ) -> None:
        self._api, self._hands, self._store = api, hands, store
        self._clock = api.swarm.timeline.clock
        breakers = Breakers(policy.breakers, self._clock)
        self._enactor = PlaybookEnactor(
            store,
            Surroundings(
                collection=KnownPlaybooks(),
                setting=Setting(Path(), Path()),
                manager=api.manager,
                look=api.look,
                clock=self._clock,
                deadline_seconds=DEADLINE_SECONDS,
                host_of=lambda node: node.hostname,
                breakers=breakers,
                hands=hands,
                owner=lambda: name,
            ),
        )
        # Real time is not looked at, so that the same seed comes to the same on every machine.
        histories = Histories(measuring, self._measured_lead, math.inf, interval_seconds)
        observer = SimulatedObserver(
            Observer(api.swarm.name, api, measuring, breakers=breakers, histories=histories), api
        )
        self._steps = Steps(
            api.swarm.name, policy, observer, self._enactor, store, self._clock, new_id, breakers=breakers
        )
        self._new_id = new_id

    def cycle(self) -> Cycle | None:
        """What `running.Runner` does each time: bring to an end what was left behind, then observe, decide, act."""
        return run_cycle(self._recovered)

    def run_errand(self, errand: Errand) -> Result | None:
        """A person's command, carried out like any other action."""
        view = self._api.look(None)
        if view is None:
            return None
        action = errand(view, self._steps.policy, self._store.memory(), self._new_id)
        return act(self._steps, action, self._clock())

    def _measured_lead(self, service: str) -> float | None:
        """As `service.Cluster` has it."""
        done = (one for one in self._store.history(ENTRIES_LOOKED_AT) if one.outcome is Outcome.DONE)
        return measured_lead(one for one in done if one.action.kind == "scale" and one.action.service == service)

    def _recovered(self) -> Steps:
        """There is no other controller, so nobody is still at what is unfinished."""
        recover(
            self._store.unfinished(),
            self._api.look,
            self._enactor,
            self._store.end,
            self._clock,
            lambda _entry: False,
            self._hands.end_run,
        )
        return self._steps


@contextmanager
def unlogged() -> Iterator[None]:
    """A simulated cycle logs nothing: what it says is the simulation's to keep."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**before)
