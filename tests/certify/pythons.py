# SPDX-License-Identifier: GPL-3.0-or-later
"""The Pythons of this machine that can make virtual environments, wherever they were installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ON_HOSTS = ("3.8", "3.9", "3.10")
"""What only modules run on."""
ON_CONTROLLERS = ("3.11", "3.12", "3.13", "3.14")
TELL_VERSION = "import ensurepip, sys, venv; print('{}.{}'.format(*sys.version_info))"


@cache
def find(version: str) -> Path | None:
    """The interpreter of a version, as 3.12; None where there is none that works."""
    return next((path for path in _candidates(version) if _is(path, version)), None)


def _candidates(version: str) -> Iterator[Path]:
    if on_path := shutil.which(f"python{version}"):
        yield Path(on_path)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(pyenv.glob(f"versions/{version}.*/bin/python{version}"), reverse=True)
    uv = Path(os.environ.get("UV_PYTHON_INSTALL_DIR") or Path.home() / ".local" / "share" / "uv" / "python")
    yield from sorted(uv.glob(f"cpython-{version}.*/bin/python{version}"), reverse=True)


def _is(path: Path, version: str) -> bool:
    """Whether it runs: pyenv's stand-ins on the PATH do so only for the version that is switched on."""
    try:
        done = subprocess.run([str(path), "-c", TELL_VERSION], capture_output=True, text=True, timeout=30, check=False)
    except OSError:
        return False
    return done.stdout.strip() == version
