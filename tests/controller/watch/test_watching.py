# SPDX-License-Identifier: GPL-3.0-or-later
"""The watch over the hosts: how soon a silence is known, who is woken, and what is no evidence."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from swarmherd.decide.silence import cut_off, silent_nodes
from swarmherd.hints import Bell, Listener, listen
from swarmherd.model import Availability, ClusterView, Node, NodeState, Probe, Role
from swarmherd.observe.connection import Connection
from swarmherd.observe.docker import Docker
from swarmherd.observe.inventory import Inventory
from swarmherd.observe.probe import Place, Seen
from swarmherd.policy import Pace, Policy, ProbeKeys, parse_policy
from swarmherd.senses import Senses
from swarmherd.watching import Watcher, place_of

from tests.controller.conftest import Engine
from tests.controller.loop.test_service import until

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
QUICK = {"interval": 0.2, "timeout": 0.4, "misses": 2}
HEARD, MISSED = Seen(True, True), Seen(False, False, False, "no answer in time")


def node(name: str, address: str = "127.0.0.1") -> Node:
    return Node(f"id-{name}", name, Role.WORKER, NodeState.READY, Availability.ACTIVE, address)


def inventory(**more: Any) -> Inventory:
    return Inventory(Path(), {}, {}, "", "", (), **more)


class Hosts:
    """Hosts that answer, or do not, as the test says."""

    def __init__(self) -> None:
        self.silent: set[str] = set()
        self.begun: list[tuple[str, float]] = []
        self.at_once: dict[str, int] = {}
        self.most_at_once = 0
        self._lock = threading.Lock()

    def look(self, place: Place, deadline: float) -> Seen:
        with self._lock:
            self.begun.append((place.address, time.monotonic()))
            self.at_once[place.address] = self.at_once.get(place.address, 0) + 1
            self.most_at_once = max(self.most_at_once, self.at_once[place.address])
        try:
            while place.address in self.silent:
                if (left := deadline - time.monotonic()) <= 0:
                    return MISSED
                time.sleep(min(0.01, left))
            return HEARD
        finally:
            with self._lock:
                self.at_once[place.address] -= 1


class Said(list[str]):
    """What the watcher woke for, and when."""

    def __init__(self) -> None:
        self.at: list[float] = []

    def append(self, sentence: str) -> None:
        self.at.append(time.monotonic())
        super().append(sentence)


Watch = Callable[..., tuple[Watcher, Said]]


@pytest.fixture
def watch() -> Iterator[Watch]:
    """A watcher that runs, and what it woke for."""
    begun: list[Watcher] = []

    def one(look: Callable[[Place, float], Seen] | None = None, **keys: Any) -> tuple[Watcher, Said]:
        said = Said()
        more = {} if look is None else {"look": look}
        begun.append(Watcher("shop", ProbeKeys(**{**QUICK, **keys}), inventory(), said.append, **more))
        begun[-1].start()
        return begun[-1], said

    yield one
    for watcher in begun:
        watcher.stop()
    assert not any(thread.name == "watch-shop" for thread in threading.enumerate())


NODES = (node("n1", "10.0.0.1"), node("n2", "10.0.0.2"))


def test_a_host_that_falls_silent_is_known_in_time_wakes_once_and_wakes_again_when_it_answers(watch: Watch) -> None:
    hosts = Hosts()
    watcher, said = watch(hosts.look)
    until("both to be known", lambda: len(watcher.seen(NODES)) == 2)
    assert said == [], "that a host answers is no news"
    hosts.silent.add("10.0.0.2")
    fell = time.monotonic()
    until("the silence to be told", lambda: said)
    assert said.at[0] - fell < 2 * 0.2 + 0.4 + 0.3, "interval x misses + timeout, and a little for the machine"
    assert said == ["n2 is silent (no answer in time)"]
    known = watcher.seen(NODES)
    assert (known["id-n1"].misses, known["id-n1"].silent_since) == (0, None)
    assert known["id-n2"].misses >= 2
    assert known["id-n2"].silent_since is not None
    hosts.silent.clear()
    until("the answer to be told", lambda: len(said) == 2)
    assert said[1] == "n2 answers again"


def test_managers_on_silent_hosts_are_asked_last(engine: Engine) -> None:
    """The one that answered last is on a host that fell silent: it takes the connection, and costs its timeout."""
    silent: set[str] = set()
    with socket.create_server(("127.0.0.1", 0)) as mute:
        away = Connection("m1", url=f"tcp://127.0.0.1:{mute.getsockname()[1]}")
        with Docker([away, Connection("m2", url=engine.url)], 20, lambda: silent) as docker:
            silent.add("m1")
            started = time.monotonic()
            assert docker.read().manager == "m2"
            assert time.monotonic() - started < 15


def test_a_silent_host_is_known_by_the_inventorys_name(watch: Watch) -> None:
    hosts = Hosts()
    watcher, said = watch(hosts.look)
    watcher.use(ProbeKeys(**QUICK), inventory(hosts={"m2": "10.0.0.2"}))
    until("both to be known", lambda: len(watcher.seen(NODES)) == 2)
    assert watcher.silent_hosts() == set()
    hosts.silent.add("10.0.0.2")
    until("the silence", lambda: said)
    assert watcher.silent_hosts() == {"m2"}


def test_one_look_at_a_host_at_a_time_and_a_silent_one_does_not_hold_up_the_others(watch: Watch) -> None:
    hosts = Hosts()
    watcher, said = watch(hosts.look)
    until("both to be known", lambda: len(watcher.seen(NODES)) == 2)
    hosts.silent.add("10.0.0.2")
    until("the silence", lambda: said)
    since = len(hosts.begun)
    until(
        "five looks at the other", lambda: [address for address, _at in hosts.begun[since:]].count("10.0.0.1") >= 5, 5
    )
    assert hosts.most_at_once == 1
    begun = [at for address, at in hosts.begun if address == "10.0.0.1"]
    assert max(later - earlier for earlier, later in pairwise(begun)) < 1.5


def test_real_sockets_on_loopback_a_listener_that_goes_away_behind_a_silent_one(watch: Watch) -> None:
    """Ports of the policy; the exporter takes connections and says nothing, as on a frozen host."""
    with socket.create_server(("127.0.0.1", 0)) as mute, socket.create_server(("127.0.0.1", 0)) as door:
        ports = {"exporter_port": mute.getsockname()[1], "tcp_port": door.getsockname()[1]}
        watcher, said = watch(**ports)
        one = (node("n1"),)
        until("it to be known", lambda: watcher.seen(one))
        assert watcher.seen(one)["id-n1"].tcp is True
        door.close()
        until("the silence", lambda: said)
    assert said[0].startswith("n1 is silent (port ")


def test_where_no_host_ever_answered_the_looks_are_no_evidence(watch: Watch, capfd: pytest.CaptureFixture[str]) -> None:
    hosts = Hosts()
    hosts.silent = {"10.0.0.1", "10.0.0.2"}
    watcher, said = watch(hosts.look)
    watcher.seen(NODES)
    until("three looks at each", lambda: len(hosts.begun) >= 6)
    assert (watcher.seen(NODES), said) == ({}, [])
    hosts.silent.remove("10.0.0.1")
    until("what is known of both", lambda: len(watcher.seen(NODES)) == 2)
    assert watcher.seen(NODES)["id-n2"].misses >= 2
    assert capfd.readouterr().out.count("no host ever answered us (n1 at 10.0.0.1: no answer in time)") == 1


def test_when_all_fall_silent_it_is_said_once_that_we_may_be_cut_off(
    watch: Watch, capfd: pytest.CaptureFixture[str]
) -> None:
    hosts = Hosts()
    watcher, said = watch(hosts.look)
    until("both to be known", lambda: len(watcher.seen(NODES)) == 2)
    hosts.silent = {"10.0.0.1", "10.0.0.2"}
    until("both silences", lambda: len(said) == 2)
    until("one more look at each", lambda: min(p.misses for p in watcher.seen(NODES).values()) >= 3)
    assert (
        capfd.readouterr().out.count("none of the 2 hosts answers: it is likely that this controller is cut off") == 1
    )


def test_looks_that_fail_on_our_side_say_nothing_and_what_is_old_is_not_known_any_more(watch: Watch) -> None:
    ours = threading.Event()

    def look(_place: Place, _deadline: float) -> Seen:
        if ours.is_set():
            raise RuntimeError("can't start new thread")
        return HEARD

    watcher, said = watch(look, interval=0.2, timeout=0.01)
    one = (NODES[0],)
    until("it to be known", lambda: watcher.seen(one))
    ours.set()
    until("it to be forgotten", lambda: not watcher.seen(one))
    assert said == []


def test_where_no_thread_can_be_started_for_a_while_the_watch_goes_on(
    watch: Watch, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    hosts = Hosts()
    refused: list[str] = []
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if not thread.name.startswith("look-shop") or len(refused) >= 3:
            return start(thread)
        refused.append(thread.name)
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    watcher, _said = watch(hosts.look)
    until("both to be known", lambda: len(watcher.seen(NODES)) == 2)
    until("five looks at one", lambda: [address for address, _at in hosts.begun].count("10.0.0.1") >= 5, 5)
    assert hosts.most_at_once == 1
    assert len(refused) == 3
    assert "cannot be looked at for now: can't start new thread" in capfd.readouterr().out


def test_a_watch_that_could_not_begin_begins_with_the_next_cycle(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[Watcher] = []

    def start(watcher: Watcher) -> None:
        begun.append(watcher)
        if len(begun) == 1:
            raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Watcher, "start", start)
    settings = SimpleNamespace(name="shop", events=False, docker_timeout_seconds=1)
    cluster: Any = SimpleNamespace(policy=Policy(), settings=settings, inventory=inventory())
    senses = Senses(Bell())
    with pytest.raises(RuntimeError):
        senses.lead(cluster)
    senses.lead(cluster)
    senses.lead(cluster)
    assert len(begun) == 2
    assert cluster.probes == begun[1].seen
    senses.rest()


def test_listeners_of_which_one_cannot_begin_are_all_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[Listener] = []
    start = Listener.start

    def second_fails(listener: Listener) -> None:
        if begun:
            raise RuntimeError("can't start new thread")
        begun.append(listener)
        start(listener)

    monkeypatch.setattr(Listener, "start", second_fails)
    with pytest.raises(RuntimeError):
        listen("shop", [Connection("m1", url="tcp://127.0.0.1:1"), Connection("m2")], print, 1)
    until("the first to end", lambda: "events-m1" not in {thread.name for thread in threading.enumerate()})


def test_switched_off_nothing_is_looked_at(watch: Watch) -> None:
    hosts = Hosts()
    watcher, _said = watch(hosts.look, enabled=False)
    assert watcher.seen(NODES) == {}
    assert hosts.begun == []


def test_nodes_that_left_are_not_looked_at_and_other_settings_keep_what_is_known(watch: Watch) -> None:
    hosts = Hosts()
    watcher, _said = watch(hosts.look)
    until("both to be known", lambda: len(watcher.seen(NODES)) == 2)
    watcher.use(ProbeKeys(**{**QUICK, "misses": 5}), inventory())
    assert set(watcher.seen(NODES[:1])) == {"id-n1"}


# ------------------------------------------------------------ where a host is looked for, and what its silence says


@pytest.mark.parametrize(
    ("more", "node_address", "expected"),
    [
        ({}, "10.0.0.1", Place("10.0.0.1", 9100, 22)),
        ({"hosts": {"n1": "192.0.2.1"}}, "10.0.0.1", Place("192.0.2.1", 9100, 22)),
        ({"hosts": {"n1": "bastion-alias"}}, "10.0.0.1", Place("10.0.0.1", 9100, 22)),
        ({"hosts": {"n1": "n1.example.org"}}, "", Place("n1.example.org", 9100, 22)),
        ({}, "", None),
        ({}, "0.0.0.0", None),  # noqa: S104  (what a manager says of itself; nothing is bound)
        (
            {"hosts": {"n1": "192.0.2.1"}, "ssh_ports": {"n1": 2222}, "exporter_ports": {"n1": 9101}},
            "",
            Place("192.0.2.1", 9101, 2222),
        ),
    ],
)
def test_a_host_is_looked_for_where_the_inventory_reaches_it(
    more: dict[str, Any], node_address: str, expected: Place | None
) -> None:
    assert place_of(node("n1", node_address), inventory(**more), ProbeKeys()) == expected


def test_a_port_of_the_policy_stands_for_that_of_ssh() -> None:
    found = place_of(node("n1"), inventory(ssh_ports={"n1": 2222}), ProbeKeys(tcp_port=7946))
    assert found == Place("127.0.0.1", 9100, 7946, greets=False)


def view(**misses: int) -> ClusterView:
    nodes = tuple(node(name) for name in ("n1", "n2", "n3"))
    probes = {f"id-{name}": Probe(NOW, misses=number) for name, number in misses.items()}
    return ClusterView("shop", NOW, nodes, (), (), probes=probes)


def policy(**probe: Any) -> Policy:
    return parse_policy({"probe": probe}, "f.yml")


def test_two_misses_are_a_silence_or_as_many_as_the_policy_says() -> None:
    seen = view(n1=0, n2=1, n3=2)
    assert silent_nodes(seen, policy()) == {"id-n3"}
    assert silent_nodes(seen, policy(misses=1)) == {"id-n2", "id-n3"}
    assert silent_nodes(seen, policy(preset="patient")) == set()


def test_a_node_that_was_not_looked_at_is_neither_silent_nor_a_reason_to_think_that_we_are_not_cut_off() -> None:
    assert silent_nodes(view(), policy()) == set()
    assert not cut_off(view(), policy())
    assert cut_off(view(n1=2, n2=9), policy())
    assert not cut_off(view(n1=2, n2=0), policy())


def test_the_pace_is_the_presets_but_for_what_stands_beside_it() -> None:
    assert policy().probe.pace == Pace(1, 2, 2)
    assert policy(preset="calm").probe.pace == Pace(3, 2, 2)
    assert policy(preset="calm", timeout="500ms").probe.pace == Pace(3, 0.5, 2)
