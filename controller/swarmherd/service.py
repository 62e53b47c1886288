# SPDX-License-Identifier: GPL-3.0-or-later
"""One live cluster put together from its inventory."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType

import structlog

from swarmherd.breaker import Breakers
from swarmherd.decide.changes import change
from swarmherd.enact import Enactor, RecordingEnactor
from swarmherd.enact.collection import Collection, find_collection
from swarmherd.enact.playbook import PlaybookEnactor, Surroundings
from swarmherd.enact.recovery import at_work, recover
from swarmherd.enact.runner import RUNNER_GRACE_SECONDS, Setting
from swarmherd.loop import Steps
from swarmherd.model import ClusterView, Direction, Memory, Node, Outcome, Probe, Result
from swarmherd.observe import Observer, Probes, no_probes
from swarmherd.observe.docker import Docker
from swarmherd.observe.errors import ObserveError
from swarmherd.observe.health import HealthChecks
from swarmherd.observe.histories import Histories
from swarmherd.observe.inventory import Inventory, read_inventory
from swarmherd.observe.prometheus import Prometheus
from swarmherd.plan.actions import bootstrapping
from swarmherd.policy import ClusterSettings, Mode, Policy, PolicyError, Problem, parse_cluster, parse_policy
from swarmherd.store import Entry, Leases, Store, Wanted, default_url, state_directory
from swarmherd.store.starts import measured_lead

log = structlog.get_logger()
RUNS_OF_AN_ACTION = 2
"""Its playbook, and setting it back."""
HISTORY_SHARE = 0.25
"""Of a cycle, for reading what lies in the past."""
PATIENCE_SECONDS = 60.0
SCALINGS_LOOKED_AT = 60
"""The newest, for how long a replica takes to serve."""


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
        self.store = Store(self.state_url, settings.name)
        self.docker = Docker(inventory.managers, settings.docker_timeout_seconds, self._silent)
        self.prometheus = _prometheus(settings)
        self.breakers = Breakers(policy.breakers, clock)
        self.histories = self._history_keeper()
        self.observer = Observer(
            settings.name,
            self.docker,
            self.prometheus,
            health=HealthChecks(inventory.address_of),
            probes=self._probed,
            breakers=self.breakers,
            histories=self.histories,
        )
        self.probes: Probes = no_probes
        """What our own looks know of the nodes' hosts."""
        self.silent_hosts: Callable[[], frozenset[str]] = frozenset
        """The inventory's names of hosts where nothing answers."""
        self.permit: Callable[[], None] = lambda: None
        """Raises LeaseLostError where no further playbook may be started."""

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.observer.close()
        self.store.close()

    def steps(self, enactor: Enactor, stopping: Callable[[], bool] = lambda: False) -> Steps:
        name, policy = self.settings.name, self.policy
        return Steps(name, policy, self.observer, enactor, self.store, clock, new_id, stopping, self.breakers)

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
            permit=self._may_start,
            breakers=self.breakers,
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
        enactor = self.playbooks()
        for action, result in recover(unfinished, self.look, enactor, self.store.end, clock, self._at_work):
            log.warning(f"{change(action)} {result.outcome.value}: {result.detail}", cluster=self.settings.name)

    def bootstrap(self, enactor: Enactor, reason: str) -> None:
        """Has every host of the inventory join, and bear its labels. Raises StoreError, LeaseLostError."""
        name, now = self.settings.name, clock()
        action = bootstrapping(name, new_id(), self.inventory.nodes, reason)
        if why := _forbidden(self.policy, self.store.memory().at(now)):
            log.info(f"{change(action)} not begun: {why}", cluster=name)
            return
        result = enactor.enact(action, now)
        said = f"would have {change(action)}" if result is None else f"{change(action)} {_words(result)}"
        log.info(f"{said}; because {reason}", cluster=name)

    def _probed(self, nodes: Sequence[Node]) -> Mapping[str, Probe]:
        return self.probes(nodes)

    def _silent(self) -> frozenset[str]:
        return self.silent_hosts()

    def _may_start(self) -> None:
        self.permit()

    def _at_work(self, entry: Entry) -> bool:
        """Whether whoever began the entry may still be at it, and has a right to."""
        seconds = self.settings.playbook_timeout_seconds + RUNNER_GRACE_SECONDS
        longest = timedelta(seconds=RUNS_OF_AN_ACTION * seconds)
        return at_work(entry, self.store.token, clock(), longest)

    def leases(self) -> Leases:
        return Leases(self.state_url, self.settings.name, self.settings.lease_ttl_seconds)

    def be_patient(self) -> None:
        """For a single cycle: what it has to know of the past is read now, not cycle by cycle."""
        if self.histories is not None:
            self.histories.budget_seconds = PATIENCE_SECONDS

    def measured_lead(self, service: str) -> float | None:
        """Seconds from a decision until its replicas ran, as the newest scale-ups in the journal took it."""
        return measured_lead(self.store.history(SCALINGS_LOOKED_AT, service, Wanted("scale", Outcome.DONE)))

    def _history_keeper(self) -> Histories | None:
        if self.prometheus is None:
            return None
        interval = self.settings.interval_seconds
        return Histories(self.prometheus, self.measured_lead, HISTORY_SHARE * interval, interval)

    @property
    def state_url(self) -> str:
        return self.settings.state_url or default_url(self.settings.name)

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


