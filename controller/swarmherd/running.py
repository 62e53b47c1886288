# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters side by side until told to stop: one thread for each, so that one that hangs never delays another (S22).

A cluster is worked on by the controller that holds its lease alone (S16); the others wait, and look at nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from time import monotonic

import structlog

from swarmherd.enact import Enactor, RecordingEnactor
from swarmherd.enact.collection import CollectionError
from swarmherd.exporter import Address, Exporter, serving
from swarmherd.hints import Bell
from swarmherd.leading import Leadership
from swarmherd.loop import Steps, run_cycle
from swarmherd.model import Arrangement, Decision, Memory, Plan
from swarmherd.observe.errors import InventoryError
from swarmherd.observe.inventory_files import fingerprint
from swarmherd.policy import Mode, PolicyError
from swarmherd.replay import Inputs
from swarmherd.senses import Senses
from swarmherd.service import Cluster, described
from swarmherd.signals import signals
from swarmherd.store import Store, StoreError

log = structlog.get_logger()
LOOK_SECONDS = 0.2
"""How soon the loop sees that it is to begin."""


class Runner:
    """One cluster's cycles. A change of the inventory is read before the next: a kill switch holds at once (S19)."""

    def __init__(
        self,
        path: Path,
        mode: Mode | None,
        interval_seconds: float | None,
        stopping: threading.Event,
        patient: bool = False,
        exporter: Exporter | None = None,
    ) -> None:
        """`patient`: a database that cannot be opened yet is tried again with each cycle."""
        self._path = path
        self.name = str(path)
        """The cluster's, once its inventory was read."""
        self._mode = mode
        self._interval = interval_seconds
        self._stopping = stopping
        self._exporter = exporter or Exporter()
        self._fingerprint: object = None
        self.cluster: Cluster | None = None
        self._enactor: Enactor = RecordingEnactor()
        self._leadership: Leadership | None = None
        self._led_by: tuple[str, str, float] | None = None
        self._said = ""
        self.bell = Bell()
        """Rung from outside, it begins the next cycle at once."""
        self._senses: Senses | None = None
        self._full_pass = False
        try:
            self._open()
        except StoreError as error:
            if not patient:
                raise
            log.error(f"nothing decided: {error}", cluster=self.name)

    def run(self) -> None:
        """Cycles at fixed times from the first, until stopping; a cycle that takes longer skips its successors."""
        started = monotonic()
        self._senses = Senses(self.bell)
        while not self._stopping.is_set():
            led = self._token is not None
            self.once()
            interval = self.cluster.settings.interval_seconds if self.cluster else self._interval or 15.0
            late = (monotonic() - started) % interval
            self._wait(interval - late, led)

    def _wait(self, seconds: float, led: bool) -> None:
        """Until the next cycle is due, or the bell rings. Who begins to lead does not wait for that."""
        deadline = monotonic() + seconds
        while (rest := deadline - monotonic()) > 0 and not self._stopping.is_set():
            why = self.bell.wait(rest if led else min(rest, LOOK_SECONDS))
            if why and not self._stopping.is_set():
                log.info(f"woken: {why}", cluster=self.name)
            if why or (not led and self._token is not None):
                return

    def single(self) -> bool:
        """One cycle. A lease that its holder left behind is waited for until it has run out; one in use is not."""
        return self._unbroken(self._awaited) and self.once()

    def _awaited(self) -> bool:
        while not self._stopping.is_set():
            leadership = self._lead()
            if leadership.token is not None or leadership.another_lives or leadership.problem:
                break
            self._stopping.wait(LOOK_SECONDS)
        self._opened().be_patient()
        return True

    def once(self) -> bool:
        """One cycle, if it is ours to lead; whether it was not abandoned. Whatever goes wrong costs this one alone."""
        self._full_pass = self.bell.begin()
        return self._unbroken(self._one)

    def _unbroken(self, work: Callable[[], bool]) -> bool:
        try:
            return work()
        except (InventoryError, PolicyError, StoreError, CollectionError) as error:
            log.error(f"nothing decided: {error}", cluster=self.name)
        except Exception:  # as in the loop, of what is before and after a cycle
            log.exception("cycle broke off", cluster=self.name)
        self._exporter.abandoned(self.name)
        return False

    def _one(self) -> bool:
        self._reread(self._full_pass)
        leadership = self._lead()
        token = leadership.token
        if token is None and not leadership.problem:
            return self._stand_by(leadership)
        if self._senses is not None:
            self._senses.lead(self._opened())
        self._said = ""
        began = monotonic()
        done = run_cycle(lambda: self._steps(leadership, token))
        self._exporter.tried(self.name, done, monotonic() - began, leads=token is not None)
        return done is not None and not done.failed

    def close(self) -> None:
        self._rest()
        self._step_down()
        if self.cluster is not None:
            self.cluster.close()

    @property
    def _token(self) -> int | None:
        return self._leadership.token if self._leadership is not None else None

    def _stand_by(self, leadership: Leadership) -> bool:
        """Says once who leads."""
        self._rest()
        self._exporter.stands_by(self.name)
        if (why := leadership.why_not) != self._said:
            log.info(f"{why}; nothing is looked at and nothing decided here until it stops", cluster=self.name)
        self._said = why
        return False

    def _rest(self) -> None:
        if self._senses is not None:
            self._senses.rest()

    def _reread(self, anyway: bool) -> None:
        """Raises what `_open` does."""
        before = self._fingerprint
        if self.cluster is None or anyway or fingerprint(self._path) != before:
            self._open()
            changed = "" if self._fingerprint == before or before is None else "changed and "
            log.info(f"the inventory {changed}was read again", cluster=self.name)

    def _open(self) -> None:
        """What the inventory describes now, in the place of what it described before.

        Raises InventoryError, PolicyError, StoreError, or CollectionError when enforcing without the collection.
        """
        before, self.cluster = self.cluster, None
        if before is not None:
            before.close()
        now = fingerprint(self._path)
        inventory, settings, policy = described(self._path, self._mode, self._interval)
        self.name = settings.name
        cluster = Cluster(inventory, settings, policy)
        try:
            self._enactor = cluster.enactor()
        except BaseException:
            cluster.close()
            raise
        self.cluster, self._fingerprint = cluster, now

    def _lead(self) -> Leadership:
        """Our part in the lease that the inventory speaks of now."""
        cluster = self._opened()
        wanted = (cluster.state_url, cluster.settings.name, cluster.settings.lease_ttl_seconds)
        if self._leadership is None or self._led_by != wanted:
            self._step_down()
            self._leadership = Leadership(cluster.leases(), cluster.settings.name, cluster.settings.lease_ttl_seconds)
            self._leadership.start()
            self._led_by = wanted
        return self._leadership

    def _step_down(self) -> None:
        leadership, self._leadership = self._leadership, None
        if leadership is not None:
            leadership.stop()

    def _opened(self) -> Cluster:
        if self.cluster is None:
            raise InventoryError(f"{self._path}: it is not read yet")
        return self.cluster

    def _steps(self, leadership: Leadership, token: int | None) -> Steps:
        """Raises StoreError, LeaseLostError."""
        cluster = self._opened()
        cluster.store.token = token
        if token is None:
            steps = cluster.steps(RecordingEnactor(), self._stopping.is_set)
            return replace(steps, store=Unwritten(cluster.store, leadership.problem))

        def permit() -> None:
            leadership.permit(token)

        def stopping() -> bool:
            permit()
            return self._stopping.is_set()

        cluster.permit = permit
        permit()
        if cluster.policy.mode is Mode.ENFORCE:
            cluster.recover()
        if self._full_pass:
            cluster.bootstrap(self._enactor, "SIGHUP asked for a full pass")
        return cluster.steps(self._enactor, stopping)


