# SPDX-License-Identifier: GPL-3.0-or-later
"""One action: journal it, run its playbook, look at Docker, close the entry (S15, S17, S21)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Protocol

from swarmherd.enact.collection import Collection, CollectionError
from swarmherd.enact.landing import attainable, landed, shortfall
from swarmherd.enact.processes import owner, undo_of
from swarmherd.enact.runner import Ending, Run, Setting, run_playbook
from swarmherd.lease import LeaseLostError
from swarmherd.model import Action, ClusterView, Outcome, Result

LOOK_SECONDS = 0.5
WAIT_RATIO = 0.75
"""Of the deadline: how long the playbook itself waits for the replicas, so that it can still say what is missing."""
SETTLE_SECONDS = 10.0
"""After the playbook, which has waited itself, Docker is looked at for at least this long."""


class Journal(Protocol):
    """Where actions are written down before they are done."""

    def begin(self, action: Action, decided_at: datetime, now: datetime, owner: str) -> None: ...

    def end(self, result: Result) -> None: ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an enactor needs of the world around it."""

    collection: Collection
    setting: Setting
    manager: Callable[[], str | None]
    """The inventory's name of a manager that answers now, or None."""
    look: Callable[[str], ClusterView | None]
    """One service as Docker shows it now, or None when Docker cannot be read."""
    clock: Callable[[], datetime]
    deadline_seconds: float
    permit: Callable[[], None] = lambda: None
    """Asked just before a playbook is started; raises LeaseLostError where another controller may lead (S16)."""


class PlaybookEnactor:
    """Acts on a live cluster. One action at a time: a cluster's loop is one thread."""

    def __init__(self, journal: Journal, around: Surroundings) -> None:
        self._journal = journal
        self._around = around

    def enact(self, action: Action, decided_at: datetime) -> Result | None:
        """Raises only what the journal raises, since an action that cannot be written down is not done, and
        LeaseLostError: the entry then stays open for the controller that leads, to be closed by what it finds."""
        started_at = self._around.clock()
        self._journal.begin(action, decided_at, started_at, owner())
        try:
            result = self._done(action, started_at)
        except LeaseLostError:
            raise
        except Exception as error:
            self._journal.end(self._result(action, started_at, Outcome.GIVEN_UP, f"broke off: {error}"))
            raise
        self._journal.end(result)
        return result

    def _done(self, action: Action, started_at: datetime) -> Result:
        watch = Watch(action, self._around)
        try:
            playbook = self._around.collection.playbook(action.kind)
        except CollectionError as error:
            return self._result(action, started_at, Outcome.GIVEN_UP, str(error))
        manager = self._around.manager()
        if manager is None:
            return self._result(action, started_at, Outcome.GIVEN_UP, "no manager answers; no playbook was run")
        run = self._run(playbook, {**action.parameters, "swarmherd_manager": manager}, action.id, watch)
        judged = self._judged(action, started_at, run, watch)
        if judged.outcome is Outcome.GIVEN_UP and watch.attainable is not None:
            return self._set_back(action, judged, playbook, manager, watch)
        return judged

    def _run(self, playbook: Path, variables: Mapping[str, Any], action_id: str, watch: Watch) -> Run:
        seconds = self._around.deadline_seconds
        wait = max(1, int(seconds * WAIT_RATIO))
        self._around.permit()
        with ThreadPoolExecutor(1, thread_name_prefix="playbook") as pool:
            told = {**variables, "swarmherd_wait_timeout": wait}
            running = pool.submit(run_playbook, playbook, told, action_id, seconds, self._around.setting)
            return watch.beside(running)

    def _set_back(self, action: Action, judged: Result, playbook: Path, manager: str, short: Watch) -> Result:
        """Scales to what can be had, by the same playbook. It stays given up; the detail says what was set."""
        replicas = short.attainable
        parameters = {
            "swarmherd_service": action.service,
            "swarmherd_replicas": replicas,
            "swarmherd_expected_replicas": action.parameters["swarmherd_replicas"],
            "swarmherd_expected_version": short.seen_version,
            "swarmherd_reason": f"set back, because {judged.detail}",
        }
        watch = Watch(replace(action, parameters=parameters), self._around)
        run = self._run(playbook, {**parameters, "swarmherd_manager": manager}, undo_of(action.id), watch)
        watch.look()
        done = watch.running_at is not None
        came = f"set back to {replicas}" if done else f"setting it back to {replicas} failed: {run.problem}"
        version = watch.version(run) or judged.version
        return replace(judged, detail=f"{judged.detail}; {came}", finished_at=self._around.clock(), version=version)

    def _judged(self, action: Action, started_at: datetime, run: Run, watch: Watch) -> Result:
        """The outcome is what Docker shows; the run only explains it."""
        if conflict := run.result_with("conflict"):
            return self._result(action, started_at, Outcome.CONFLICT, _conflict(conflict))
        if run.ending is Ending.OK:
            watch.until(monotonic() + SETTLE_SECONDS)
        else:
            watch.look()
        if watch.running_at is not None:
            detail = _landed(action, watch.running_at, started_at, run)
            return self._result(action, started_at, Outcome.DONE, detail, watch.running_at, watch.version(run))
        detail = ": ".join(part for part in (run.problem, watch.shortfall()) if part)
        return self._result(action, started_at, Outcome.GIVEN_UP, detail, version=watch.version(run))

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