def _forbidden(policy: Policy, memory: Memory) -> str:
    """The kill switches for everything (S19)."""
    if not policy.enabled:
        return "swarmherd_policy.enabled is false"
    found = (one for one in memory.pauses if not one.service and one.direction is Direction.NONE)
    return next((f"{one.who} paused everything: {one.why}" for one in found), "")


def _words(result: Result) -> str:
    return f"{result.outcome.value.replace('_', ' ')}: {result.detail}"


def open_cluster(path: Path) -> Cluster:
    """Raises InventoryError, PolicyError or StoreError, each ready to be shown."""
    return Cluster(*described(path))


def described(
    path: Path, mode: Mode | None = None, interval_seconds: float | None = None
) -> tuple[Inventory, ClusterSettings, Policy]:
    """What a cluster is opened with; `mode` overrules the policy's, and `interval_seconds` the settings'. Raises
    InventoryError or PolicyError."""
    inventory = read_inventory(path)
    settings, policy = _parsed(inventory)
    if mode is not None:
        policy = policy.model_copy(update={"mode": mode})
    if interval_seconds is not None:
        settings = settings.model_copy(update={"interval_seconds": interval_seconds})
    return inventory, settings, policy


def _parsed(inventory: Inventory) -> tuple[ClusterSettings, Policy]:
    settings = parse_cluster(inventory.cluster, inventory.cluster_file)
    return settings, parse_policy(inventory.policy, inventory.policy_file)


def checked(inventory: Inventory) -> tuple[ClusterSettings, Policy]:
    """The inventory's settings and policy. Raises PolicyError, also for a file of this machine that is missing: without
    it a controller goes on."""
    settings, policy = _parsed(inventory)
    if problem := _no_hook(inventory, policy):
        raise PolicyError([problem])
    return settings, policy


def _no_hook(inventory: Inventory, policy: Policy) -> Problem | None:
    """What is wrong with the file that is to fence, which would be found out when a node has failed."""
    hook = policy.failover.fence_hook if policy.failover else None
    folder = inventory.path if inventory.path.is_dir() else inventory.path.parent
    if hook is None or ((file := folder / hook).is_file() and os.access(file, os.R_OK)):
        return None
    key, remedy = "swarmherd_policy.failover.fence_hook", "write its path, absolute or from the inventory's folder"
    return Problem(inventory.policy_file, key, f"{file} is no file that can be read", remedy)


def _prometheus(settings: ClusterSettings) -> Prometheus | None:
    if settings.prometheus_url is None:
        return None
    seconds = settings.prometheus_timeout_seconds
    return Prometheus(settings.prometheus_url, seconds, settings.scrape_interval_seconds)
