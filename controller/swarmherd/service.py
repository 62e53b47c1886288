# SPDX-License-Identifier: GPL-3.0-or-later
"""One live cluster put together from its inventory, and clusters side by side until told to stop.

One thread per cluster, so that one that hangs never delays another (S22).
"""

from __future__ import annotations

import signal
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from types import MappingProxyType

import structlog

from swarmherd.decide.changes import change
from swarmherd.decide.memory import remember_result
from swarmherd.enact import Enactor, RecordingEnactor
from swarmherd.enact.collection import Collection, find_collection
from swarmherd.enact.playbook import PlaybookEnactor, Surroundings
from swarmherd.enact.recovery import recover
from swarmherd.enact.runner import Setting
from swarmherd.loop import Steps, run_cycle
from swarmherd.model import ClusterView
from swarmherd.observe import Observer
from swarmherd.observe.docker import Docker
from swarmherd.observe.errors import InventoryError, ObserveError
from swarmherd.observe.inventory import Inventory, fingerprint, read_inventory
from swarmherd.observe.prometheus import Prometheus
from swarmherd.policy import ClusterSettings, Mode, Policy, parse_cluster, parse_policy
from swarmherd.store import Store, default_url, state_directory

log = structlog.get_logger()


def clock() -> datetime:
    return datetime.now(UTC)


def new_id() -> str:
    return uuid.uuid4().hex


class Cluster:
    """What one inventory describes, opened. Nothing is connected before it is first asked."""

    def __init__(self, inventory: Inventory, settings: ClusterSettings, policy: Policy) -> None:
        self.inventory = inventory
        self.settings = settings
        self.policy = policy
        self.store = Store(settings.state_url or default_url(settings.name), settings.name)
        self.docker = Docker(inventory.managers, settings.docker_timeout_seconds)
        self.prometheus = _prometheus(settings)
        self.observer = Observer(settings.name, self.docker, self.prometheus)

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.observer.close()
        self.store.close()

    def steps(self, enactor: Enactor, stopping: Callable[[], bool] = lambda: False) -> Steps:
        name, policy = self.settings.name, self.policy
        return Steps(name, policy, self.observer, enactor, self.store, clock, new_id, stopping)

    def enactor(self) -> Enactor:
        """What the policy's mode asks for. Raises CollectionError when enforcing without the collection."""
        return self.playbooks() if self.policy.mode is Mode.ENFORCE else RecordingEnactor()

    def playbooks(self) -> PlaybookEnactor:
        collection = self.collection()
        around = Surroundings(
            collection=collection,
            setting=Setting(self.inventory.path, self._runs(), self._environment(collection)),
            manager=self._manager,
            look=self.look,
            clock=clock,
            deadline_seconds=self.settings.playbook_timeout_seconds,
            host_of=self.inventory.host_of,
        )
        return PlaybookEnactor(self.store, around)

    def collection(self) -> Collection:
        return find_collection(self.inventory.collections_paths, self._runs())

    def view(self) -> ClusterView:
        """The cluster as Docker shows it, without samples. Raises ObserveError."""
        state = self.docker.read()
        return ClusterView(self.settings.name, clock(), state.nodes, state.services, state.tasks)

    def look(self, service: str | None) -> ClusterView | None:
        """One service, or everything, as Docker shows it now; None when it cannot be read."""
        with suppress(ObserveError):
            state = self.docker.read() if service is None else self.docker.read_service(service)
            return ClusterView(self.settings.name, clock(), state.nodes, state.services, state.tasks)
        return None

    def recover(self) -> None:
        """Brings to an end what an earlier controller, or a cycle that broke off, left in mid-action (S15).

        Raises CollectionError where there is something to set back and no playbook to do it.
        """
        if not (unfinished := self.store.unfinished()):
            return
        undo = self.playbooks().set_back
        for action, result in recover(unfinished, self.look, undo, self.store.end, clock):
            before = self.store.memory()
            self.store.remember(before, remember_result(before, action, result))
            log.warning(f"{change(action)} {result.outcome.value}: {result.detail}", cluster=self.settings.name)

    def _manager(self) -> str | None:
        with suppress(ObserveError):
            return self.docker.manager()
        return None

    def _runs(self) -> Path:
        return state_directory() / f"{self.settings.name}-runs"

    def _environment(self, collection: Collection) -> MappingProxyType[str, str]:
        paths = [str(collection.search_path), *self.inventory.collections_paths]
        return MappingProxyType(
            {
                "ANSIBLE_COLLECTIONS_PATH": ":".join(paths),
                "ANSIBLE_HOST_KEY_CHECKING": str(self.inventory.check_host_keys),
            }
        )


