# SPDX-License-Identifier: GPL-3.0-or-later
"""The bell that wakes a loop, and Docker's events that ring it: bounded, and lost without harm."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from swarmherd.hints import Bell, Listener
from swarmherd.observe.connection import Connection
from swarmherd.observe.events import EventStream, relevant

from tests.controller.loop.test_service import until

# ------------------------------------------------------------ the bell


class Instants:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Instants:
    return Instants()


@pytest.fixture
def bell(clock: Instants) -> Bell:
    one = Bell(clock)
    one.begin()
    return one


def test_what_is_rung_wakes_at_once_and_the_cycle_that_begins_answers_it(bell: Bell) -> None:
    bell.ring("n2 is silent")
    assert bell.wait(60) == "n2 is silent"
    assert bell.begin() is False
    assert bell.wait(0) == ""


def test_a_sleeping_loop_is_woken_by_another_thread() -> None:
    bell = Bell()
    bell.begin()
    threading.Timer(0.05, bell.ring, ("now",)).start()
    started = time.monotonic()
    assert bell.wait(30) == "now"
    assert time.monotonic() - started < 5


def test_a_full_pass_is_asked_for_once(bell: Bell) -> None:
    bell.ring("SIGHUP", full=True)
    bell.ring("n2 is silent")
    assert (bell.begin(), bell.begin()) == (True, False)


def test_a_hint_waits_until_a_second_after_the_last_cycle_began(bell: Bell, clock: Instants) -> None:
    bell.hint("web update")
    clock.now += 1
    assert bell.wait(60) == "web update"


def test_hints_without_end_wake_ever_more_rarely_until_a_cycle_came_at_its_own_time(
    bell: Bell, clock: Instants
) -> None:
    gaps = []
    for _hint in range(4):
        began = clock.now
        bell.begin()
        bell.hint("web update")
        while not bell.wait(0):
            clock.now += 0.5
        gaps.append(clock.now - began)
    assert gaps == [1, 2, 4, 8]
    bell.begin()
    assert bell.wait(0) == "", "a cycle came at its own time"
    bell.hint("web update")
    clock.now += 1
    assert bell.wait(60) == "web update"


# ------------------------------------------------------------ Docker's events


def event(kind: str, action: str, **attributes: str) -> dict[str, Any]:
    names = {name.replace("_", "."): value for name, value in attributes.items()}
    return {"Type": kind, "Action": action, "Actor": {"ID": "x", "Attributes": names}}


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (event("service", "update", name="web"), "Docker says service web update"),
        (event("node", "update", name="n2", state_new="down"), "Docker says node n2 update to down"),
        (event("container", "die", com_docker_swarm_service_name="web"), "Docker says a container of web ended"),
        (
            event("container", "health_status: unhealthy", com_docker_swarm_service_name="web"),
            "Docker says a container of web changed its health",
        ),
        (event("container", "die", name="somebodys"), ""),
        (event("container", "exec_start: curl", com_docker_swarm_service_name="web"), ""),
        (event("network", "create", name="web"), ""),
        ({}, ""),
    ],
)
def test_of_all_events_those_of_the_swarm_are_told(one: dict[str, Any], said: str) -> None:
    assert relevant(one) == said


class Manager:
    """An engine on loopback that has a stream of events, and can break it off."""

    def __init__(self) -> None:
        self.listening: list[socket.socket] = []
        self.asked: list[str] = []
        self.refuses = False
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.asked.append(self.path)
                if "/events" in self.path and outer.refuses:
                    self._answer(b'{"message": "no events today"}', 500)
                elif "/events" in self.path:
                    self.send_response(200)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Transfer-Encoding", "chunked")
                    self.end_headers()
                    outer.listening.append(self.connection)
                    while self.connection in outer.listening:
                        time.sleep(0.02)
                    self.close_connection = True
                else:
                    self._answer(json.dumps({"ApiVersion": "1.41"}).encode(), 200)

            def _answer(self, body: bytes, status: int) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def handle(self) -> None:
                with suppress(ConnectionError):  # the client hung up, as the tests mean it to
                    super().handle()

            def log_message(self, *_: object) -> None:
                """Says nothing: the tests do."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        self.connection = Connection("m1", url=f"tcp://127.0.0.1:{self._server.server_address[1]}")

    def tell(self, one: dict[str, Any]) -> None:
        body = json.dumps(one).encode() + b"\n"
        for stream in self.listening:
            stream.sendall(f"{len(body):x}\r\n".encode() + body + b"\r\n")

    def break_off(self) -> None:
        listening, self.listening = self.listening, []
        for stream in listening:
            with suppress(OSError):
                stream.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.break_off()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def manager() -> Iterator[Manager]:
    one = Manager()
    yield one
    one.close()


