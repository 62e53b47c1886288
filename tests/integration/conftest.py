# SPDX-License-Identifier: GPL-3.0-or-later
"""One lab for all tests in here: made and provisioned once, taken down at the end whatever happened.

LAB_KEEP=1 leaves it standing, and uses the one that stands, for work on a single test.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from . import lab as lab_commands


@pytest.fixture(scope="package")
def engine() -> Iterator[str]:
    """DOCKER_HOST of the outer engine."""
    with lab_commands.engine() as host:
        yield host


@pytest.fixture(scope="package")
def lab(engine: str) -> Iterator[None]:
    """A provisioned lab of one manager, two workers and two spare hosts outside the Swarm."""
    with lab_commands.standing_lab(engine, NODES="3", MANAGERS="1", SPARES="2"):
        yield


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