class Watch:
    """Looks at one service until the action has landed, and remembers when that was."""

    def __init__(self, action: Action, around: Surroundings) -> None:
        self._action = action
        self._around = around
        self._replicas = int(action.parameters["swarmherd_replicas"])
        self._view: ClusterView | None = None
        self.running_at: datetime | None = None

    def look(self) -> None:
        view = self._around.look(self._action.service)
        self._view = view or self._view
        there = view is not None and landed(view, self._action.service, self._replicas)
        self.running_at = (self.running_at or self._around.clock()) if there else None

    def beside(self, running: Future[Run]) -> Run:
        """Looks while the playbook runs: it may have landed long before the playbook says so."""
        while not running.done():
            self.look()
            _wait_for(running, LOOK_SECONDS)
        return running.result()

    def until(self, deadline: float) -> None:
        """Looks until it has landed, or the monotonic clock says `deadline`."""
        self.look()
        while self.running_at is None and monotonic() < deadline:
            sleep(LOOK_SECONDS)
            self.look()

    def version(self, run: Run) -> int | None:
        """The version that our write left: as the module says, else as Docker shows once it has landed."""
        said = run.result_with("version")
        if said is not None and isinstance(said["version"], int):
            return said["version"]
        return self.seen_version if self.running_at is not None else None

    @property
    def attainable(self) -> int | None:
        """What to set the action back to, as last seen."""
        return attainable(self._view, self._action) if self._view is not None else None

    @property
    def seen_version(self) -> int | None:
        service = self._view.service(self._action.service) if self._view is not None else None
        return service.version if service is not None else None

    def shortfall(self) -> str:
        if self._view is None:
            return "Docker could not be read to see what came of it"
        return shortfall(self._view, self._action.service, self._replicas)


def _wait_for(running: Future[Run], seconds: float) -> None:
    try:
        running.exception(seconds)
    except TimeoutError:
        return


def _conflict(result: Any) -> str:
    found = result.get("found") or {}
    seen = f"found {found.get('replicas')} replicas at version {found.get('version')}" if found else result.get("msg")
    return f"another writer was quicker: {seen}"


def _landed(action: Action, running_at: datetime, started_at: datetime, run: Run) -> str:
    wanted = action.parameters["swarmherd_replicas"]
    said = f"{wanted} replicas run after {(running_at - started_at).total_seconds():.1f} s"
    return said if run.ending is Ending.OK else f"{said}, although {run.problem}"
