# SPDX-License-Identifier: GPL-3.0-or-later
"""No answer is followed elsewhere, and none is read without bounds, from a real server (S25)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from swarmherd.observe.bounded import AnswerTooLarge, BoundedAnswers
from swarmherd.observe.prometheus import Prometheus

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


def test_a_prometheus_that_is_elsewhere_is_unknown_and_its_address_is_told(url: str) -> None:
    prometheus = Prometheus(url, 5, 15)
    told = "HTTP 301 to /new, which is not followed; name that address"
    assert prometheus.fresh(NOW).problem == told
    assert prometheus.stretch("up", 0, 60, 15).problem == told
    assert (prometheus.version(), prometheus.server_time()) == ((0, 0), None)
    prometheus.close()
