# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at the hosts of a cluster's nodes all the time, in a thread of its own, whatever the main cycle is doing.

A look at a host is due every interval, and has until its timeout after that. One that begins late, because the one
before was still waiting, has less, but never less than the interval: so a host that dies is found silent within
`interval x misses + timeout`, with one look at a time. Intervals are the monotonic clock's; a time of day is only told.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from time import monotonic
from types import MappingProxyType

import structlog

from swarmherd.model import EMPTY, Node, Probe
from swarmherd.observe.inventory import Inventory
from swarmherd.observe.probe import Place, Seen, after, look
from swarmherd.policy import ProbeKeys

log = structlog.get_logger()
MOST_AT_ONCE = 64
"""Looks, in one cluster."""
IDLE_SECONDS = 60.0
STALE_LOOKS = 5
"""What was last looked at longer ago than this many looks could take is not known any more."""
Look = Callable[[Place, float], Seen]


def place_of(node: Node, inventory: Inventory, keys: ProbeKeys) -> Place | None:
    """Where to look for a node's host: as the inventory reaches it, else at the address that Swarm knows."""
    name = inventory.host_of(node)
    host = inventory.hosts.get(name or "", "")
    address = host if _is_address(host) else node.address if _is_address(node.address) else host
    if not address:
        return None
    exporter = inventory.exporter_ports.get(name or "", keys.exporter_port)
    ssh = inventory.ssh_ports.get(name or "", 22)
    return Place(address, exporter, keys.tcp_port or ssh, greets=keys.tcp_port is None)


def _is_address(text: str) -> bool:
    try:
        return not ip_address(text).is_unspecified
    except ValueError:
        return False


@dataclass(slots=True)
class _Host:
    """One node's host, as it is being watched."""

    name: str
    host: str
    """The inventory's name of it; empty where that is not clear."""
    place: Place
    due: float
    probe: Probe | None = None
    looked_at: float = 0.0
    flying: bool = False


