# SPDX-License-Identifier: GPL-3.0-or-later
"""One lab for all tests in here: made and provisioned once, taken down at the end whatever happened.

With --releases bookworm,trixie every test that uses the lab runs on hosts of each of these Debian releases, one after
the other, and so on their engines. LAB_KEEP=1 leaves the lab standing, and uses the one that stands, for work on a
single test.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.certify import integration

from . import lab as lab_commands


@pytest.fixture(scope="package")
def engine() -> Iterator[str]:
    """DOCKER_HOST of the outer engine."""
    with lab_commands.engine() as host:
        yield host


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests that use the lab run once per release, all of one release together."""
    if "lab" in metafunc.fixturenames:
        releases = metafunc.config.option.releases.split(",")
        if metafunc.definition.get_closest_marker("one_release"):
            releases = releases[:1]
        metafunc.parametrize("lab", rotations(releases), ids=releases, indirect=True, scope="package")


def rotations(releases: list[str]) -> list[str]:
    """LAB_RELEASE per release: its nodes are of it, and of two spare hosts the second is of the next one."""
    return [",".join([*releases[n:], *releases[:n]][:2]) for n in range(len(releases))]


@pytest.fixture(scope="package")
def lab(engine: str, request: pytest.FixtureRequest) -> Iterator[None]:
    """A provisioned lab of one manager, two workers and two spare hosts outside the Swarm."""
    with lab_commands.standing_lab(engine, NODES="3", MANAGERS="1", SPARES="2", LAB_RELEASE=request.param):
        yield


@pytest.fixture(scope="package")
def engines_on_spares(lab: None) -> None:  # noqa: ARG001 - the lab must stand
    """Engines on the spare hosts too: there a target lets them join and leave."""
    integration.prepare()


@pytest.fixture(autouse=True)
def bound(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test on engines that hangs is ended after ten minutes, and says which one it was."""

    def too_long(*_: object) -> None:
        raise TimeoutError(f"{request.node.nodeid} took longer than ten minutes")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(600)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def inventory(tmp_path: Path) -> Callable[..., Path]:
    """Write an inventory of the lab's hosts with a policy of one's own."""

    def write(**policy: Any) -> Path:
        cluster = {"prometheus_url": f"http://{lab_commands.address('manager1')}:9090"}
        return lab_commands.inventory(tmp_path, cluster, {"settle_seconds": 0, **policy})

    return write
