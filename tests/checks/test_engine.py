# SPDX-License-Identifier: GPL-3.0-or-later
"""molecule/engine.py where there is nothing for it to work with: one sentence, and exit status 2."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ENGINE = Path(__file__).resolve().parents[2] / "molecule" / "engine.py"
NOBODY = 65534


@pytest.fixture
def checkout() -> Iterator[Path]:
    """A checkout that everybody may read, with nothing in it but the engine's command."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        (Path(folder) / "molecule").mkdir(mode=0o755)
        shutil.copy(ENGINE, Path(folder) / "molecule" / "engine.py")
        yield Path(folder)


def engine(checkout: Path, verb: str) -> subprocess.CompletedProcess[str]:
    """The command as somebody who is not root, on a machine where no engine answers."""
    environment = {"PATH": os.environ["PATH"], "DOCKER_HOST": "unix:///nowhere/docker.sock"}
    python = shutil.which("python3", path="/usr/bin:/bin") or sys.executable
    user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    command = [python, str(checkout / "molecule" / "engine.py"), verb]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False, **user)


def test_without_root_and_without_an_engine_up_says_what_to_do(checkout: Path) -> None:
    done = engine(checkout, "up")
    assert done.returncode == 2
    assert "No Docker engine answers" in done.stderr
    assert "DOCKER_HOST" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_without_an_engine_env_says_so_and_down_has_nothing_to_do(checkout: Path) -> None:
    assert engine(checkout, "env").returncode == 1
    assert engine(checkout, "down").returncode == 0


def test_an_unknown_verb_shows_the_usage(checkout: Path) -> None:
    done = engine(checkout, "sideways")
    assert done.returncode == 2
    assert "usage:" in done.stderr
