# SPDX-License-Identifier: GPL-3.0-or-later
"""One look at a node's host: does anything there speak to us? Whatever Swarm says, this is the second witness (S9).

node_exporter is asked first, for its front page, which costs it nothing. Only where it has not answered after a
quarter of the time, or at once where it failed, its SSH port is tried too: a server that everybody leaves without a
word, every second, fills its log with that and, from OpenSSH 9.8 on, may come to refuse us.

An answer is the doing of a process: a frozen host still takes connections, and nobody speaks. So SSH must greet, as its
protocol begins; only a port that the policy names need just take the connection. A refused connection shows that a host
is there with nothing at that port, which is an answer, unless another port stands open in silence. What fails on our
own side (no descriptor, no route, no name) is no look at all.
"""

from __future__ import annotations

import errno
import select
import socket
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from time import monotonic

from swarmherd.model import Probe

HEDGE = 0.25
"""Of the time that a look has: how long node_exporter is waited for alone."""
OURS = frozenset(
    {
        errno.EACCES,
        errno.EADDRNOTAVAIL,
        errno.EINVAL,
        errno.EMFILE,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.ENFILE,
        errno.ENOBUFS,
        errno.ENOMEM,
        errno.EPERM,
    }
)
"""What says nothing of the other side."""
GREETING = b"SSH-"
ANSWER = b"HTTP/"
MOST_BYTES = 64


@dataclass(frozen=True, slots=True)
class Place:
    """Where a node's host is looked for."""

    address: str
    """An address, or a name that is looked up each time."""
    exporter_port: int
    tcp_port: int
    greets: bool = True
    """Whether who stands at `tcp_port` speaks first, as SSH does."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look came to."""

    answered: bool | None
    """None where the look failed on our own side, and says nothing."""
    exporter: bool | None = None
    """None when it was not asked, as for `tcp`."""
    tcp: bool | None = None
    problem: str = ""


def after(past: Probe | None, seen: Seen, at: datetime) -> Probe | None:
    """What is known of a host after one more look. Pure."""
    if seen.answered is None:
        return past
    if seen.answered:
        return Probe(at, exporter=seen.exporter, tcp=seen.tcp, problem=seen.problem)
    since = past.silent_since if past is not None and past.silent_since is not None else at
    misses = past.misses + 1 if past is not None else 1
    return Probe(at, misses, since, seen.exporter, seen.tcp, seen.problem)


def look(place: Place, deadline: float) -> Seen:
    """One look, over by `deadline` of the monotonic clock but for the time that a name takes to be looked up."""
    try:
        address = _resolved(place.address)
    except OSError as error:
        return Seen(None, problem=f"{place.address} is no address: {error.strerror or error}")
    with ExitStack() as stack:
        asked = f"GET / HTTP/1.0\r\nHost: {place.address}\r\nUser-Agent: swarmherd\r\n\r\n".encode()
        exporter = _Attempt(address, place.exporter_port, ANSWER, asked)
        tcp = _Attempt(address, place.tcp_port, GREETING if place.greets else b"")
        for one in (exporter, tcp):
            stack.callback(one.close)
        exporter.begin()
        _wait([exporter], monotonic() + HEDGE * max(0.0, deadline - monotonic()))
        if exporter.state is not _State.SPOKE:
            tcp.begin()
            _wait([exporter, tcp], deadline)
        return _judged(exporter, tcp)


class _State(Enum):
    UNASKED = auto()
    CONNECTING = auto()
    OPEN = auto()
    """It took the connection, and has said nothing yet."""
    SPOKE = auto()
    REFUSED = auto()
    FAILED = auto()
    OURS = auto()

    @property
    def waits(self) -> bool:
        return self in (_State.CONNECTING, _State.OPEN)


