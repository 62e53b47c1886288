# SPDX-License-Identifier: GPL-3.0-or-later
"""One cycle of one cluster: observe, decide, plan, enact, remember. It calls the steps and does nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

import structlog

from swarmherd.breaker import Breakers
from swarmherd.decide.words import one_line
from swarmherd.enact import Enactor
from swarmherd.lease import LeaseLostError
from swarmherd.model import Action, Arrangement, Decision, Memory, Plan, Result
from swarmherd.observe import Observe
from swarmherd.observe.errors import ObserveError
from swarmherd.plan import conclude
from swarmherd.policy import BreakerKeys, Policy, PolicyError
from swarmherd.replay import Inputs
from swarmherd.sentence import sentence
from swarmherd.store import StoreError

log = structlog.get_logger()


class Keeps(Protocol):
    """What a cycle needs of the store."""

    def memory(self) -> Memory: ...

    def keep(self, given: Inputs, plan: Plan) -> None: ...

    def remember(self, before: Memory, after: Memory) -> None: ...

    def record(
        self,
        decisions: Iterable[Decision],
        sentence: str,
        at: datetime,
        failed: bool = False,
        arrangement: Arrangement | None = None,
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Steps:
    """What one cluster's cycles work with."""

    cluster: str
    policy: Policy
    observer: Observe
    enactor: Enactor
    store: Keeps
    clock: Callable[[], datetime]
    new_id: Callable[[], str]
    stopping: Callable[[], bool] = lambda: False
    """Asked before each action: the one in hand is finished, the next is not begun. Raises LeaseLostError."""
    breakers: Breakers = field(default_factory=lambda: Breakers(BreakerKeys(), lambda: datetime.now(UTC)))
    """Around what is asked and done in a cycle: their state is the store's, and they say what opened or closed."""


@dataclass(frozen=True, slots=True)
class Cycle:
    """What came of one cycle. `failed` says that it was abandoned, and the sentence why."""

    at: datetime
    sentence: str
    failed: bool = False
    plan: Plan | None = None
    results: tuple[Result | None, ...] = ()
    """One for each of the plan's actions that was begun; None where nothing is run (observe mode)."""
    memory: Memory | None = None
    """What the next cycle will know, but for what its own actions came to."""


def run_cycle(open_steps: Callable[[], Steps]) -> Cycle | None:
    """One cycle, whatever happens in it: an error abandons this cycle, and the next one looks again.

    `open_steps` reads what may have changed since the last cycle. None when not even that could be done.
    """
    steps: Steps | None = None
    try:
        steps = open_steps()
        done = cycle(steps)
    except LeaseLostError as error:
        return _stopped(steps, f"stopped, and nothing more is done: {error}")
    except (ObserveError, PolicyError, StoreError) as error:
        return _abandoned(steps, f"nothing decided: {error}")
    except Exception as error:  # a cluster's loop outlives every surprise
        log.exception("cycle broke off", cluster=steps.cluster if steps else None)
        return _abandoned(steps, f"nothing decided, the cycle broke off: {type(error).__name__}: {error}")
    tell = log.error if done.failed else log.info
    tell(done.sentence, cluster=steps.cluster, actions=len(done.results))
    return done


def cycle(steps: Steps) -> Cycle:
    """Raises ObserveError, StoreError, LeaseLostError, and what is a fault of ours."""
    now = steps.clock()
    before = steps.store.memory().at(now)
    steps.breakers.load(before.breakers)
    view = steps.observer.observe(steps.policy, now)
    planned, memory = conclude(view, steps.policy, before, now, steps.new_id)
    try:
        steps.store.keep(Inputs(view, steps.policy, before, now), planned)
        steps.store.remember(before, steps.breakers.kept(memory))
    except StoreError as error:
        return _only_seen(planned, now, error)
    results = []
    cut_short = ""
    for action in planned.actions:
        if cut_short := _cut_short(steps, before):
            break
        results.append(act(steps, action, now))
    said = "; ".join((sentence(planned, results, cut_short), *steps.breakers.news()))
    done = Cycle(now, said, plan=planned, results=tuple(results), memory=steps.breakers.kept(memory))
    steps.store.record(planned.decisions, done.sentence, now, arrangement=planned.arrangement)
    return done


def _cut_short(steps: Steps, before: Memory) -> str:
    """Why no further action of the plan is begun: a pause that came meanwhile counts at once (S19)."""
    if steps.stopping():
        return "stopping"
    new = [pause for pause in steps.store.memory().at(steps.clock()).pauses if pause not in before.pauses]
    return f"{one_line(new[0].who)} set a pause meanwhile: {one_line(new[0].why)}" if new else ""


def _only_seen(planned: Plan, now: datetime, error: StoreError) -> Cycle:
    """What cannot be written down is not done; what would be is said all the same."""
    said = sentence(planned, [None] * len(planned.actions))
    return Cycle(now, f"nothing is done, for it cannot be written down ({error}); seen: {said}", True, planned)


def act(steps: Steps, action: Action, decided_at: datetime) -> Result | None:
    """One action. Its result is remembered, before the next one begins, by the journal that closes its entry."""
    result = steps.enactor.enact(action, decided_at)
    before = steps.store.memory()
    steps.store.remember(before, steps.breakers.kept(before))
    return result


def _abandoned(steps: Steps | None, why: str) -> Cycle | None:
    """Says why, and writes it down if that is possible."""
    if steps is not None:
        why = "; ".join((why, *steps.breakers.news()))
    log.error(why, cluster=steps.cluster if steps else None)
    if steps is None:
        return None
    now = steps.clock()
    try:
        steps.store.record((), why, now, failed=True)
        before = steps.store.memory()
        steps.store.remember(before, steps.breakers.kept(before))
    except (StoreError, LeaseLostError) as error:  # who leads by now writes down what it sees itself
        log.error(f"that is not written down: {error}", cluster=steps.cluster)
    return Cycle(now, why, failed=True)


def _stopped(steps: Steps | None, why: str) -> Cycle | None:
    """Nothing is written down: that is the business of who leads now."""
    log.warning(why, cluster=steps.cluster if steps else None)
    return None if steps is None else Cycle(steps.clock(), why, failed=True)
