# SPDX-License-Identifier: GPL-3.0-or-later
"""What every scenario plays on: a shop under load, a controller, and somebody who watches until all is whole again."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.integration import lab as on

from . import faults, hosts
from .between import Between
from .hosts import Eye, Seen, UnseenError
from .load import Load

SHOP, REPLICAS, MOST = "shop_web", 4, 6
SHOP_IMAGE, IDLE_IMAGE = "swarmherd-lab/shop:1", "swarmherd-lab/base:bookworm"
SLEEP = ("sleep", "infinity")
PRESENCE = "scenario-presence"
"""A task on every worker that keeps the shop's network joined there: a node that joins one right after a peer has died
may wait ten seconds for the dead one's answer before its first task starts (libnetwork's gossip, by TCP)."""
PER_SECOND = 15
WATCH_SECONDS, CYCLE_SECONDS = 0.2, 2.0
WHOLE_SECONDS, SAY_SECONDS, START_SECONDS = 120, 60, 150
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
PROGRAM = """
import os, threading, time
if os.environ.pop("LD_PRELOAD", ""):
    time.sleep = lambda seconds: threading.Event().wait(seconds)
from swarmherd.cli import app
app()
"""
"""The command `swarmherd`. A clock that is faked is faked for it alone, not for what it starts; and libfaketime, told
to leave the monotonic clock alone, fails where Python 3.11 sleeps."""
QUICK = {"stabilization": "0s", "cooldown": "0s"}


def demand(value: float) -> list[dict[str, Any]]:
    """A metric that asks for a replica per ten, as long as Prometheus scrapes; 40 are four replicas."""
    return [{"query": f'{value:g} * max(up{{job="prometheus"}})', "target": 10}]


def labels_of_demand(value: float, least: int = 1, most: int = MOST) -> list[str]:
    """The same as options of `docker service create`, which opt a service in."""
    said = {"min": least, "max": most, "query": demand(value)[0]["query"], "target": 10}
    return [word for key, text in said.items() for word in ("--label", f"swarmherd.scale.{key}={text}")]


@dataclass(frozen=True, slots=True)
class Line:
    """What the controller said once."""

    at: str
    event: str
    level: str
    cycle: bool
    """Whether it is the sentence of a cycle that was not abandoned."""


class Controller:
    """One process of `swarmherd run` on an inventory of its own."""

    def __init__(self, folder: Path, prometheus_url: str) -> None:
        self.folder = folder
        self.log = folder / "controller.log"
        self._prometheus_url = prometheus_url
        self._process: subprocess.Popen[bytes] | None = None
        self.state = folder / "state.db"
        self.write()

    def write(self, cluster: Mapping[str, Any] | None = None, **policy: Any) -> Path:
        """Writes the inventory: the stage's own policy, but for what is given."""
        settings = {
            "name": "scenarios",
            "prometheus_url": self._prometheus_url,
            "scrape_interval_seconds": 2,
            "prometheus_timeout_seconds": 1.5,
            "interval_seconds": CYCLE_SECONDS,
            "docker_timeout_seconds": 4,
            "playbook_timeout_seconds": 60,
            "state_url": f"sqlite:///{self.state}",
            **(cluster or {}),
        }
        document = {
            "settle_seconds": 2,
            "backoff_seconds": 2,
            "defaults": {"scale": QUICK},
            "services": {SHOP: shop_policy()},
            # Each node goes down many times on this stage, and what is cordoned for that is not whole.
            "failover": {"speed": "fast", "flapping": {"cordon": False}},
            **policy,
        }
        return on.inventory(self.folder, settings, document)

    @contextmanager
    def policy(self, **policy: Any) -> Iterator[None]:
        """Another policy, in force when the block begins, and no longer when it has ended."""
        self._change(**policy)
        try:
            yield
        finally:
            self._change()

    def _change(self, **policy: Any) -> None:
        mark = self.mark()
        self.write(**policy)
        self.says("was read again", mark)
        self.cycles(1, self.mark())

    def start(self, **environment: str) -> None:
        settings = {**os.environ, "XDG_STATE_HOME": str(self.folder / "state"), "PYTHONUNBUFFERED": "1", **environment}
        command = [sys.executable, "-c", PROGRAM, "-i", str(self.folder / "inventory"), "run"]
        mark = self.mark()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=on.ROOT, env=settings, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self.cycles(1, mark, START_SECONDS)

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(10)
            self._process = None

    @contextmanager
    def other(self, state: Path | None = None, **environment: str) -> Iterator[None]:
        """The controller started anew, with another place for its state or another environment."""
        self.stop()
        usual, self.state = self.state, state or self.state
        try:
            self.write()
            self.start(**environment)
            yield
        finally:
            self.stop()
            self.state = usual
            self.write()
            self.start()

    def lives(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def mark(self) -> int:
        """A place in what it said: now."""
        return self.log.stat().st_size if self.log.exists() else 0

    def said(self, mark: int) -> list[Line]:
        with self.log.open("rb") as log:
            log.seek(mark)
            text = log.read().decode(errors="replace")
        found = []
        for line in text[: text.rfind("\n") + 1].splitlines():
            if line.startswith("{"):
                row = json.loads(line)
                cycle = "actions" in row and row["level"] == "info"
                found.append(Line(row["timestamp"], row["event"], row["level"], cycle))
        return found

    def says(self, words: str, mark: int, seconds: float = SAY_SECONDS) -> Line:
        """Waits until it says something with these words in it, a regular expression."""

        def heard() -> Line | None:
            self.require()
            return next((line for line in self.said(mark) if re.search(words, line.event)), None)

        return on.wait_until(heard, f"the controller says {words!r}", seconds, every=0.1)

    def cycles(self, count: int, mark: int, seconds: float = SAY_SECONDS) -> None:
        """Waits for so many cycles that were not abandoned."""

        def enough() -> bool:
            self.require()
            return sum(line.cycle for line in self.said(mark)) >= count

        on.wait_until(enough, f"the controller has gone through {count} cycles", seconds, every=0.1)

    def knows(self, mark: int, seconds: float = SAY_SECONDS) -> None:
        """Waits for a cycle to which no metric is unknown."""

        def known() -> bool:
            self.require()
            return any(line.cycle and "unknown" not in line.event for line in self.said(mark))

        on.wait_until(known, "the controller knows its metrics", seconds, every=0.1)

    def require(self) -> None:
        assert self.lives(), f"the controller has ended; it said: {self.log.read_text()[-2000:]}"

    def journal(self, service: str = "") -> list[tuple[str, str, str]]:
        """Kind, outcome and detail of its actions, the oldest first, read beside it."""
        wanted = "SELECT kind, outcome, detail FROM journal WHERE service LIKE ? ORDER BY decided_at"
        try:
            with closing(sqlite3.connect(f"file:{self.state}?mode=ro", uri=True)) as state:
                return list(state.execute(wanted, (service or "%",)))
        except sqlite3.OperationalError:  # there are no tables yet
            return []


def shop_policy(value: float = 10 * REPLICAS, **keys: Any) -> dict[str, Any]:
    """What is wanted of the shop when its metric has this value."""
    scale = {"min": 2, "max": MOST, "metrics": demand(value), "step": {"up": 1, "down": 1}, **QUICK}
    return {"balancer": SHOP, "scale": {**scale, **keys}}


class Stage:
    """A shop of four replicas on the workers, two on each at most, so that no worker holds more than half of it.

    With two workers alone each must be able to hold all of it.
    """

    def __init__(self, folder: Path, nodes: Sequence[str] = faults.NODES) -> None:
        self._nodes = sorted(nodes)
        self._per_node = 2 if len(nodes) - len(set(nodes) & set(faults.MANAGERS)) > 2 else REPLICAS
        self.between = Between(f"http://{on.address('manager1')}:9090")
        self.between.start()
        self.controller = Controller(folder, self.between.url)
        self.load = Load(on.address("manager1"), int(faults.SHOP_PORT), PER_SECOND)
        self._eye, self._asked = Eye(), Eye()
        self._seen: list[Seen] = []
        self._unseen = ""
        self._stop = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="watcher", daemon=True)

    def __enter__(self) -> Stage:
        hosts.docker("service", "rm", SHOP, PRESENCE, check=False)  # of a run cut short, on a lab that was kept
        try:
            each = ("--replicas-max-per-node", str(self._per_node))
            self.create(SHOP, REPLICAS, "--network", "swarmherd", *each, image=SHOP_IMAGE, command=())
            self.create(PRESENCE, None, "--network", "swarmherd")
            self._watcher.start()
            self.until(lambda now: now.running(SHOP) == REPLICAS, "the shop runs", 60)
            on.wait_until(lambda: self.servers() == REPLICAS, "the load balancer sends to all of the shop", 60)
            self.controller.start()
            self.load.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self.controller.stop()
        self.load.stop()
        self.between.stop()
        hosts.docker("service", "rm", SHOP, PRESENCE, check=False)
        if self._watcher.is_alive():
            self._watcher.join(15)
        self._eye.close()
        self._asked.close()

    # ------------------------------------------------------------ what is there

    def create(
        self, name: str, replicas: int | None, *options: str, image: str = IDLE_IMAGE, command: tuple[str, ...] = SLEEP
    ) -> None:
        """A service on the workers that Swarm restarts at once; without a count it is global."""
        words = ["service", "create", "--detach", "--no-resolve-image", "--name", name]
        words += ["--mode", "global"] if replicas is None else ["--replicas", str(replicas)]
        # Where something reserves no memory, nothing is evened out by reservations.
        words += [
            "--reserve-memory",
            "32m",
            "--restart-delay",
            "0s",
            "--endpoint-mode",
            "dnsrr",
            "--constraint",
            "node.role==worker",
        ]
        words += ["--stop-grace-period", "10s" if name == SHOP else "1s"]
        words += ["--env", "SHOP_CAPACITY=100"] if image == SHOP_IMAGE else []
        hosts.docker(*words, *options, image, *command)

    @contextmanager
    def service(self, name: str, replicas: int, *options: str, runs: bool = True, **more: Any) -> Iterator[str]:
        """Another service, for as long as the block lasts."""
        self.create(name, replicas, *options, **more)
        try:
            if runs:
                self.until(lambda now: now.running(name) == replicas, f"{replicas} replicas of {name} run", 60)
            yield name
        finally:
            hosts.docker("service", "rm", name)
            self.until(lambda now: not now.of(name), f"the tasks of {name} are gone", 60)

    def servers(self) -> int:
        """The shop's servers that the load balancer sends to."""
        address = f"http://{on.address('manager1')}:8404/metrics"
        with DIRECT.open(address, timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        name = f'haproxy_backend_active_servers{{proxy="{SHOP}"}}'
        return int(float(next(line.split()[-1] for line in lines if line.startswith(name))))

    # ------------------------------------------------------------ what is seen

    def now(self) -> Seen:
        """Raises UnseenError."""
        return self._asked.look()

    def until(self, condition: Callable[[Seen], Any], what: str, seconds: float) -> Seen:
        """The first view that the condition holds in."""
        deadline = time.monotonic() + seconds
        last: Seen | UnseenError | None = None
        while time.monotonic() < deadline:
            try:
                last = self.now()
                if condition(last):
                    return last
            except UnseenError as error:
                last = error
            time.sleep(0.1)
        raise AssertionError(f"waited {seconds:g} s in vain until {what}; last seen: {told(last)}")

    def seen(self, since: float) -> list[Seen]:
        """All that was seen since then, several times a second as long as the manager spoke."""
        return [one for one in self._seen if one.at >= since]

    def _watch(self) -> None:
        while not self._stop.wait(WATCH_SECONDS):
            try:
                self._seen.append(self._eye.look())
            except UnseenError as error:
                self._unseen = str(error)

    # ------------------------------------------------------------ what must hold

    def never_fewer_wanted(self, service: str, replicas: int, since: float) -> None:
        fewest = min((one.wanted.get(service, replicas) for one in self.seen(since)), default=replicas)
        assert fewest >= replicas, f"{service} was lowered from {replicas} to {fewest}"

    def never_more_wanted(self, service: str, replicas: int, since: float) -> None:
        most = max((one.wanted.get(service, 0) for one in self.seen(since)), default=0)
        assert most <= replicas, f"{service} was raised to {most}, more than {replicas}"

    def nothing_moved(self, since: float, services: tuple[str, ...] = (SHOP,)) -> None:
        """No task was replaced, no count changed, no node was marked, since then."""
        seen = self.seen(since)
        for service in services:
            tasks = {frozenset(one.where(service)) for one in seen}
            assert len(tasks) <= 1, f"tasks of {service} were replaced: {[sorted(some) for some in tasks]}"
            assert len({one.wanted.get(service) for one in seen}) <= 1, f"the count of {service} changed"
        assert not [one.marks() for one in seen if one.marks()], "a node was marked"

    def whole(self, seconds: float = WHOLE_SECONDS) -> None:
        """Waits until nothing is left of what happened; fails with what still is."""
        deadline = time.monotonic() + seconds
        while left := self.left():
            assert time.monotonic() < deadline, f"after {seconds:g} s the cluster is not whole: {'; '.join(left)}"
            time.sleep(0.3)
        mark = self.controller.mark()
        self.controller.cycles(1, mark)

    def left(self) -> list[str]:
        """What is not yet as it was."""
        try:
            now = self.now()
            servers = self.servers()
        except (UnseenError, OSError, StopIteration) as error:
            return [str(error)]
        names = sorted(node.name for node in now.nodes)
        found = [] if names == self._nodes else [f"the nodes are {names}"]
        found += [f"{node.name} is {node.state}, {node.availability}" for node in now.nodes if not node.serves]
        found += [
            f"{n.name} is {n.reachability}" for n in now.nodes if n.role == "manager" and n.reachability != "reachable"
        ]
        found += now.marks()
        if (present := now.running(PRESENCE)) != (workers := sum(node.role == "worker" for node in now.nodes)):
            found.append(f"{PRESENCE} runs on {present} of {workers} workers")
        shop = (now.wanted.get(SHOP), len(now.of(SHOP)), now.running(SHOP), servers)
        if shop != (REPLICAS,) * 4:
            found.append(f"of {SHOP} {shop[0]} are wanted, there are {shop[1]}, {shop[2]} run, {shop[3]} are served")
        return found

    def worker_with_most(self, service: str = SHOP) -> str:
        places = list(self.now().where(service).values())
        return max(sorted(set(places)), key=places.count)


def told(seen: Seen | UnseenError | None) -> str:
    if not isinstance(seen, Seen):
        return str(seen)
    nodes = ", ".join(f"{n.name} {n.state}" for n in seen.nodes if not n.serves) or "all nodes ready"
    tasks = ", ".join(f"{t.service}.{t.slot} {t.state} on {t.node or 'no node'}" for t in seen.tasks)
    return f"{nodes}; wanted {dict(seen.wanted)}; {tasks}"