class _Attempt:
    """One connection on its way to a first word."""

    def __init__(self, address: tuple[int, str], port: int, word: bytes, question: bytes = b"") -> None:
        self._family, self._host = address
        self._port = port
        self._word = word
        self._question = question
        self._heard = b""
        self.socket: socket.socket | None = None
        self.state = _State.UNASKED
        self.problem = ""

    def begin(self) -> None:
        try:
            self.socket = socket.socket(self._family, socket.SOCK_STREAM)
            self.socket.setblocking(False)
            number = self.socket.connect_ex((self._host, self._port))
        except OSError as error:
            self._fail(error.errno or errno.EINVAL)
            return
        self.state = _State.CONNECTING
        if number not in (0, errno.EINPROGRESS):
            self._fail(number)

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()

    def step(self) -> None:
        """Goes on, now that the socket is ready."""
        assert self.socket is not None  # noqa: S101  (only what was begun is waited for)
        try:
            if self.state is _State.CONNECTING:
                self._connected(self.socket)
            else:
                self._hear(self.socket)
        except BlockingIOError:
            return
        except OSError as error:
            self._fail(error.errno or errno.EIO)

    def _connected(self, connection: socket.socket) -> None:
        if number := connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._fail(number)
            return
        self.state = _State.OPEN if self._word else _State.SPOKE
        if self._question:
            connection.send(self._question)

    def _hear(self, connection: socket.socket) -> None:
        chunk = connection.recv(MOST_BYTES)
        self._heard += chunk
        if self._heard.startswith(self._word):
            self.state = _State.SPOKE
        elif not chunk or len(self._heard) >= MOST_BYTES or not self._word.startswith(self._heard):
            # A process that hangs up, or speaks another tongue, is alive all the same.
            self.state, self.problem = _State.REFUSED, "another answer than was expected"

    def _fail(self, number: int) -> None:
        alive = number in (errno.ECONNREFUSED, errno.ECONNRESET, errno.EPIPE)
        self.state = _State.OURS if number in OURS else _State.REFUSED if alive else _State.FAILED
        self.problem = errno.errorcode.get(number, str(number)) if number not in _WORDS else _WORDS[number]

    def said(self) -> str:
        """Why there was no word, with the port; empty where there was, or where nobody asked."""
        if self.state in (_State.SPOKE, _State.UNASKED):
            return ""
        words = {_State.CONNECTING: "no answer in time", _State.OPEN: "takes connections and says nothing"}
        return f"port {self._port}: {words.get(self.state, self.problem)}"

    @property
    def spoke(self) -> bool | None:
        return None if self.state is _State.UNASKED else self.state is _State.SPOKE


_WORDS = {
    errno.ECONNREFUSED: "connection refused",
    errno.ECONNRESET: "connection reset",
    errno.EHOSTUNREACH: "no route to the host",
    errno.ETIMEDOUT: "no answer in time",
}


def _wait(attempts: list[_Attempt], deadline: float) -> None:
    """Until one of them has spoken, all have failed, or it is time."""
    while True:
        waiting = {one.socket: one for one in attempts if one.state.waits and one.socket is not None}
        left = deadline - monotonic()
        if not waiting or left <= 0 or any(one.state is _State.SPOKE for one in attempts):
            return
        poll = select.poll()  # select.select cannot take descriptors from 1024 on
        for connection, one in waiting.items():
            poll.register(connection, select.POLLOUT if one.state is _State.CONNECTING else select.POLLIN)
        by_number = {connection.fileno(): one for connection, one in waiting.items()}
        for number, _events in poll.poll(max(1.0, left * 1000)):
            by_number[number].step()


def _judged(exporter: _Attempt, tcp: _Attempt) -> Seen:
    both = (exporter, tcp)
    states = {one.state for one in both}
    problem = "; ".join(said for one in both if (said := one.said()))
    answered: bool | None = _State.SPOKE in states or (_State.REFUSED in states and _State.OPEN not in states)
    if not answered and _State.OURS in states:
        answered = None
    return Seen(answered, exporter.spoke, tcp.spoke, problem)


def _resolved(address: str) -> tuple[int, str]:
    """The first address of a name, with its family. Raises OSError."""
    family, *_rest, (host, *_port) = socket.getaddrinfo(address, None, type=socket.SOCK_STREAM)[0]
    return family, str(host)
