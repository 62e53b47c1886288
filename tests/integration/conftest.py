# SPDX-License-Identifier: GPL-3.0-or-later
"""One lab for all tests in here: made and provisioned once, taken down at the end whatever happened.

LAB_KEEP=1 leaves it standing, and uses the one that stands, for work on a single test.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest

from . import lab as lab_commands

LAB_SIZE = {"NODES": "3", "MANAGERS": "1", "SPARES": "2"}


@pytest.fixture(scope="package")
def engine() -> Iterator[str]:
    """DOCKER_HOST of the outer engine."""
    said = lab_commands.run("python", "molecule/engine.py", "up", timeout=600).stdout
    try:
        yield said.strip().split("=", 1)[1]
    finally:
        if not os.environ.get("LAB_KEEP"):
            lab_commands.run("python", "molecule/engine.py", "down", timeout=120)


@pytest.fixture(scope="package")
def lab(engine: str) -> Iterator[str]:
    """A provisioned lab of one manager, two workers and two spare hosts; the value says how provisioning went."""
    settings = {**LAB_SIZE, "DOCKER_HOST": engine}
    os.environ.update(settings)
    try:
        lab_commands.playbook("molecule/default/create.yml", timeout=600)
        started = time.monotonic()
        said = lab_commands.playbook("playbooks/provision.yml", timeout=300)
        print(f"provisioned in {time.monotonic() - started:.0f} s")  # noqa: T201 shown with -s
        yield said
    finally:
        if not os.environ.get("LAB_KEEP"):
            lab_commands.playbook("molecule/default/destroy.yml", timeout=120)
        for name in settings:
            os.environ.pop(name, None)


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
