# SPDX-License-Identifier: GPL-3.0-or-later
"""One action: journal it, run its playbook, look at Docker, set back what did not land, close the entry (S13, S15, S17,
S21)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from swarmherd import breaker
from swarmherd.breaker import Breakers
from swarmherd.enact.collection import CollectionError
from swarmherd.enact.goals import BACKEND, MAY_BE_IN_VAIN, Goal, goal_of, in_vain, left_unseen
from swarmherd.enact.hands import Hands, Processes
from swarmherd.enact.processes import identity, undo_of
from swarmherd.enact.runner import Ending, Run, Setting
from swarmherd.enact.watch import Look, Watch
from swarmherd.lease import LeaseLostError
from swarmherd.model import Action, Node, Outcome, Result

WAIT_RATIO = 0.75
"""Of the deadline: how long the playbook itself waits until it has landed, so that it can still say what is missing."""
SETTLE_SECONDS = 10.0
"""After the playbook, which has waited itself, Docker is looked at for at least this long."""

BALANCER_UNREACHED = re.compile("[Tt]he load balancer (on|at) .* (cannot|could not) be reached")
"""As the collection's module and its playbook of moves say it."""


class Journal(Protocol):
    """Where actions are written down before they are done."""

    def begin(self, action: Action, decided_at: datetime, now: datetime, owner: str) -> None: ...

    def end(self, result: Result) -> None: ...


class Playbooks(Protocol):
    """Where the playbooks are: the collection."""

    def playbook(self, kind: str) -> Path:
        """Raises CollectionError when there is none for this kind of action."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an enactor needs of the world around it."""

    collection: Playbooks
    setting: Setting
    manager: Callable[[], str | None]
    """The inventory's name of a manager that answers now, or None."""
    look: Look
    clock: Callable[[], datetime]
    deadline_seconds: float
    host_of: Callable[[Node], str | None] = lambda _node: None
    """The inventory's name of a node's host, or None where it is not clear."""
    breakers: Breakers | None = None
    """Told whether playbooks come to a result, and whether the load balancer was reached."""
    permit: Callable[[], None] = lambda: None
    """Asked just before a playbook is started; raises LeaseLostError where another controller may lead (S16)."""
    hands: Hands = field(default_factory=Processes)
    owner: Callable[[], str] = identity
    """Who begins an action, as `recovery` may look it up."""


@dataclass(frozen=True, slots=True)
class Mended:
    """What came of setting an action back, or of rolling it forward: whether Docker shows it so, what to say of it, and
    our write's version."""

    done: bool
    said: str
    version: int | None = None