@dataclass(frozen=True, slots=True)
class Unwritten:
    """A store that is read alone: it is not known who may write."""

    store: Store
    why: str

    def memory(self) -> Memory:
        return self.store.memory()

    def keep(self, given: Inputs, plan: Plan) -> None:  # noqa: ARG002  (the protocol's)
        raise StoreError(self.why)

    def remember(self, before: Memory, after: Memory) -> None:  # noqa: ARG002  (the protocol's)
        raise StoreError(self.why)

    def record(
        self,
        decisions: Iterable[Decision],  # noqa: ARG002  (the protocol's)
        sentence: str,  # noqa: ARG002  (the protocol's)
        at: datetime,  # noqa: ARG002  (the protocol's)
        failed: bool = False,  # noqa: ARG002  (the protocol's)
        arrangement: Arrangement | None = None,  # noqa: ARG002  (the protocol's)
    ) -> None:
        raise StoreError(self.why)


def serve(
    paths: Sequence[Path],
    mode: Mode | None,
    interval_seconds: float | None,
    once: bool,
    metrics: Address | None = None,
) -> bool:
    """Runs every cluster until SIGTERM or SIGINT, or for one cycle. True when all ran to that end, and the one cycle of
    none was abandoned. `metrics`: where Prometheus may ask for the controller's own.

    Raises InventoryError, PolicyError, StoreError, CollectionError or ListenError before anything is begun. Of several
    clusters that are to go on, one whose database does not answer yet keeps none of the others waiting (S22).
    """
    stopping = threading.Event()
    bells: list[Bell] = []
    exporter = Exporter()
    patient = len(paths) > 1 and not once
    with (
        signals(stopping, bells),
        opened(paths, mode, interval_seconds, stopping, patient, exporter) as runners,
        serving(exporter, metrics),
    ):
        bells += [runner.bell for runner in runners]
        good: dict[Path, bool] = {}

        def work(path: Path, runner: Runner) -> None:
            try:
                if once:
                    good[path] = runner.single()
                else:
                    runner.run()
                    good[path] = True
            finally:
                if path not in good:  # who supervises the program can start it anew, and nobody a thread
                    stopping.set()

        threads = [
            threading.Thread(target=work, args=(path, runner), name=f"cluster-{runner.name}")
            for path, runner in zip(paths, runners, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return len(good) == len(paths) and all(good.values())


@contextmanager
def opened(
    paths: Iterable[Path],
    mode: Mode | None,
    interval_seconds: float | None,
    stopping: threading.Event,
    patient: bool,
    exporter: Exporter,
) -> Iterator[list[Runner]]:
    runners: list[Runner] = []
    try:
        for path in paths:
            runners += [Runner(path, mode, interval_seconds, stopping, patient, exporter)]
            if len({runner.name for runner in runners}) < len(runners):
                raise InventoryError(f"{path}: the cluster {runners[-1].name} is given twice; one controller is enough")
        yield runners
    finally:
        for runner in runners:
            runner.close()
