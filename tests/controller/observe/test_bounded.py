# SPDX-License-Identifier: GPL-3.0-or-later
"""No answer is followed elsewhere, and none is read without bounds, from a real server (S25)."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
from swarmherd.cli.doctor import _balancer
from swarmherd.observe.bounded import AnswerTooLarge, BoundedAnswers
from swarmherd.observe.connection import Connection
from swarmherd.observe.docker import Docker
from swarmherd.observe.errors import UnreachableError
from swarmherd.observe.prometheus import Prometheus

from tests.controller.observe.dripping import dripping

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SENT = 4 * 1024 * 1024


class Redirecting(BaseHTTPRequestHandler):
    """Each path leads to the same one below `/new`; what is below `/large` says much meanwhile."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(301)
        self.send_header("Location", f"/new{self.path}")
        size = SENT if self.path.startswith("/large") else 2
        self.send_header("Content-Length", str(size))
        self.end_headers()
        with suppress(OSError):  # the reader has given up, as it should
            self.wfile.write(b"x" * size)

    def log_message(self, *_words: object) -> None:
        """Says nothing: the tests do."""


@pytest.fixture
def url() -> Iterator[str]:
    Redirecting.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Redirecting)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("told", [{}, {"allow_redirects": True}, {"allow_redirects": False}])
def test_a_redirect_is_an_answer_like_any_other(url: str, told: dict[str, bool]) -> None:
    with BoundedAnswers() as session:
        answer = session.get(f"{url}/x", timeout=5, **told)
    assert (answer.status_code, answer.headers["location"], answer.content) == (301, "/new/x", b"xx")
    assert Redirecting.asked == ["/x"]


@pytest.mark.parametrize("told", [{}, {"allow_redirects": False}])
def test_the_body_of_a_redirect_is_bounded_too(url: str, told: dict[str, bool]) -> None:
    with BoundedAnswers() as session:
        session.max_bytes = SENT // 2
        with pytest.raises(AnswerTooLarge):
            session.get(f"{url}/large", timeout=5, **told)


def test_the_doctor_follows_a_balancer_nowhere(url: str) -> None:
    assert _balancer(f"{url}/x", 5).seen == f"{url}/x: HTTP 301"
    assert Redirecting.asked == ["/x"]


def test_a_prometheus_that_is_elsewhere_is_unknown_and_its_address_is_told(url: str) -> None:
    prometheus = Prometheus(url, 5, 15)
    told = "HTTP 301 to /new, which is not followed; name that address"
    assert prometheus.fresh(NOW).problem == told
    assert prometheus.stretch("up", 0, 60, 15).problem == told
    assert (prometheus.version(), prometheus.server_time()) == ((0, 0), None)
    prometheus.close()


def test_headers_that_never_end_are_given_up_at_the_deadline() -> None:
    with dripping(socket.create_server(("127.0.0.1", 0))) as server, BoundedAnswers() as session:
        session.max_seconds = 0.5
        began = time.monotonic()
        with pytest.raises(requests.Timeout):
            session.get(f"http://127.0.0.1:{server.getsockname()[1]}/", timeout=5)
        assert time.monotonic() - began < 3


def test_an_engine_whose_headers_never_end_is_given_up_from_its_first_answer_on(tmp_path: Path) -> None:
    """Its version is asked for before anything else, here through a socket of its host."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "docker.sock"))
    listener.listen()
    with dripping(listener), Docker([Connection("m1", url=f"unix://{tmp_path}/docker.sock")], 0.5) as docker:
        began = time.monotonic()
        with pytest.raises(UnreachableError, match=r"no answer within 0\.5 s"):
            docker.read()
        assert time.monotonic() - began < 3


def test_who_asks_without_a_bound_is_not_bound_by_who_asked_before(url: str) -> None:
    with BoundedAnswers() as bounded, requests.Session() as free:
        bounded.max_seconds = 0.01
        with suppress(requests.RequestException):
            bounded.get(f"{url}/x", timeout=5)
        time.sleep(0.02)
        assert free.get(f"{url}/x", timeout=5, allow_redirects=False).content == b"xx"
