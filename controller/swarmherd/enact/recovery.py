# SPDX-License-Identifier: GPL-3.0-or-later
"""What a controller that ended in mid-action left in the journal is brought to an end (S15).

Closed as done where Docker already shows what was wanted; rolled forward by the action's own playbook where the rest of
it is as right as it was; otherwise set back by it, where there is anything to set back. Nothing here writes to Docker
itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol, TypeVar

from swarmherd.enact.goals import Goal, UnknownKindError, goal_of, left_unseen, onward
from swarmherd.enact.playbook import Mended
from swarmherd.enact.processes import end_marked, of_this_host, owner_lives, undo_of
from swarmherd.enact.watch import Look
from swarmherd.model import Action, ClusterView, Outcome, Result

ABANDONED_AFTER = timedelta(hours=1)
"""No action takes this long: an owner that seems to live is another process with the same number. What could not be
set back for so long is left to people."""
BECAUSE = "it was left in mid-action"


class Mends(Protocol):
    """Runs an action's playbook once more, with other variables."""

    def set_back(self, action: Action, variables: Mapping[str, Any], because: str) -> Mended: ...

    def roll_forward(self, action: Action, variables: Mapping[str, Any], because: str) -> Mended: ...


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

    @property
    def finished_at(self) -> datetime | None:
        """When it came to a result that could not be set back; None where its controller ended before any."""


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


class Closing(NamedTuple):
    """An outcome, what to say of it, our write's version, and whether it had come to anything."""

    outcome: Outcome
    detail: str
    version: int | None
    ran: bool = True


def recover(
    unfinished: Iterable[Left],
    look: Look,
    mends: Mends,
    end: Callable[[Result], None],
    clock: Callable[[], datetime],
    still: Callable[[Left], bool],
    end_run: Callable[[str], object] = end_marked,
) -> tuple[tuple[Action, Result], ...]:
    """Ends what still runs of each entry whose controller is gone, and closes it, if Docker can tell about it.

    What did not land, or cannot be rolled forward, is set back (S13). An entry whose undo fails stays open, to be tried
    again, until it is abandoned. `end_run` ends the playbook that still runs for the action of that id.
    """
    closed: list[tuple[Action, Result]] = []
    for entry in unfinished:
        if still(entry):
            continue
        for mark in (entry.action.id, undo_of(entry.action.id)):
            end_run(mark)
        old = clock() - entry.started_at >= ABANDONED_AFTER
        try:
            said = _closed(entry, look, mends, old)
        except (KeyError, TypeError, ValueError) as error:  # else no cycle would ever begin again
            said = Closing(Outcome.GIVEN_UP, f"its entry cannot be understood: {type(error).__name__}: {error}", None)
        if said is not None:
            detail = f"{BECAUSE}; {said.detail}"
            times = entry.started_at, clock()
            result = Result(entry.action.id, said.outcome, detail, *times, version=said.version, ran=said.ran)
            end(result)
            closed += [] if said.outcome is Outcome.STARTED else [(entry.action, result)]
    return tuple(closed)


def _closed(entry: Unfinished, look: Look, mends: Mends, old: bool) -> Closing | None:
    """How to close the entry; None while that cannot be told. `STARTED` leaves it open, and never again to be rolled
    forward: else its tasks would go there and back until it is abandoned."""
    action = entry.action
    try:
        goal = goal_of(action)
    except UnknownKindError as error:
        return Closing(Outcome.GIVEN_UP, str(error), None)
    view = look(goal.reads)
    if view is None:
        return None
    if (rest := onward(goal, view) if entry.finished_at is None else None) is None:
        closing = _back(action, goal, view, mends, old)
        return None if closing is None else closing._replace(ran=goal.begun(view))
    went = mends.roll_forward(action, rest, BECAUSE)
    if went.done:
        return Closing(Outcome.DONE, went.said, went.version)
    after = look(goal.reads)
    closing = None if after is None else _back(action, goal, after, mends, old)
    if closing is None:
        return Closing(Outcome.STARTED, went.said, went.version)
    # That it did not land counts as a failure, so that trying again waits (S13).
    outcome = Outcome.GIVEN_UP if closing.outcome is Outcome.UNDONE else closing.outcome
    return Closing(outcome, f"{went.said}; {closing.detail}", closing.version)


def _back(action: Action, goal: Goal, view: ClusterView, mends: Mends, old: bool) -> Closing | None:
    outcome, detail = (Outcome.DONE, goal.achieved(view)) if goal.landed(view) else goal.cut_short(view)
    variables = goal.undo(view, Outcome.DONE if outcome is Outcome.DONE else Outcome.STARTED)
    variables = left_unseen(action) if variables is None else variables
    if variables is None:
        return Closing(outcome, detail, goal.version(view) if outcome is Outcome.DONE else None)
    back = mends.set_back(action, variables, BECAUSE)
    if back.done:
        ended = outcome if outcome is Outcome.DONE else Outcome.UNDONE
        return Closing(ended, f"{detail}; {back.said}", back.version)
    return Closing(Outcome.GIVEN_UP, f"{detail}; {back.said}", back.version) if old else None