class Watcher:
    """One cluster's. `wake` is called, with why, when a host falls silent or answers again.

    Its methods may be called from any thread.
    """

    def __init__(
        self,
        cluster: str,
        keys: ProbeKeys,
        inventory: Inventory,
        wake: Callable[[str], None],
        look: Look = look,
        instant: Callable[[], float] = monotonic,
    ) -> None:
        self._cluster = cluster
        self._keys, self._inventory = keys, inventory
        self._wake, self._look, self._instant = wake, look, instant
        self._hosts: dict[str, _Host] = {}
        self._trusted = False
        """Whether any host ever answered: where none does, it is the looks that do not work."""
        self._all_silent = self._unheard = self._unable = False
        self._changed = threading.Condition()
        self._ending = False
        self._pool: ThreadPoolExecutor | None = None
        self._thread = threading.Thread(target=self._work, name=f"watch-{cluster}", daemon=True)

    def start(self) -> None:
        self._pool = ThreadPoolExecutor(MOST_AT_ONCE, thread_name_prefix=f"look-{self._cluster}")
        self._thread.start()

    def stop(self) -> None:
        """No further look begins. Those under way end by themselves, at their timeouts, and are not waited for."""
        with self._changed:
            self._ending = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def use(self, keys: ProbeKeys, inventory: Inventory) -> None:
        """From now on this holds; what is known of the hosts stays."""
        with self._changed:
            self._keys, self._inventory = keys, inventory

    def seen(self, nodes: Sequence[Node]) -> Mapping[str, Probe]:
        """What is known of these nodes' hosts, by node id. They, and no others, are looked at from now on."""
        with self._changed:
            self._take(nodes)
            self._changed.notify_all()
            return MappingProxyType(self._known()) if self._trusted else EMPTY

    def silent_hosts(self) -> frozenset[str]:
        """The inventory's names of those where nothing answers."""
        with self._changed:
            silent = (
                [name for name, probe in self._known().items() if self._keys.silent(probe)] if self._trusted else []
            )
            return frozenset(self._hosts[name].host for name in silent)

    def _take(self, nodes: Sequence[Node]) -> None:
        places = {node.id: place_of(node, self._inventory, self._keys) for node in nodes}
        names = {node.id: (node.hostname or node.id, self._inventory.host_of(node) or "") for node in nodes}
        before, self._hosts = self._hosts, {}
        for node_id, place in places.items():
            if place is not None and self._keys.enabled:
                host = before.get(node_id)
                same = host is not None and host.place == place
                self._hosts[node_id] = host if same and host else _Host(*names[node_id], place, self._instant())

    def _known(self) -> dict[str, Probe]:
        pace, now = self._keys.pace, self._instant()
        oldest = now - STALE_LOOKS * (pace.interval_seconds + pace.timeout_seconds)
        return {
            name: host.probe
            for name, host in self._hosts.items()
            if host.probe is not None and host.looked_at >= oldest
        }

    # ------------------------------------------------------------ the thread, and the looks that it begins

    def _work(self) -> None:
        with self._changed:
            while not self._ending:
                now = self._instant()
                for host in self._hosts.values():
                    if not host.flying and host.due <= now:
                        self._submit(host, now)
                waiting = [host.due for host in self._hosts.values() if not host.flying]
                self._changed.wait(min([IDLE_SECONDS, *(max(0.0, due - now) for due in waiting)]))

    def _submit(self, host: _Host, now: float) -> None:
        assert self._pool is not None  # noqa: S101  (the thread was started with it)
        host.flying = True
        try:
            self._pool.submit(self._one, host, host.due, self._keys)
        except RuntimeError as error:  # no thread can be started; the pool keeps the look for when one can
            host.flying, host.due = False, now + self._keys.pace.interval_seconds
            if not self._unable:
                log.warning(f"{host.name} cannot be looked at for now: {error}", cluster=self._cluster)
            self._unable = True
        else:
            self._unable = False

    def _one(self, host: _Host, due: float, keys: ProbeKeys) -> None:
        """One look, and what follows of it. One that was given up meanwhile is none."""
        if host.due != due:
            return
        pace, began = keys.pace, self._instant()
        deadline = max(due + pace.timeout_seconds, began + min(pace.interval_seconds, pace.timeout_seconds))
        try:
            seen = self._look(host.place, deadline)
        except Exception as error:  # noqa: BLE001  (a surprise of ours says nothing of the host, and ends no watch)
            seen = Seen(None, problem=f"{type(error).__name__}: {error}")
        with self._changed:
            news = self._note(host, seen, keys)
            ended = self._instant()
            # After a miss the next look is due as if this one had been quick; after an answer there is no hurry.
            host.due = (
                due + pace.interval_seconds if seen.answered is False else max(due + pace.interval_seconds, ended)
            )
            host.flying = False
            self._changed.notify_all()
            ending = self._ending
        if news and not ending:
            self._wake(news)

    def _note(self, host: _Host, seen: Seen, keys: ProbeKeys) -> str:
        """What changed, in words; empty where nothing did that anybody waits for."""
        before = host.probe
        host.probe = after(before, seen, datetime.now(UTC))
        if seen.answered is not None:
            host.looked_at = self._instant()
        self._trusted = self._trusted or bool(seen.answered)
        self._say_all_silent(keys)
        was, is_now = keys.silent(before), keys.silent(host.probe)
        if was == is_now or not self._trusted:
            return ""
        return f"{host.name} is silent ({seen.problem})" if is_now else f"{host.name} answers again"

    def _say_all_silent(self, keys: ProbeKeys) -> None:
        """Once, when it begins: then it is likely we who are cut off. What follows of it is decided elsewhere (S8)."""
        silent = bool(self._hosts) and all(keys.silent(host.probe) for host in self._hosts.values())
        if silent and self._trusted and not self._all_silent:
            words = f"none of the {len(self._hosts)} hosts answers: it is likely that this controller is cut off"
            log.warning(words, cluster=self._cluster)
        if silent and not self._trusted and not self._unheard:
            one = next(iter(self._hosts.values()))
            words = f"no host ever answered us ({one.name} at {one.place.address}: {one.probe and one.probe.problem})"
            log.warning(f"{words}; until one does, our looks are no evidence", cluster=self._cluster)
            self._unheard = True
        self._all_silent = silent
