# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting with a bound, and saying what was waited for."""

from __future__ import annotations

import time
from typing import Any, Callable, Mapping, NamedTuple, TypeVar

from ._client import Document, Swarm
from ._errors import SwarmError, TimedOutError, UnavailableError
from ._tasks import ROLLED_BACK, ROLLED_BACK_WHOLLY, Progress, failure_sentence, failures_of, progress

Seen = TypeVar("Seen")

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 1.0


class Clock(NamedTuple):
    """Where the time comes from, so that a test can bring its own."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def bound(seconds: float, clock: Clock = Clock()) -> Callable[[], float]:  # noqa: B008 - immutable
    """For several waits within one bound: how many seconds of it are left, and never less than none."""
    deadline = clock.now() + seconds
    return lambda: round(max(0.0, deadline - clock.now()), 1)


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

    There is always one look, also with a bound of 0. While the engine does not answer, or no manager leads, it looks
    again as well. Raises TimedOutError with what was seen last, or UnavailableError where the last look saw nothing.
    """
    deadline = clock.now() + timeout_seconds
    pause, in_a_row = FIRST_PAUSE_SECONDS, 0
    while True:
        unanswered: UnavailableError | None = None
        try:
            seen = look()
        except UnavailableError as error:
            unanswered, in_a_row = error, 0
        else:
            in_a_row = in_a_row + 1 if good(seen) else 0
            if in_a_row >= looks:
                return seen
        left = deadline - clock.now()
        if left <= 0:
            waited = f"waited {timeout_seconds:g} s for {what}"
            if unanswered:
                raise UnavailableError(f"{waited}: {unanswered}", **unanswered.facts) from unanswered
            raise TimedOutError(f"{waited}: {tell(seen)}", seen)
        clock.sleep(min(pause, left))
        pause = min(pause * 1.5, longest_pause_seconds)


def look_at(swarm: Swarm, name: str) -> tuple[Document, Progress]:
    """The service and how it stands, read at one go."""
    service = swarm.service(name)
    return service, progress(service, swarm.tasks_of(service), swarm.nodes())


def wait_until_converged(
    swarm: Swarm, name: str, timeout_seconds: float, wrote: bool, looks: int = 1, tried: Document | None = None
) -> tuple[Document, Progress]:
    """Wait until every wanted task runs and no update is under way.

    Raises SwarmError, with what was seen, past the bound or as soon as Swarm itself has stopped the update. With
    `wrote` false, an update that Swarm stopped earlier is history as long as every task runs. One that it rolled back
    before the first look always is: that state stays until the next write, whatever the tasks do meanwhile. `tried` is
    the spec that was written: when Swarm rolls back, what its tasks said is the reason.
    """
    end = wait_for_all(swarm, {name: Awaited(wrote, tried)}, timeout_seconds, looks)[name]
    if end.problem:
        raise SwarmError(end.problem, **end.facts())
    return end.service, end.seen


class Awaited(NamedTuple):
    """Whether a service was written just now, and with which spec."""

    wrote: bool
    tried: Document | None = None


class End(NamedTuple):
    """How waiting for a service ended. `problem` is empty where all is well."""

    service: Document
    seen: Progress
    problem: str = ""
    failures: tuple[dict[str, Any], ...] = ()
    rolled_back: bool = False

    def facts(self) -> dict[str, Any]:
        facts = {"version": self.service["Version"]["Index"], **self.seen.seen()}
        if self.problem:
            facts.update(failures=list(self.failures), rolled_back=self.rolled_back)
        return facts


def wait_for_all(
    swarm: Swarm, awaited: Mapping[str, Awaited], timeout_seconds: float, looks: int = 1
) -> dict[str, End]:
    """Wait until each of the services has converged or Swarm itself has stopped its update; one bound for all."""

    first: dict[str, Any] = {}

    def look() -> dict[str, tuple[Document, Progress]]:
        seen = {name: look_at(swarm, name) for name in awaited}
        for name, (service, _progress) in seen.items():
            first.setdefault(name, service.get("UpdateStatus"))
        return seen

    def stopped(name: str, service: Document, seen: Progress) -> bool:
        of_before = seen.update_state == ROLLED_BACK_WHOLLY and service.get("UpdateStatus") == first[name]
        return seen.stopped and (awaited[name].wrote or not of_before)

    def over(seen: Mapping[str, tuple[Document, Progress]]) -> bool:
        return all(one.converged or stopped(name, service, one) for name, (service, one) in seen.items())

    try:
        last = wait_for(f"{', '.join(awaited)} to converge", look, over, timeout_seconds, looks=looks)
    except TimedOutError as error:
        last = error.last
    return {
        name: _end(swarm, name, *last[name], awaited[name], stopped(name, *last[name]), timeout_seconds)
        for name in awaited
    }


def _end(
    swarm: Swarm, name: str, service: Document, seen: Progress, awaited: Awaited, stopped: bool, timeout_seconds: float
) -> End:
    if stopped and (awaited.wrote or not seen.converged):
        said = failures_of(awaited.tried, service, swarm.tasks_of(service), swarm.nodes()) if awaited.tried else ()
        sentences = [seen.sentence, *(failure_sentence(failure) for failure in said if failure not in seen.failures)]
        problem = f"Swarm stopped the update of {name}: {'; '.join(sentences)}"
        return End(service, seen, problem, said or seen.failures, seen.update_state in ROLLED_BACK)
    if not (seen.converged or stopped):
        problem = f"waited {timeout_seconds:g} s for {name} to converge: {seen.sentence}"
        return End(service, seen, problem, seen.failures)
    return End(service, seen)
