# SPDX-License-Identifier: GPL-3.0-or-later
"""requirements/venv.sh on machines that lack what it needs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "requirements" / "venv.sh"
PYTHON = f"""
case "$2" in
*ensurepip*) exit 1 ;;
*) exec {sys.executable} "$@" ;;
esac
"""


@pytest.fixture
def said(tmp_path: Path) -> str:
    """What it says to somebody who is not root, where there is next to nothing."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, script in {"python3.11": PYTHON, "id": "echo 1000", "dirname": 'echo "${1%/*}"'}.items():
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)
    (tmp_path / "requirements").mkdir()
    shutil.copy(SCRIPT, tmp_path / "requirements")
    command = ["/bin/sh", str(tmp_path / "requirements" / "venv.sh")]
    done = subprocess.run(command, env={"PATH": str(programs)}, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    return done.stderr


def test_packages_that_are_missing_are_named_those_of_the_python_that_was_found_too(said: str) -> None:
    missing = "openssh-client iproute2 python{}.{}-venv".format(*sys.version_info)
    assert said == (
        f"Missing packages: {missing}. Install them (sudo apt-get install {missing}), then run this again.\n"
    )