def open_cluster(path: Path, mode: Mode | None = None) -> Cluster:
    """Raises InventoryError, PolicyError or StoreError, each ready to be shown. `mode` overrules the policy's."""
    inventory = read_inventory(path)
    return Cluster(inventory, *parse_inventory(inventory, mode))


def parse_inventory(inventory: Inventory, mode: Mode | None = None) -> tuple[ClusterSettings, Policy]:
    """The inventory's settings and policy. Raises PolicyError."""
    settings = parse_cluster(inventory.cluster, inventory.cluster_file)
    policy = parse_policy(inventory.policy, inventory.policy_file)
    return settings, policy if mode is None else policy.model_copy(update={"mode": mode})


def _prometheus(settings: ClusterSettings) -> Prometheus | None:
    if settings.prometheus_url is None:
        return None
    seconds = settings.prometheus_timeout_seconds
    return Prometheus(settings.prometheus_url, seconds, settings.scrape_interval_seconds)


class Runner:
    """One cluster's cycles. A change of the inventory is read before the next: a kill switch holds at once (S19)."""

    def __init__(
        self, path: Path, mode: Mode | None, interval_seconds: float | None, stopping: threading.Event
    ) -> None:
        self._path = path
        self._mode = mode
        self._interval = interval_seconds
        self._stopping = stopping
        self._fingerprint = fingerprint(path)
        self.cluster: Cluster | None = open_cluster(path, mode)
        self._enactor = self.cluster.enactor()

    @property
    def name(self) -> str:
        return self.cluster.settings.name if self.cluster else str(self._path)

    def run(self) -> bool:
        """Cycles at fixed times from the first, until stopping; a cycle that takes longer skips its successors.

        Whether the last one was not abandoned.
        """
        started, good = monotonic(), True
        while not self._stopping.is_set():
            good = self.once()
            interval = self._interval or (self.cluster.settings.interval_seconds if self.cluster else 15.0)
            late = (monotonic() - started) % interval
            self._stopping.wait(interval - late)
        return good

    def once(self) -> bool:
        """One cycle; whether it was not abandoned."""
        done = run_cycle(self._steps)
        return done is not None and not done.failed

    def close(self) -> None:
        if self.cluster is not None:
            self.cluster.close()

    def _steps(self) -> Steps:
        if (now := fingerprint(self._path)) != self._fingerprint or self.cluster is None:
            self.close()
            self.cluster = None
            self.cluster = open_cluster(self._path, self._mode)
            self._enactor = self.cluster.enactor()
            self._fingerprint = now
            log.info("the inventory changed and was read again", cluster=self.name)
        if self.cluster.policy.mode is Mode.ENFORCE:
            self.cluster.recover()
        return self.cluster.steps(self._enactor, self._stopping.is_set)


def serve(paths: Sequence[Path], mode: Mode | None, interval_seconds: float | None, once: bool) -> bool:
    """Runs every cluster until SIGTERM or SIGINT, or for one cycle. True when no cluster's last cycle was abandoned.

    Raises InventoryError, PolicyError, StoreError or CollectionError before anything is begun.
    """
    stopping = threading.Event()
    with signals(stopping), opened(paths, mode, interval_seconds, stopping) as runners:
        good: dict[Path, bool] = {}

        def work(path: Path, runner: Runner) -> None:
            good[path] = runner.once() if once else runner.run()

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
def signals(stopping: threading.Event) -> Iterator[None]:
    """SIGTERM and SIGINT end the cycle in hand and no more."""

    def stop(number: int, _frame: object) -> None:
        if not stopping.is_set():
            log.info(f"{signal.Signals(number).name}: stopping after the cycle in hand")
        stopping.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def opened(
    paths: Iterable[Path], mode: Mode | None, interval_seconds: float | None, stopping: threading.Event
) -> Iterator[list[Runner]]:
    runners: list[Runner] = []
    try:
        for path in paths:
            runners += [Runner(path, mode, interval_seconds, stopping)]
            if len({runner.name for runner in runners}) < len(runners):
                raise InventoryError(f"{path}: the cluster {runners[-1].name} is given twice; one controller is enough")
        yield runners
    finally:
        for runner in runners:
            runner.close()
