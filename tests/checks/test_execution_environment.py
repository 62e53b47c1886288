# SPDX-License-Identifier: GPL-3.0-or-later
"""What ansible-builder makes of the built collection and of our example; images need an engine and a network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
EXAMPLE = ROOT / "docs" / "execution-environment" / "execution-environment.yml"


def run(program: str, *arguments: str, cwd: Path, **environment: str) -> str:
    settings = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", **environment}
    done = subprocess.run(
        [str(BIN / program), *arguments],
        cwd=cwd,
        env=settings,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{program} {' '.join(arguments)}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("artifact")
    run("ansible-galaxy", "collection", "build", str(ROOT), "--output-path", str(folder), cwd=folder)
    return next(folder.glob("swarmherd-cluster-*.tar.gz"))


def test_the_collection_says_what_an_execution_environment_needs(artifact: Path, tmp_path: Path) -> None:
    install = ["collection", "install", str(artifact), "-p", str(tmp_path), "--offline", "--no-deps"]
    run("ansible-galaxy", *install, cwd=tmp_path, ANSIBLE_COLLECTIONS_PATH=str(tmp_path))
    run("ansible-builder", "introspect", "--write-pip", "pip", "--write-bindep", "bindep", str(tmp_path), cwd=tmp_path)
    assert "docker>=5.0.3" in (tmp_path / "pip").read_text()
    assert "openssh-client" in (tmp_path / "bindep").read_text()


def test_the_example_makes_a_context_with_the_collection_in_it(artifact: Path, tmp_path: Path) -> None:
    shutil.copy(EXAMPLE, tmp_path)
    shutil.copy(artifact, tmp_path)
    create = ["create", "-f", str(tmp_path / EXAMPLE.name), "-c", "context", "--output-filename", "Containerfile"]
    run("ansible-builder", *create, cwd=tmp_path)
    wanted = yaml.safe_load((tmp_path / "context" / "_build" / "requirements.yml").read_text())["collections"]
    assert [(tmp_path / "context" / "_build" / one["name"]).is_file() for one in wanted] == [True]
    assert "ansible-galaxy collection install" in (tmp_path / "context" / "Containerfile").read_text()
