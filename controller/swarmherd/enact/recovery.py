# SPDX-License-Identifier: GPL-3.0-or-later
"""What a controller that ended in mid-action left in the journal is brought to an end (S15)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from swarmherd.enact.landing import landed, shortfall
from swarmherd.enact.processes import end_marked, of_this_host, owner_lives, undo_of
from swarmherd.model import Action, ClusterView, Outcome, Result

ABANDONED_AFTER = timedelta(hours=1)
"""No action takes this long: an owner that seems to live is another process with the same number."""


class Unfinished(Protocol):
    """A journal entry that was begun and not ended."""

    @property
    def action(self) -> Action: ...

    @property
    def started_at(self) -> datetime: ...

    @property
    def owner(self) -> str: ...

    @property
    def token(self) -> int | None:
        """Of the lease that it was begun under; None where a person's command began it."""


def at_work(entry: Unfinished, token: int | None, now: datetime, longest: timedelta) -> bool:
    """Whether whoever began an entry may still be at it, and has a right to.

    Who led before us, by a smaller token, has none: on this host its playbook is ended, on another one it has ended
    `longest` after its begin.
    """
    age = now - entry.started_at
    if token is None or entry.token is None or entry.token >= token:
        return owner_lives(entry.owner) and age < ABANDONED_AFTER
    return not of_this_host(entry.owner) and age < longest


Left = TypeVar("Left", bound=Unfinished)


def recovered(action: Action, started_at: datetime, view: ClusterView, now: datetime) -> Result:
    """Rolled forward where Docker already shows what was wanted; otherwise closed, saying what is there instead.

    Nothing is written to Docker: what is then still to be done, the next cycle decides afresh.
    """
    outcome, detail = _found(action, view)
    service = view.service(action.service)
    version = service.version if service and outcome is Outcome.DONE else None
    return Result(action.id, outcome, f"the controller ended in mid-action; {detail}", started_at, now, None, version)


def recover(
    unfinished: Iterable[Left],
    look: Callable[[str], ClusterView | None],
    end: Callable[[Result], None],
    clock: Callable[[], datetime],
    still: Callable[[Left], bool],
) -> tuple[tuple[Action, Result], ...]:
    """Ends what still runs of each entry whose controller is gone, and closes it, if Docker can tell about it."""
    closed = []
    for entry in unfinished:
        if still(entry):
            continue
        for mark in (entry.action.id, undo_of(entry.action.id)):
            end_marked(mark)
        view = look(entry.action.service)
        if view is None:
            continue
        result = recovered(entry.action, entry.started_at, view, clock())
        end(result)
        closed.append((entry.action, result))
    return tuple(closed)


def _found(action: Action, view: ClusterView) -> tuple[Outcome, str]:
    wanted = int(action.parameters["swarmherd_replicas"])
    before = action.undo.get("swarmherd_replicas")
    service = view.service(action.service)
    if landed(view, action.service, wanted):
        return Outcome.DONE, f"{wanted} replicas run"
    if service is not None and service.replicas == wanted:
        return (
            Outcome.DONE,
            f"{wanted} replicas are wanted as decided, and {len(view.running(action.service))} run so far",
        )
    if service is not None and service.replicas == before:
        return Outcome.UNDONE, f"nothing of it had happened, {before} replicas are wanted as before"
    return Outcome.GIVEN_UP, shortfall(view, action.service, wanted)
