# SPDX-License-Identifier: GPL-3.0-or-later
"""One look at a host, with real sockets: something there speaks, or nothing does, or it is our own side that fails."""

from __future__ import annotations

import errno
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from swarmherd.model import Probe
from swarmherd.observe.probe import Place, Seen, after, look

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SPEAKS = Callable[[bytes | None], int]


@pytest.fixture
def port() -> Iterator[SPEAKS]:
    """A port where a connection is met with these words; with None it is taken by the kernel, and nobody is there."""
    with ExitStack() as stack:

        def one(words: bytes | None) -> int:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

            def serve() -> None:
                while True:
                    try:
                        connection, _address = listener.accept()
                    except OSError:
                        return
                    with connection:
                        connection.sendall(words or b"")

            if words is not None:
                threading.Thread(target=serve, daemon=True).start()
                stack.callback(listener.shutdown, socket.SHUT_RDWR)
            return int(listener.getsockname()[1])

        yield one


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


def seen(exporter: int, tcp: int, greets: bool = True, seconds: float = 0.4) -> tuple[Seen, float]:
    started = time.monotonic()
    found = look(Place("127.0.0.1", exporter, tcp, greets), started + seconds)
    return found, time.monotonic() - started


HTTP = b"HTTP/1.0 200 OK\r\n\r\n"
SSH = b"SSH-2.0-OpenSSH_9.2p1\r\n"


def test_a_node_exporter_that_answers_is_enough_and_ssh_is_left_in_peace(port: SPEAKS) -> None:
    found, _took = seen(port(HTTP), port(SSH))
    assert found == Seen(True, exporter=True, tcp=None)


def test_an_answer_with_an_error_is_an_answer(port: SPEAKS) -> None:
    assert seen(port(b"HTTP/1.1 503 Service Unavailable\r\n\r\n"), closed_port())[0].exporter is True


def test_without_node_exporter_ssh_greets(port: SPEAKS) -> None:
    found, took = seen(closed_port(), port(SSH), seconds=4)
    assert (found.answered, found.exporter, found.tcp) == (True, False, True)
    assert "connection refused" in found.problem
    assert took < 2, "a refusal is not waited out"


def test_refused_connections_are_a_hosts_answer() -> None:
    found, took = seen(closed_port(), closed_port(), seconds=4)
    assert (found.answered, found.exporter, found.tcp) == (True, False, False)
    assert took < 2


def test_a_frozen_host_takes_connections_and_nobody_speaks(port: SPEAKS) -> None:
    exporter, ssh = port(None), port(None)
    found, took = seen(exporter, ssh)
    assert (found.answered, found.exporter, found.tcp) == (False, False, False)
    silence = "takes connections and says nothing"
    assert found.problem == f"port {exporter}: {silence}; port {ssh}: {silence}"
    assert 0.3 < took < 2


def test_a_refusal_beside_an_open_port_where_nobody_speaks_is_no_sign_of_life(port: SPEAKS) -> None:
    assert seen(closed_port(), port(None))[0].answered is False


def test_a_port_that_the_policy_names_need_only_take_the_connection(port: SPEAKS) -> None:
    found, _took = seen(port(None), port(None), greets=False)
    assert (found.answered, found.exporter, found.tcp) == (True, False, True)


def test_who_hangs_up_or_speaks_another_tongue_is_alive(port: SPEAKS) -> None:
    assert seen(port(b""), closed_port())[0].answered is True
    assert seen(port(b"220 mail\r\n"), closed_port())[0].answered is True


def test_ssh_may_answer_while_the_exporter_hangs(port: SPEAKS) -> None:
    found, took = seen(port(None), port(SSH), seconds=2)
    assert (found.answered, found.exporter, found.tcp) == (True, False, True)
    assert took < 1.5, "SSH is asked after a quarter of the time"


def test_a_name_that_cannot_be_looked_up_is_no_look_at_all() -> None:
    found = look(Place("no-such-host.invalid", 1, 1), time.monotonic() + 1)
    assert found.answered is None
    assert "no-such-host.invalid is no address" in found.problem


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENETUNREACH, errno.ENOBUFS])
def test_what_fails_on_our_own_side_is_no_look_at_all(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(socket.socket):
        def connect_ex(self, _address: object) -> int:
            return number

    monkeypatch.setattr(socket, "socket", Broken)
    assert look(Place("127.0.0.1", 1, 1), time.monotonic() + 0.2).answered is None


def test_a_host_without_a_route_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    class Away(socket.socket):
        def connect_ex(self, _address: object) -> int:
            return errno.EHOSTUNREACH

    monkeypatch.setattr(socket, "socket", Away)
    found = look(Place("127.0.0.1", 1, 1), time.monotonic() + 0.2)
    assert (found.answered, found.problem) == (False, "port 1: no route to the host; port 1: no route to the host")


def test_misses_are_counted_from_the_first_and_an_answer_ends_them() -> None:
    missed = Seen(False, False, False, "no answer in time")
    one = after(None, missed, NOW)
    two = after(one, missed, NOW + timedelta(seconds=1))
    assert two == Probe(NOW + timedelta(seconds=1), 2, NOW, False, False, "no answer in time")
    assert after(two, Seen(None, problem="EMFILE"), NOW) is two
    answered = after(two, Seen(True, True), NOW + timedelta(seconds=2))
    assert answered == replace(Probe(NOW + timedelta(seconds=2)), exporter=True)
