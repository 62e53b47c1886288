# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's traffic, for locust: `locust -f demo/traffic.py --headless`, settings in the environment (shape.py).

An open loop: the shape says when each request leaves, however slowly earlier ones are answered, so that the
offered load never bends to what is being measured. A line per second is written to a JSONL file.
"""

from __future__ import annotations

import json
import os
import sys
import time
from itertools import count
from typing import Any, TextIO

import gevent
from gevent.pool import Pool
from locust import FastHttpUser, LoadTestShape, events, task
from locust.env import Environment
from locust.exception import StopUser

from demo.shape import Traffic, TrafficError
from demo.tally import Tally

try:
    TRAFFIC = Traffic.read(os.environ)
except TrafficError as error:
    sys.stderr.write(f"{error}\n")
    sys.exit(2)

MOST_IN_FLIGHT = 400
GRACE_SECONDS = 10.0
"""How long after the last request its answer may take before the run ends without it."""
TALLY = Tally()


class Crowd(FastHttpUser):
    """All customers in one: each request leaves when the shape says, whether or not the others were answered."""

    host = TRAFFIC.target
    concurrency = MOST_IN_FLIGHT
    connection_timeout = 3.0
    network_timeout = 6.0
    max_retries = 0
    max_redirects = 0

    @task
    def come(self) -> None:
        began = time.monotonic()
        on_their_way = Pool(MOST_IN_FLIGHT)
        for due in TRAFFIC.shape.departures():
            gevent.sleep(max(0.0, began + due - time.monotonic()))
            TALLY.send()
            if on_their_way.full():
                TALLY.finish(0.0, failed=True)
            else:
                on_their_way.spawn(self.client.get, "/")
        on_their_way.join()
        raise StopUser


class Offered(LoadTestShape):
    """Keeps the crowd for as long as the shape lasts and answers are awaited."""

    def tick(self) -> tuple[int, float] | None:
        over = self.get_run_time() - TRAFFIC.shape.seconds
        done = over >= GRACE_SECONDS or (over >= 1.0 and TALLY.in_flight == 0)
        return None if done else (1, 1.0)


@events.request.add_listener
def on_request(response_time: float, exception: BaseException | None, **_: Any) -> None:
    TALLY.finish(response_time, failed=exception is not None)


@events.test_start.add_listener
def on_start(environment: Environment, **_: Any) -> None:
    TRAFFIC.log.parent.mkdir(parents=True, exist_ok=True)
    log = TRAFFIC.log.open("w", encoding="utf-8")
    began = time.time()
    ticker = gevent.spawn(write_seconds, log, began)

    @environment.events.test_stop.add_listener
    def on_stop(**_: Any) -> None:
        ticker.kill()
        write_line(log, began)
        log.close()


def write_seconds(log: TextIO, began: float) -> None:
    for second in count(1):
        gevent.sleep(max(0.0, began + second - time.time()))
        write_line(log, began)


def write_line(log: TextIO, began: float) -> None:
    now = time.time()
    # The line tells of the second that ends now: its middle stands for it.
    middle = max(0.0, now - began - 0.5)
    shape = TRAFFIC.shape
    line = {
        "time": round(now, 3),
        "second": round(now - began, 2),
        "phase": shape.phase(middle),
        "offered": round(shape.rate(middle), 2),
    }
    log.write(json.dumps(line | TALLY.take()) + "\n")
    log.flush()
