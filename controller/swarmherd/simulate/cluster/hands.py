# SPDX-License-Identifier: GPL-3.0-or-later
"""The hands of the simulated cluster: they carry out playbooks on its clock, below the real enactor.

A playbook is a process of its own: it goes on when the controller that started it is killed, until it is through, or
until a recovery ends it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from swarmherd.enact.collection import CollectionError
from swarmherd.enact.runner import Ending, Run, Setting
from swarmherd.simulate.cluster.api import Api
from swarmherd.simulate.cluster.crash import Crash
from swarmherd.simulate.cluster.errors import ModuleFailedError
from swarmherd.simulate.cluster.mending import failover, restart, rollback
from swarmherd.simulate.cluster.moving import move
from swarmherd.simulate.cluster.playbooks import drain, relabel, release, scale
from swarmherd.simulate.cluster.steps import ANSIBLE_SECONDS, STARTED, Play, Steps

LOOK_SECONDS = 0.5
MANAGER = "m1"
PLAYS: dict[str, Play] = {
    "scale": scale,
    "drain": drain,
    "relabel": relabel,
    "release": release,
    "move": move,
    "restart": restart,
    "rollback": rollback,
    "failover": failover,
}
"""By kind of action. Another kind is one more function of steps here."""


class Playing:
    """One playbook that runs."""

    def __init__(
        self, kind: str, steps: Steps, api: Api, crash: Crash, started: str, playbook_seconds: float = ANSIBLE_SECONDS
    ) -> None:
        self._kind, self._steps, self._api, self._crash = kind, steps, api, crash
        self.started_for = started
        self._playbook_seconds = playbook_seconds
        self.run: Run | None = None
        """How it ended."""
        self._hangs = False
        self._go_on()

    def kill(self, ending: Ending = Ending.FAILED, why: str = "the playbook was killed") -> None:
        if self.run is None:
            self.run = Run(ending, {}, why, answered=False, broken_off=True)

    def hang(self) -> None:
        """It goes no further, and does not end."""
        self._hangs = True

    def _go_on(self) -> None:
        if self.run is not None or self._hangs:
            return
        try:
            step = next(self._steps)
        except StopIteration as end:
            self.run = Run(Ending.OK, {MANAGER: end.value or {}})
            return
        except ModuleFailedError as error:
            self.run = Run(Ending.FAILED, {MANAGER: error.facts}, f"{MANAGER}: {error}")
            return
        seconds = self._playbook_seconds if step.name == STARTED else step.seconds
        self._api.swarm.timeline.after(seconds, self._go_on)
        if step.name:
            self._crash.step(f"{self._kind}: {step.name}", self.kill)


class SimulatedHands:
    """See `enact.hands.Hands`."""

    def __init__(self, api: Api, crash: Crash, playbook_seconds: float = ANSIBLE_SECONDS) -> None:
        self._api, self._crash, self._playbook_seconds = api, crash, playbook_seconds
        self._timeline = api.swarm.timeline
        self.running: dict[str, Playing] = {}
        """By the action's id, as long as it runs."""
        self.most_at_once = 0
        """Playbooks that ever ran at the same time for one service or node: more than one is a double action."""

    def play(
        self,
        playbook: Path,
        variables: Mapping[str, Any],
        action_id: str,
        deadline_seconds: float,
        setting: Setting,  # noqa: ARG002  (the protocol's)
        in_vain: Callable[[], str],
    ) -> Run:
        deadline = self._timeline.seconds + deadline_seconds
        playing = self._start(playbook.stem, variables, action_id)
        while playing.run is None:
            if why := in_vain():
                playing.kill(Ending.CALLED_OFF, f"called off, since {why}")
            else:
                self._timeline.advance(LOOK_SECONDS)
            if self._timeline.seconds >= deadline:
                playing.kill(Ending.DEADLINE, f"the playbook was ended at its deadline of {deadline_seconds:g} s")
        return playing.run

    def until(self, there: Callable[[], bool], seconds: float) -> None:
        deadline = self._timeline.seconds + seconds
        while not there() and self._timeline.seconds < deadline:
            self._timeline.advance(LOOK_SECONDS)

    def end_run(self, action_id: str) -> None:
        """See `enact.processes.end_marked`."""
        if playing := self.running.pop(action_id, None):
            playing.kill()

    def _start(self, kind: str, variables: Mapping[str, Any], action_id: str) -> Playing:
        self.running = {name: one for name, one in self.running.items() if one.run is None}
        named = ("swarmherd_service", "swarmherd_anchor", "swarmherd_node")
        about = next((str(variables[name]) for name in named if variables.get(name)), "")
        at_once = sum(one.started_for == about for one in self.running.values()) + 1
        self.most_at_once = max(self.most_at_once, at_once)
        playing = Playing(
            kind, PLAYS[kind](self._api, variables), self._api, self._crash, about, self._playbook_seconds
        )
        self.running[action_id] = playing
        return playing


class KnownPlaybooks:
    """See `enact.playbook.Playbooks`."""

    def playbook(self, kind: str) -> Path:
        if kind not in PLAYS:
            raise CollectionError(f"there is no simulated playbook {kind}")
        return Path(f"{kind}.yml")
