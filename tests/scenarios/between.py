# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands between the controller and the lab's Prometheus, and can make it empty, stale, slow or a liar."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

UPSTREAM_SECONDS = 5
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
Parameters = dict[str, str]
Ask = Callable[[Parameters], Any]
Manner = Callable[[Parameters, Ask], Any]


def as_it_is(parameters: Parameters, ask: Ask) -> Any:
    return ask(parameters)


def empty(_parameters: Parameters, _ask: Ask) -> Any:
    return {"status": "success", "data": {"resultType": "vector", "result": []}}


def stale(parameters: Parameters, ask: Ask) -> Any:
    """What was true 20 seconds ago, as a server answers that scrapes nothing any more."""
    then = float(parameters["time"]) - 20
    answer = ask({**parameters, "time": f"{then:.3f}"})
    for one in answer["data"]["result"]:
        one["value"][0] = float(parameters["time"])
    return answer


def slow(parameters: Parameters, ask: Ask) -> Any:
    time.sleep(UPSTREAM_SECONDS)
    return ask(parameters)


def lying(parameters: Parameters, ask: Ask) -> Any:
    """Every value a hundred times too large; only about itself it tells the truth."""
    answer = ask(parameters)
    if "timestamp(up)" not in parameters.get("query", ""):
        for one in answer["data"]["result"]:
            one["value"][1] = str(100 * float(one["value"][1]))
    return answer


class Between:
    """An HTTP server on loopback that hands queries on to Prometheus, in the way of `manner`."""

    def __init__(self, prometheus: str) -> None:
        self._prometheus = prometheus
        self.manner: Manner = as_it_is
        handler = type("Handler", (_Handler,), {"between": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, name="between", daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @contextmanager
    def answering(self, manner: Manner) -> Iterator[float]:
        """Prometheus answers in this manner; a fault like those in faults.py."""
        began, self.manner = time.monotonic(), manner
        try:
            yield began
        finally:
            self.manner = as_it_is

    def ask(self, path: str, parameters: Parameters) -> Any:
        """Raises OSError, ValueError."""
        words = urllib.parse.urlencode(parameters)
        with DIRECT.open(f"{self._prometheus}{path}?{words}", timeout=UPSTREAM_SECONDS) as answer:
            return json.load(answer)


class _Handler(BaseHTTPRequestHandler):
    between: Between

    def do_GET(self) -> None:
        parts = urllib.parse.urlsplit(self.path)
        self._answer(parts.path, dict(urllib.parse.parse_qsl(parts.query)))

    def do_POST(self) -> None:
        parts = urllib.parse.urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        self._answer(parts.path, dict(urllib.parse.parse_qsl(f"{parts.query}&{body}")))

    def _answer(self, path: str, parameters: Parameters) -> None:
        try:
            if path == "/api/v1/query":
                said = self.between.manner(parameters, lambda given: self.between.ask(path, given))
            else:
                said = self.between.ask(path, parameters)
            status, body = 200, json.dumps(said).encode()
        except urllib.error.HTTPError as error:
            status, body = error.code, error.read()
        except (OSError, ValueError) as error:
            status, body = 502, str(error).encode()
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            return  # whoever asked has not waited

    def log_message(self, *_: object) -> None:
        """A line per query is of no use to anybody."""
