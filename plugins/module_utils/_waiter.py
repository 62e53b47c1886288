# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting with a bound, and saying what was waited for."""

from __future__ import annotations

import time
from typing import Any, Callable, NamedTuple, TypeVar

from ._client import Document, Swarm
from ._errors import SwarmError, TimedOutError
from ._tasks import Progress, progress

Seen = TypeVar("Seen")

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 1.0


class Clock(NamedTuple):
    """Where the time comes from, so that a test can bring its own."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def wait_for(
    what: str,
    look: Callable[[], Seen],
    good: Callable[[Seen], bool],
    timeout_seconds: float,
    tell: Callable[[Seen], str] = str,
    looks: int = 1,
    longest_pause_seconds: float = LONGEST_PAUSE_SECONDS,
    clock: Clock = Clock(),  # noqa: B008 - immutable, and the same for every call
) -> Seen:
    """Look until what is seen is `good` `looks` times in a row, and return it.

    There is always one look, also with a bound of 0. Raises TimedOutError with what was seen last.
    """
    deadline = clock.now() + timeout_seconds
    pause, in_a_row = FIRST_PAUSE_SECONDS, 0
    while True:
        seen = look()
        in_a_row = in_a_row + 1 if good(seen) else 0
        if in_a_row >= looks:
            return seen
        left = deadline - clock.now()
        if left <= 0:
            raise TimedOutError(f"waited {timeout_seconds:g} s for {what}: {tell(seen)}", seen)
        clock.sleep(min(pause, left))
        pause = min(pause * 1.5, longest_pause_seconds)


def look_at(swarm: Swarm, name: str) -> tuple[Document, Progress]:
    """The service and how it stands, read at one go."""
    service = swarm.service(name)
    return service, progress(service, swarm.tasks_of(service), swarm.nodes())


def wait_until_converged(
    swarm: Swarm, name: str, timeout_seconds: float, wrote: bool, looks: int = 1
) -> tuple[Document, Progress]:
    """Wait until every wanted task runs and no update is under way.

    Raises SwarmError, with what was seen, past the bound or as soon as Swarm itself has stopped the update. With
    `wrote` false, an update that Swarm stopped or rolled back earlier is history as long as every task runs.
    """

    def over(seen: tuple[Document, Progress]) -> bool:
        return seen[1].converged or seen[1].stopped

    try:
        service, seen = wait_for(
            f"{name} to converge", lambda: look_at(swarm, name), over, timeout_seconds, lambda s: s[1].sentence, looks
        )
    except TimedOutError as error:
        service, seen = error.last
        raise SwarmError(str(error), **_facts(service, seen)) from error
    if seen.stopped and (wrote or not seen.converged):
        raise SwarmError(f"Swarm stopped the update of {name}: {seen.sentence}", **_facts(service, seen))
    return service, seen


def _facts(service: Document, seen: Progress) -> dict[str, Any]:
    return {"version": service["Version"]["Index"], **seen.seen()}
