# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-test of one ansible-core, in a tree and a home of its own below build/: nothing of the user's is touched."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from tests.certify import pythons, tree

PLACE = tree.ROOT / "build" / "ansible-test"
HOME = PLACE / "home"
OURS = ("{}.{}".format(*sys.version_info), ".".join(version("ansible-core").split(".")[:2]))
"""The Python and the ansible-core of .venv."""
PYTHON_VERSIONS = (*pythons.ON_HOSTS, *pythons.ON_CONTROLLERS)

# ansible-test downloads a bootstrap of pip into its cache; this serves where its server cannot be reached. ensurepip
# leaves an environment behind that hides pip's settings, so what there was before is handed on.
PIP_STAND_IN = """\
import ensurepip, os, subprocess, sys
environment = dict(os.environ)
ensurepip.bootstrap()
arguments = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]
sys.exit(subprocess.call([sys.executable, "-m", "pip", "install", *arguments], env=environment))
"""


@dataclass(frozen=True)
class AnsibleTest:
    """`ansible-test` of one ansible-core, on one Python."""

    python: str
    core: str
    """Major and minor version."""

    @property
    def bin(self) -> Path:
        if (self.python, self.core) == OURS:
            return Path(sys.executable).parent
        return PLACE / f"ansible-core-{self.core}-python{self.python}" / "bin"

    def collection(self) -> Path:
        """The collection's folder in the tree, as the checkout is now."""
        return tree.build(PLACE / f"core-{self.core}")

    def install(self) -> None:
        """Make the virtual environment, unless it is there. Raises CalledProcessError with what pip said."""
        complete = self.bin.parent / ".complete"
        if complete.exists():
            return
        interpreter = pythons.find(self.python)
        assert interpreter, f"Python {self.python} was not found"
        subprocess.run([str(interpreter), "-m", "venv", "--clear", str(self.bin.parent)], check=True, timeout=120)
        pip(self.bin, f"ansible-core=={self.core}.*")
        complete.touch()

    def run(
        self, command: str, *arguments: str, timeout: float, capture: bool = True, also: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of ansible-test in the tree, on virtual environments that it makes and keeps itself.

        `also` are files to add to the tree, as path and text.
        """
        self.install()
        collection = self.collection()
        for path, text in (also or {}).items():
            (collection / path).write_text(text)
        make_home(self.bin)
        return subprocess.run(
            [str(self.bin / "ansible-test"), command, "--venv", "--color", "no", *arguments],
            cwd=collection,
            env={**os.environ, "HOME": str(HOME), "PATH": search_path(self.bin)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if capture else None,
            stderr=subprocess.STDOUT if capture else None,
            text=True,
            timeout=timeout,
            check=False,
        )


def ours() -> AnsibleTest:
    return AnsibleTest(*OURS)


def pip(bin_folder: Path, *requirements: str) -> None:
    command = [str(bin_folder / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*command, *requirements], check=True, timeout=600, capture_output=True, text=True)


def search_path(bin_folder: Path) -> str:
    """A PATH with the Pythons that were found, and without those stand-ins of pyenv that do not run."""
    links = PLACE / "pythons"
    links.mkdir(parents=True, exist_ok=True)
    for number in PYTHON_VERSIONS:
        if found := pythons.find(number):
            tree.link(links / f"python{number}", found)
        else:
            (links / f"python{number}").unlink(missing_ok=True)
    others = [folder for folder in os.environ["PATH"].split(os.pathsep) if Path(folder).name != "shims"]
    return os.pathsep.join([str(links), str(bin_folder), *others])


def make_home(bin_folder: Path) -> None:
    """The stand-in for pip's bootstrap, and pip's settings: ansible-test hands on neither PIP_* nor the user's home."""
    cache = HOME / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    for number in pip_versions(bin_folder):
        (cache / f"get_pip_{number.replace('.', '_')}.py").write_text(PIP_STAND_IN)
    told = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    settings = dict(re.findall(r"^[^.\s]+\.([a-z-]+)='(.*)'$", told, re.M))
    place = HOME / ".config" / "pip" / "pip.conf"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("\n".join(["[global]", *(f"{key} = {value}" for key, value in settings.items())]) + "\n")


def pip_versions(bin_folder: Path) -> list[str]:
    """The versions of pip that this ansible-test asks for."""
    [source] = bin_folder.parent.glob("lib/python*/site-packages/ansible_test/_internal/python_requirements.py")
    return re.findall(r"pip='([0-9.]+)'", source.read_text())