@pytest.fixture
def heard(manager: Manager) -> Iterator[list[str]]:
    """What a listener to the manager passes on."""
    said: list[str] = []
    listener = Listener("shop", manager.connection, said.append, 2)
    listener.start()
    yield said
    listener.stop()
    listener.join()
    assert not any(thread.name == "events-m1" for thread in threading.enumerate())


UPDATED = event("service", "update", name="web")


def test_events_are_heard_as_they_happen(manager: Manager, heard: list[str]) -> None:
    until("the stream", lambda: manager.listening)
    manager.tell(UPDATED)
    manager.tell(event("network", "create", name="other"))
    manager.tell(event("node", "update", name="n2", state_new="down"))
    until("both", lambda: len(heard) == 2)
    assert heard == ["Docker says service web update", "Docker says node n2 update to down"]
    asked = next(path for path in manager.asked if "/events" in path)
    assert "health_status" in asked, "the engine is asked for what matters alone"


def test_a_stream_that_breaks_is_opened_again_and_both_are_said_once(
    manager: Manager, heard: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    until("the stream", lambda: manager.listening)
    manager.refuses = True
    manager.break_off()
    until("two more attempts", lambda: sum("/events" in path for path in manager.asked) >= 3)
    manager.refuses = False
    until("the stream again", lambda: manager.listening)
    manager.tell(UPDATED)
    until("an event", lambda: heard)
    said = capfd.readouterr().out
    assert said.count("events are not heard, and cycles come at their times: m1 (tcp://127.0.0.1:") == 1
    assert said.count("the events of m1 (tcp://127.0.0.1:") == 1


def test_pauses_between_attempts_grow(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    manager.refuses = True
    listener = Listener("shop", manager.connection, lambda _words: None, 2)
    pauses: list[float] = []

    def wait(seconds: float) -> bool:
        pauses.append(seconds)
        if len(pauses) == 8:
            listener._ending.set()
        return False

    monkeypatch.setattr(listener._ending, "wait", wait)
    listener._work()
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]


def test_a_quiet_stream_ends_without_a_complaint(manager: Manager) -> None:
    stream = EventStream(manager.connection, 2, quiet_seconds=0.2)
    stream.open()
    assert list(stream.said()) == []
    stream.close()


def test_a_stream_that_is_closed_from_outside_lets_its_reader_go(manager: Manager) -> None:
    stream = EventStream(manager.connection, 2)
    stream.open()
    ended = threading.Event()

    def read() -> None:
        with suppress(Exception):
            list(stream.said())
        ended.set()

    threading.Thread(target=read, daemon=True).start()
    until("the stream", lambda: manager.listening)
    stream.close()
    assert ended.wait(5)


def test_a_hint_reaches_the_loop_through_bell_and_listener(manager: Manager) -> None:
    bell = Bell()
    bell.begin()
    rung: Callable[[str], None] = bell.hint
    listener = Listener("shop", manager.connection, rung, 2)
    listener.start()
    until("the stream", lambda: manager.listening)
    manager.tell(UPDATED)
    assert bell.wait(10) == "Docker says service web update"
    listener.stop()
    listener.join()
