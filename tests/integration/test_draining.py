# SPDX-License-Identifier: GPL-3.0-or-later
"""A service that ends without a thought for its requests is scaled down behind HAProxy and loses none (S18)."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from . import lab as on

pytestmark = [pytest.mark.usefixtures("lab"), pytest.mark.slow]

SHOP = "shop_web"
CLIENTS = 100
ORDER_SECONDS = (3.6, 4.0)
"""Swarm takes a task out of its DNS two seconds before it sends SIGTERM, and a load balancer that asks every second has
turned away by then: it takes orders that last longer than that to lose any, and shorter than it waits for (5 s)."""
SERVER = f"""
import http.server, os, random, signal, time
signal.signal(signal.SIGTERM, lambda *_: os._exit(1))
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "{len(SHOP)}")
        self.end_headers()
        self.wfile.write(b"{SHOP}")
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(random.uniform{ORDER_SECONDS})
        self.do_GET()
    def log_message(self, *_):
        pass
class Server(http.server.ThreadingHTTPServer):
    request_queue_size = {CLIENTS}
Server(("", 8000), Handler).serve_forever()
"""


@pytest.fixture
def shop() -> Iterator[str]:
    """Four replicas that drop everything at SIGTERM, all in use by the load balancer."""
    words = ["service", "create", "--detach", "--no-resolve-image", "--name", SHOP, "--network", "swarmherd"]
    words += ["--endpoint-mode", "dnsrr", "--replicas", "4", "--entrypoint", "python3", "swarmherd-lab/shop:1"]
    on.docker(*words, "-c", SERVER)
    try:
        on.wait_until(lambda: used() == 4, "the load balancer uses all tasks", 60)
        yield SHOP
    finally:
        on.docker("service", "rm", SHOP)


def inventory(place: Path, **policy: str) -> str:
    place.mkdir()
    return str(on.inventory(place, {}, {"services": {SHOP: policy}}))


def used() -> int:
    """Servers that get requests, as HAProxy's metrics count them."""
    line = http.client.HTTPConnection(on.address("manager1"), 8404, timeout=5)
    line.request("GET", "/metrics")
    text = line.getresponse().read().decode()
    start = f'haproxy_backend_active_servers{{proxy="{SHOP}"}} '
    return next((int(row.removeprefix(start)) for row in text.splitlines() if row.startswith(start)), 0)


def scale(inventory: str, replicas: int) -> str:
    words = ["scale", SHOP, str(replicas), "--reason", "a test", "--json"]
    done = json.loads(on.run(str(on.BIN / "swarmherd"), "-i", inventory, *words, timeout=120).stdout)
    assert done["outcome"] == "done", done["detail"]
    return str(done["detail"])


@contextmanager
def load() -> Iterator[list[str]]:
    """Clients that order one thing after the other, each on a connection of its own; what came of each order.

    They begin one after the other, so that at every moment some orders are new: whenever a task is ended, its last ones
    are cut short.
    """
    orders: list[str] = []
    stopping, address = threading.Event(), on.address("manager1")

    def order(begin_after: float) -> None:
        stopping.wait(begin_after)
        while not stopping.is_set():
            line = http.client.HTTPConnection(address, 8000, timeout=10)
            try:
                line.request("POST", "/", b"one")
                orders.append(str(line.getresponse().status))
            except OSError as error:
                orders.append(repr(error))
            finally:
                line.close()

    begins = (ORDER_SECONDS[1] * client / CLIENTS for client in range(CLIENTS))
    threads = [threading.Thread(target=order, args=(begin,)) for begin in begins]
    for thread in threads:
        thread.start()
    try:
        on.wait_until(lambda: len(orders) >= CLIENTS, "the load has begun", 60)
        yield orders
    finally:
        stopping.set()
        for thread in threads:
            thread.join()


def test_what_is_drained_before_it_goes_loses_no_order_that_could_not_be_repeated(shop: str, tmp_path: Path) -> None:
    """A POST is never sent twice. The first step, without the balancer's name, shows that the load would notice."""
    with load() as orders:
        scale(inventory(tmp_path / "plain"), 3)
    assert set(orders) == {"200", "502"}, "some orders were in hand when a task was ended, and nothing else is amiss"
    on.wait_until(lambda: used() == 3, "the load balancer has seen that one is gone", 20)
    with load() as orders:
        said = scale(inventory(tmp_path / "drained", balancer=shop), 2)
        before = len(orders)
        on.wait_until(lambda: len(orders) > before + 2 * CLIENTS, "orders go on after it", 60)
    assert "2 replicas run, and what went was drained at shop_web first" in said
    assert [order for order in orders if order != "200"] == []
    scale(inventory(tmp_path / "up", balancer=shop), 4)
    on.wait_until(lambda: used() == 4, "every slot serves again", 30)
