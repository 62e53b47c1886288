# SPDX-License-Identifier: GPL-3.0-or-later
"""The shop as a process, on loopback."""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.demo.conftest import ROOT

CAPACITY, QUEUE = 50, 30


def answer(port: int, path: str) -> tuple[int, str, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode(), dict(response.getheaders())
    finally:
        connection.close()


@pytest.fixture
def shop(free_port: int) -> Iterator[subprocess.Popen[str]]:
    settings = {"SHOP_PORT": free_port, "SHOP_CAPACITY": CAPACITY, "SHOP_QUEUE": QUEUE, "SHOP_NAME": "shop_test"}
    process = subprocess.Popen(
        [sys.executable, "-u", str(ROOT / "demo" / "shop" / "shop.py")],
        env={**os.environ, **{key: str(value) for key, value in settings.items()}},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert f"port {free_port}" in process.stderr.readline()  # it says so as soon as it listens
    yield process
    process.kill()
    process.wait()
    process.stderr.close()


def metric(port: int, name: str) -> float:
    found = re.search(rf"^{re.escape(name)} (\S+)$", answer(port, "/metrics")[1], re.MULTILINE)
    assert found, name
    return float(found[1])


@pytest.mark.usefixtures("shop")
def test_a_hundred_customers_at_once_are_served_or_turned_away_and_all_are_counted(free_port: int) -> None:
    began = time.monotonic()
    with ThreadPoolExecutor(100) as pool:
        codes = Counter(status for status, _body, _seconds in pool.map(lambda _: answer(free_port, "/"), range(100)))
    seconds = time.monotonic() - began
    assert codes[200] + codes[503] == 100
    # The till and the queue are filled at once; what comes on top is what it could serve meanwhile.
    assert QUEUE + 1 <= codes[200] <= QUEUE + 2 + CAPACITY * seconds
    assert metric(free_port, 'shop_requests_total{code="200"}') == codes[200]
    assert metric(free_port, 'shop_requests_total{code="503"}') == codes[503]
    assert metric(free_port, "shop_in_flight") == 0
    assert metric(free_port, "shop_busy_seconds_total") == pytest.approx(codes[200] / CAPACITY)
    assert metric(free_port, "shop_capacity_requests_per_second") == CAPACITY


@pytest.mark.usefixtures("shop")
def test_one_connection_serves_many_requests_no_faster_than_the_capacity(free_port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", free_port, timeout=10)
    began = time.monotonic()
    for _request in range(10):
        connection.request("GET", "/")
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, b"sold\n")
    connection.close()
    assert time.monotonic() - began >= 10 / CAPACITY


@pytest.mark.usefixtures("shop")
def test_the_health_answer_says_whose_it_is(free_port: int) -> None:
    status, body, headers = answer(free_port, "/healthz")
    assert (status, body, headers["X-Service"]) == (200, "shop_test\n", "shop_test")
    assert answer(free_port, "/nothing")[0] == 404


def test_on_sigterm_it_says_503_to_the_balancer_serves_who_is_there_and_ends_with_0(
    shop: subprocess.Popen[str], free_port: int
) -> None:
    with ThreadPoolExecutor(21) as pool:
        waiting = [pool.submit(answer, free_port, "/") for _request in range(20)]
        deadline = time.monotonic() + 30
        while metric(free_port, "shop_in_flight") + metric(free_port, 'shop_requests_total{code="200"}') < 20:
            assert time.monotonic() < deadline, "the requests did not arrive"
        shop.send_signal(signal.SIGTERM)
        while (health := answer(free_port, "/healthz"))[0] == 200:
            assert time.monotonic() < deadline, "the health answer did not turn to 503"
        late = pool.submit(answer, free_port, "/")  # the balancer may not have seen it yet
        assert health[1] == "draining\n"  # and nothing that a balancer could take for the service's name
        assert health[2]["Connection"] == "close"
        assert [future.result()[0] for future in [*waiting, late]] == [200] * 21
    assert shop.wait(15) == 0
    assert shop.stderr is not None
    assert "closed, 0 requests left unanswered" in shop.stderr.read()


@pytest.mark.parametrize("settings", [{"SHOP_CAPACITY": "x"}, {"SHOP_QUEUE": "-1"}])
def test_a_bad_setting_ends_it_with_2_and_one_line(settings: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "demo" / "shop" / "shop.py")],
        env={**os.environ, **settings}, capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


@pytest.mark.usefixtures("shop")
def test_a_taken_port_ends_it_with_2_and_one_line(free_port: int) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "demo" / "shop" / "shop.py")],
        env={**os.environ, "SHOP_PORT": str(free_port)}, capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (2, f"SHOP_PORT: cannot listen on {free_port}: Address already in use\n")
