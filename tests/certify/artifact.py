# SPDX-License-Identifier: GPL-3.0-or-later
"""The artifact that Galaxy would get: built from the checkout, judged by galaxy-importer, installed offline."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

from tests.certify import ansible_test
from tests.certify.tree import ROOT

BIN = Path(sys.executable).parent
PARTS = {"meta", "plugins", "roles", "playbooks", "docs", "changelogs"}
FILES = {"README.md", "LICENSE", "MANIFEST.json", "FILES.json"}
INSTALLED = Path(sysconfig.get_path("purelib"))
"""Where the PyPI package `ansible` has the collections that ours depends on."""
IMPORTER = ROOT / "build" / "galaxy-importer"
IMPORTER_REQUIREMENT = "galaxy-importer~=0.4.44"
# What it would do with ansible-test is done by `make sanity`; ansible-lint runs with the project's own rules.
IMPORTER_CONFIG = """\
[galaxy-importer]
check_required_tags = True
require_v1_or_greater = False
run_ansible_doc = True
run_ansible_lint = True
run_ansible_test = False
"""


def run(*command: str, timeout: float, cwd: Path = ROOT, **environment: str) -> str:
    """What a command of .venv said. Fails with it when the command fails."""
    done = subprocess.run(
        [str(BIN / command[0]), *command[1:]],
        cwd=cwd,
        env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "NO_COLOR": "1", **environment},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-6000:]}{done.stderr[-3000:]}"
    return done.stdout


def build(folder: Path) -> Path:
    """Build the artifact of the checkout as it stands, as a user would."""
    run("ansible-galaxy", "collection", "build", str(ROOT), "--output-path", str(folder), "--force", timeout=120)
    [artifact] = folder.glob("swarmherd-cluster-*.tar.gz")
    return artifact


def install(artifact: Path, folder: Path) -> Path:
    """Install it below `folder` without a network. Returns the collection's folder."""
    run_in(folder, "ansible-galaxy", "collection", "install", "--offline", str(artifact), "-p", str(folder))
    return folder / "ansible_collections" / "swarmherd" / "cluster"


def run_in(folder: Path, *command: str, timeout: float = 120, **environment: str) -> str:
    """What a command of Ansible's said, where the installed collection is there and the checkout is not."""
    settings = folder / "ansible.cfg"
    settings.touch()
    return run(
        *command,
        timeout=timeout,
        cwd=folder,
        ANSIBLE_CONFIG=str(settings),
        ANSIBLE_COLLECTIONS_PATH=f"{folder}:{INSTALLED}",
        **environment,
    )


def judge(artifact: Path) -> str:
    """What galaxy-importer says of it, from a virtual environment of its own that is kept in build/."""
    complete = IMPORTER / IMPORTER_REQUIREMENT
    if not complete.exists():
        venv.create(IMPORTER, with_pip=True, clear=True)
        ansible_test.pip(IMPORTER / "bin", IMPORTER_REQUIREMENT)
        # It shows ansible-lint no path but its own, and the collections that ours depends on must be found.
        [packages] = IMPORTER.glob("lib/python*/site-packages")
        (packages / "ansible_collections").symlink_to(INSTALLED / "ansible_collections")
        complete.touch()
    settings = IMPORTER / "importer.cfg"
    settings.write_text(IMPORTER_CONFIG)
    done = subprocess.run(
        [str(IMPORTER / "bin" / "python"), "-m", "galaxy_importer.main", str(artifact)],
        cwd=artifact.parent,
        env={
            **os.environ,
            "PATH": f"{IMPORTER / 'bin'}:{os.environ['PATH']}",
            "GALAXY_IMPORTER_CONFIG": str(settings),
            "HOME": str(IMPORTER),
        },
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-6000:]}{done.stderr[-6000:]}"
    return done.stdout + done.stderr