class PlaybookEnactor:
    """Acts on a live cluster. One action at a time: a cluster's loop is one thread."""

    def __init__(self, journal: Journal, around: Surroundings) -> None:
        self._journal = journal
        self._around = around

    def enact(self, action: Action, decided_at: datetime) -> Result | None:
        """Raises only what the journal raises, since an action that cannot be written down is not done, and
        LeaseLostError: the entry then stays open for the controller that leads, to be closed by what it finds."""
        started_at = self._around.clock()
        self._journal.begin(action, decided_at, started_at, self._around.owner())
        try:
            result = self._done(action, started_at)
        except LeaseLostError:
            raise
        except Exception as error:
            self._journal.end(self._result(action, started_at, Outcome.GIVEN_UP, f"broke off: {error}"))
            raise
        self._journal.end(result)
        return result

    def set_back(self, action: Action, variables: Mapping[str, Any], because: str) -> Mended:
        """Runs the action's playbook with the variables of its undo, and looks whether that is there."""
        return self._mended(action, variables, because, "set back", "setting it back")

    def roll_forward(self, action: Action, variables: Mapping[str, Any], because: str) -> Mended:
        """The same with the variables of what is left to do."""
        return self._mended(action, variables, because, "rolled forward", "rolling it forward")

    def _mended(self, action: Action, variables: Mapping[str, Any], because: str, done: str, doing: str) -> Mended:
        again = replace(
            action,
            id=undo_of(action.id),
            parameters={**variables, "swarmherd_reason": f"{done}, because {because}"},
        )
        goal = goal_of(again)
        watch = Watch(goal, self._around.look, self._around.clock)
        run = self._run(again, goal, watch)
        if isinstance(run, str):
            return Mended(False, f"{doing} failed: {run}")
        watch.look()
        # Docker does not show what a load balancer does: of that the run itself must have told.
        believed = run.ending is Ending.OK or not again.parameters.get(BACKEND)
        if watch.running_at is not None and watch.view is not None and believed:
            return Mended(True, f"{done}: {goal.achieved(watch.view)}", watch.version(run))
        why = ": ".join(part for part in (run.problem, watch.shortfall()) if part)
        return Mended(False, f"{doing} failed: {why}", watch.version(run))

    def _done(self, action: Action, started_at: datetime) -> Result:
        before = self._around.look(goal_of(action).reads)
        goal = goal_of(action, before)
        watch = Watch(goal, self._around.look, self._around.clock)
        watch.view = before
        run = self._run(action, goal, watch)
        if isinstance(run, str):
            return replace(self._result(action, started_at, Outcome.GIVEN_UP, run), ran=False, reached=False)
        judged = self._judged(action, goal, started_at, run, watch)
        if watch.view is not None:
            judged = replace(judged, versions=goal.versions(watch.view))
        if goal.leaves_traces and not watch.fresh:
            return replace(judged, outcome=Outcome.STARTED, detail=f"{judged.detail}; {UNSEEN}")
        variables = goal.undo(watch.view, judged.outcome) if watch.view is not None else None
        if variables is None and (run.broken_off or run.result_with("not_ready")):
            variables = left_unseen(action)
        return judged if variables is None else self._compensated(action, goal, judged, variables)

    def _compensated(self, action: Action, goal: Goal, judged: Result, variables: Mapping[str, Any]) -> Result:
        """What came of the action stays, and the detail says what was set back (S13). An undo that failed itself
        leaves the entry open, so that the next cycle finds it (S15)."""
        back = self.set_back(action, variables, judged.detail)
        outcome = Outcome.STARTED if goal.leaves_traces and not back.done else judged.outcome
        detail, version = f"{judged.detail}; {back.said}", back.version or judged.version
        return replace(judged, outcome=outcome, detail=detail, version=version, finished_at=self._around.clock())

    def _run(self, action: Action, goal: Goal, watch: Watch) -> Run | str:
        """The playbook's run, or why there was none."""
        try:
            playbook = self._around.collection.playbook(action.kind)
        except CollectionError as error:
            return str(error)
        manager = self._around.manager()
        if manager is None:
            return "no manager answers; no playbook was run"
        seconds = self._around.deadline_seconds
        told = {
            **action.parameters,
            **self._host(goal, watch),
            "swarmherd_manager": manager,
            "swarmherd_wait_timeout": max(1, int(seconds * WAIT_RATIO)),
        }
        self._around.permit()

        def no_use() -> str:
            if goal.reads is None and action.kind not in MAY_BE_IN_VAIN:
                return ""  # all of a large cluster would be read twice a second, to no use
            watch.look()
            return in_vain(action, watch.view) if watch.fresh and watch.view is not None else ""

        run = self._around.hands.play(playbook, told, action.id, seconds, self._around.setting, no_use)
        self._note(action, run)
        return run

    def _note(self, action: Action, run: Run) -> None:
        """A playbook that says no has come to a result; one that hangs, or does not reach its hosts, has not."""
        if (breakers := self._around.breakers) is None or run.ending is Ending.CALLED_OFF:
            return
        unreached = BALANCER_UNREACHED.search(run.problem) is not None
        if unreached:
            breakers.failed(breaker.BALANCER, run.problem)
        elif run.ending is Ending.OK and "swarmherd_balancer_backend" in action.parameters:
            breakers.succeeded(breaker.BALANCER)
        if run.answered or unreached:
            breakers.succeeded(breaker.playbook(action.kind))
        else:
            breakers.failed(breaker.playbook(action.kind), run.problem)

    def _host(self, goal: Goal, watch: Watch) -> Mapping[str, str]:
        """Where a container can be stopped, as the inventory calls it. Without it the playbook looks for itself."""
        view = watch.view or self._around.look(goal.reads)
        node = goal.host_needed(view) if view is not None else None
        host = self._around.host_of(node) if node is not None else None
        return {} if host is None else {"swarmherd_node_host": host}

    def _judged(self, action: Action, goal: Goal, started_at: datetime, run: Run, watch: Watch) -> Result:
        """The outcome is what Docker shows; the run only explains it."""
        if conflict := run.result_with("conflict"):
            watch.look()
            return self._result(action, started_at, Outcome.CONFLICT, _conflict(conflict))
        if run.ending is Ending.OK:
            self._around.hands.until(watch.there, SETTLE_SECONDS)
        else:
            watch.look()
        if watch.running_at is not None and watch.view is not None:
            said = f"{goal.achieved(watch.view)} after {(watch.running_at - started_at).total_seconds():.1f} s"
            detail = said if run.ending is Ending.OK else f"{said}, although {run.problem}"
            return self._result(action, started_at, Outcome.DONE, detail, watch.running_at, watch.version(run))
        if watch.fresh and watch.view is not None and (said := goal.will_do(watch.view)):
            return self._result(action, started_at, Outcome.DONE, said, version=watch.version(run))
        detail = ": ".join(part for part in (run.problem, watch.shortfall()) if part)
        # What was called off has not failed: what is asked for now is decided again, at once.
        outcome = Outcome.UNDONE if run.ending is Ending.CALLED_OFF else Outcome.GIVEN_UP
        result = self._result(action, started_at, outcome, detail, version=watch.version(run))
        return replace(result, ran=_ran(run, goal, watch), reached=run.reached)

    def _result(
        self,
        action: Action,
        started_at: datetime,
        outcome: Outcome,
        detail: str,
        running_at: datetime | None = None,
        version: int | None = None,
    ) -> Result:
        return Result(action.id, outcome, detail, started_at, self._around.clock(), running_at, version)


def _ran(run: Run, goal: Goal, watch: Watch) -> bool:
    """Docker tells, where it can be read. What was broken off may be under way still."""
    if run.broken_off or not run.hosts:
        return run.broken_off
    return watch.view is None or not watch.fresh or goal.begun(watch.view)


UNSEEN = "Docker cannot be read now, so the entry stays open until it can"


def _conflict(result: Mapping[str, Any]) -> str:
    found = result.get("found") or {}
    replicas = f"{found['replicas']} replicas at " if found.get("replicas") is not None else ""
    seen = f"found {replicas}version {found.get('version')}" if found else result.get("msg")
    return f"another writer was quicker: {seen}"
