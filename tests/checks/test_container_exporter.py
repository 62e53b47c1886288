# SPDX-License-Identifier: GPL-3.0-or-later
"""The program of the role container_exporter, as far as it needs no engine. Its Molecule scenario has one."""

from __future__ import annotations

import importlib.util
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import requests

from tests.waiting import until

PROGRAM = Path(__file__).resolve().parents[2] / "roles/container_exporter/files/container_exporter.py"
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def exporter() -> ModuleType:
    spec = importlib.util.spec_from_file_location("container_exporter", PROGRAM)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def running(address: str) -> Iterator[int]:
    """The program at the address whose port it gets, on a machine without an engine: the port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, str(PROGRAM), address.format(port)]
    with subprocess.Popen(command, env={"DOCKER_HOST": "unix:///nowhere"}) as process:
        try:
            yield port
        finally:
            process.terminate()


@pytest.mark.parametrize(
    ("memory", "expected"),
    [
        ({"usage": 9 * MIB, "stats": {"inactive_file": 2 * MIB}}, 7 * MIB),
        ({"usage": 9 * MIB, "stats": {"total_inactive_file": 3 * MIB, "inactive_file": MIB}}, 6 * MIB),
        ({"usage": MIB, "stats": {"inactive_file": 2 * MIB}}, 0),
        ({}, 0),
    ],
)
def test_the_working_set_is_usage_without_the_cache_that_can_be_dropped(
    exporter: ModuleType, memory: dict[str, Any], expected: int
) -> None:
    stats = {"memory_stats": memory, "cpu_stats": {"cpu_usage": {"total_usage": 2_500_000_000}}}
    assert exporter.figures(stats, 64 * MIB) == (2.5, expected, 64 * MIB)


def test_what_prometheus_reads_names_each_family_once_and_escapes_labels(exporter: ModuleType) -> None:
    odd = exporter.escape('"\\')
    said = exporter.render([('name="a"', (0.5, 10, 0)), (f'name="{odd}"', (1.5, 20, 30))])
    assert [line for line in said.splitlines() if not line.startswith("#")] == [
        'container_cpu_usage_seconds_total{name="a"} 0.5',
        'container_cpu_usage_seconds_total{name="\\"\\\\"} 1.5',
        'container_memory_working_set_bytes{name="a"} 10',
        'container_memory_working_set_bytes{name="\\"\\\\"} 20',
        'container_spec_memory_limit_bytes{name="a"} 0',
        'container_spec_memory_limit_bytes{name="\\"\\\\"} 30',
    ]
    assert len(re.findall("^# TYPE ", said, re.MULTILINE)) == 3


@pytest.mark.parametrize(
    ("address", "asked"), [(":{}", "127.0.0.1"), (":{}", "[::1]"), ("127.0.0.1:{}", "127.0.0.1"), ("[::1]:{}", "[::1]")]
)
def test_it_listens_where_it_is_told_and_says_so_where_no_engine_answers(address: str, asked: str) -> None:
    def answer() -> int | None:
        try:
            return requests.get(f"http://{asked}:{port}/metrics", timeout=5).status_code
        except requests.ConnectionError:
            return None

    with running(address) as port:
        assert until("the exporter to answer", answer, 20) == 503
        assert requests.get(f"http://{asked}:{port}/", timeout=5).status_code == 404


def told(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(PROGRAM), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("arguments", [[], ["9417"], ["here:there"], [":1", ":2"]])
def test_an_address_that_is_none_is_told_the_usage(arguments: list[str]) -> None:
    done = told(*arguments)
    assert done.returncode == 1
    assert "[HOST]:PORT" in done.stderr


@pytest.mark.parametrize("address", ["192.0.2.1:9417", ":99999"])
def test_an_address_that_cannot_be_had_is_one_sentence(address: str) -> None:
    done = told(address)
    assert done.returncode == 1
    assert re.fullmatch(f"{address} cannot be listened at: .+\n", done.stderr)
