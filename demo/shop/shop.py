# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's shop: a web service that serves a known number of requests per second, and no more.

One replica is one till: requests wait in a line of bounded length and each takes 1/capacity seconds.
The work is waiting and costs hardly any processor time, so that many replicas fit on a small machine.

    /           the shop; 200 when served, 503 at once when the line is full
    /healthz    the service's name, for a balancer that wants to know whom it talks to; 503 while draining
    /metrics    for Prometheus

Settings come from the environment: SHOP_NAME (shop_web), SHOP_PORT (8000), SHOP_CAPACITY (10 requests per
second), SHOP_QUEUE (30 requests may wait: three seconds), SHOP_DRAIN_SECONDS (8, below Swarm's stop grace of 10).
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

IDLE_SECONDS = 30.0  # a silent keep-alive connection is closed after this
QUIET_SECONDS = 1.5  # while draining: this long without a request means that the balancer has understood
STOPS = {signal.SIGTERM, signal.SIGINT}


class SettingError(Exception):
    """A setting in the environment that cannot be used; the text is the sentence to show."""


@dataclass(frozen=True)
class Settings:
    name: str = "shop_web"
    port: int = 8000
    capacity: float = 10.0
    """Requests per second."""
    queue: int = 30
    """Requests that may wait while one is served."""
    drain_seconds: float = 8.0

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Settings:
        """Raises SettingError, naming the variable, when a value is no number or out of its range."""
        return cls(
            name=environment.get("SHOP_NAME", cls.name),
            port=int(number(environment, "SHOP_PORT", cls.port, 0, 65535)),
            capacity=number(environment, "SHOP_CAPACITY", cls.capacity, 0.1, 10_000),
            queue=int(number(environment, "SHOP_QUEUE", cls.queue, 0, 10_000)),
            drain_seconds=number(environment, "SHOP_DRAIN_SECONDS", cls.drain_seconds, 0, 300),
        )


def number(environment: Mapping[str, str], key: str, default: float, low: float, high: float) -> float:
    text = environment.get(key, "") or str(default)
    try:
        value = float(text)
    except ValueError:
        raise SettingError(f"{key}: {text!r} is not a number; give one from {low:g} to {high:g}") from None
    if not low <= value <= high:
        raise SettingError(f"{key}: {text} is out of range; give a number from {low:g} to {high:g}")
    return value


@dataclass
class Line:
    """The waiting line before one till. Pure: times are given, in seconds on any one clock."""

    capacity: float
    queue: int
    free_at: float = float("-inf")
    """When the till is done with everybody now in the line."""

    def join(self, now: float) -> float | None:
        """When the request that comes at `now` will have been served; None when the line is full."""
        service_time = 1.0 / self.capacity
        start = max(now, self.free_at)
        # A hair of slack, so that rounding turns nobody away from the last place.
        if start - now > self.queue * service_time + 1e-9:
            return None
        self.free_at = start + service_time
        return self.free_at


@dataclass(eq=False)
class Shop:
    """One replica: its line, what it counted, and whether it is closing."""

    settings: Settings
    line: Line = field(init=False)
    answers: Counter[int] = field(default_factory=Counter)
    """Answers of `/` by status code."""
    in_flight: int = 0
    draining: bool = False
    last_request_at: float = float("-inf")

    def __post_init__(self) -> None:
        self.line = Line(self.settings.capacity, self.settings.queue)
        self.changed = threading.Condition()

    def serve(self) -> int:
        """Waits for its turn and answers the status code."""
        with self.changed:
            now = self.last_request_at = time.monotonic()
            done_at = self.line.join(now)
            self.in_flight += 1
        if done_at is not None:
            time.sleep(max(0.0, done_at - now))
        return 503 if done_at is None else 200

    def answered(self, code: int) -> None:
        """The answer has left, or its client has: only now is the request no longer in flight."""
        with self.changed:
            self.in_flight -= 1
            self.answers[code] += 1
            self.changed.notify_all()

    def drain(self) -> None:
        """Says 503 to health checks, and goes on serving until the requests stop coming and all are answered.

        The balancer needs a moment to see it; whoever it sends meanwhile is served. Bounded by drain_seconds.
        """
        with self.changed:
            self.draining = True
            began = time.monotonic()
            deadline = began + self.settings.drain_seconds
            while (now := time.monotonic()) < deadline:
                quiet_at = max(began, self.last_request_at) + QUIET_SECONDS
                if self.in_flight == 0 and now >= quiet_at:
                    return
                self.changed.wait(min(deadline, max(quiet_at, now + 0.05)) - now)

    def collect(self) -> Iterator[Metric]:
        """Derives the metrics from the state whenever Prometheus asks."""
        with self.changed:
            answers, in_flight = dict(self.answers), self.in_flight
        requests = CounterMetricFamily("shop_requests", "Requests answered, by status code.", labels=["code"])
        for code in {200, 503, *answers}:
            requests.add_metric([str(code)], answers.get(code, 0))
        yield requests
        yield CounterMetricFamily(
            "shop_busy_seconds",
            "Seconds spent serving; its rate is the replica's utilisation, 0 to 1.",
            value=answers.get(200, 0) / self.settings.capacity,
        )
        yield GaugeMetricFamily("shop_in_flight", "Requests waiting or being served.", value=in_flight)
        yield GaugeMetricFamily(
            "shop_capacity_requests_per_second", "What one replica can serve.", value=self.settings.capacity
        )


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS
    wbufsize = -1  # headers and body leave in one packet
    disable_nagle_algorithm = True
    shop: Shop

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/":
            self.sell()
        elif path == "/healthz":
            self.tell_health()
        elif path == "/metrics":
            self.answer(200, generate_latest(REGISTRY), CONTENT_TYPE_LATEST)
        else:
            self.answer(404, b"not found\n")

    def tell_health(self) -> None:
        """While draining without the name: a balancer that looks for nothing else must understand as well."""
        if self.shop.draining:
            self.answer(503, b"draining\n")
        else:
            self.answer(200, f"{self.shop.settings.name}\n".encode())

    def sell(self) -> None:
        code = self.shop.serve()
        try:
            self.answer(code, b"sold\n" if code == 200 else b"the line is full\n")
            self.wfile.flush()
        finally:
            self.shop.answered(code)

    def answer(self, code: int, body: bytes, content_type: str = "text/plain; charset=utf-8") -> None:
        self.send_response(code)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Service", self.shop.settings.name)
        if self.shop.draining:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's own parameter name
        """A line per request would be most of the work of this service: metrics count them instead."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is its own business; anything else is shown."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


def say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def run(settings: Settings) -> int:
    shop = Shop(settings)
    REGISTRY.register(shop)
    handler = type("ShopHandler", (Handler,), {"shop": shop})
    try:
        server = Server(("", settings.port), handler)
    except OSError as error:
        say(f"SHOP_PORT: cannot listen on {settings.port}: {error.strerror}")
        return 2
    # Every thread inherits it, so that they wait until they are asked for. A handler runs in the main thread alone, and
    # that does not always wake for it while it waits for a lock.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.5}, daemon=True).start()
    say(f"{settings.name}: serving {settings.capacity:g} requests per second on port {server.server_port}")
    signal.sigwait(STOPS)
    shop.drain()
    server.shutdown()
    say(f"{settings.name}: closed, {shop.in_flight} requests left unanswered")
    return 0


def main() -> int:
    try:
        return run(Settings.read(os.environ))
    except SettingError as error:
        say(str(error))
        return 2


if __name__ == "__main__":
    sys.exit(main())
