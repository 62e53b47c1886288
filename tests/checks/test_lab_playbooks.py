# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's playbooks, with programs that stand for docker and ssh: what they are told."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MOLECULE = ROOT / "molecule" / "default"
PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
STUB = f"""#!{sys.executable}
import json, os, sys
with open(os.environ["NOTES"], "a") as notes:
    notes.write(json.dumps([os.path.basename(sys.argv[0]), *sys.argv[1:]]) + "\\n")
"""


class Lab:
    """A lab of one host whose folder has a blank in its path."""

    def __init__(self, home: Path) -> None:
        self.home, self.folder, self.notes = home, home / "a lab", home / "notes"
        self.folder.mkdir()
        (home / "bin").mkdir()
        for name in ("docker", "ssh"):
            (home / "bin" / name).write_text(STUB)
            (home / "bin" / name).chmod(0o755)

    def play(self, path: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
        settings = {name: value for name, value in os.environ.items() if name not in PROXIES}
        settings |= {"PATH": f"{self.home / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"}
        settings |= {"DOCKER_HOST": "unix:///nowhere/docker.sock", "NOTES": str(self.notes), "NODES": "1"}
        settings |= {"LAB_DIR": str(self.folder), **environment}
        command = ["ansible-playbook", "-i", "inventories/lab", str(path), *options]
        return subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True, timeout=100, check=False)

    def commands(self) -> list[list[str]]:
        return [json.loads(line) for line in self.notes.read_text().splitlines()] if self.notes.exists() else []


@pytest.fixture
def lab() -> Iterator[Lab]:
    """Where a socket's path is short enough."""
    with tempfile.TemporaryDirectory() as home:
        yield Lab(Path(home))


def test_connections_are_ended_where_the_path_has_a_blank(lab: Lab) -> None:
    kept = lab.folder / "ssh-10.213.0.11"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(kept))
        done = lab.play(MOLECULE / "destroy.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert ["ssh", "-q", "-O", "exit", "-S", str(kept), "host"] in lab.commands()


def test_a_folder_without_room_for_the_connections_sockets_is_refused_at_once(lab: Lab) -> None:
    """The longest is what ssh listens on first: ssh-10.213.0.255 and 17 letters more, of 107."""
    there = f"{lab.home}/".ljust(107 - len("/ssh-10.213.0.255") - 17 + 1, "x")
    done = lab.play(MOLECULE / "create.yml", LAB_DIR=there)
    assert done.returncode == 2
    assert f"too long for the sockets of ssh: {there}." in " ".join(done.stdout.split())
    assert lab.commands() == []


@pytest.mark.slow
@pytest.mark.parametrize("told", [{}, {"http_proxy": "http://me:secret@proxy:3128", "NO_PROXY": "10.0.0.0/8"}])
def test_images_are_built_through_the_proxy_that_is_set(told: dict[str, str], lab: Lab) -> None:
    (lab.folder / "images").mkdir()
    tasks = [{"ansible.builtin.include_tasks": str(MOLECULE / "tasks" / "images.yml")}]
    variables = {"lab_repository": str(ROOT), "ansible_python_interpreter": sys.executable}
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}
    book = lab.home / "images.yml"
    book.write_text(json.dumps([{**play, "vars_files": [str(MOLECULE / "vars" / "lab.yml")]}]))
    done = lab.play(book, "-e", json.dumps(variables), **told)
    assert done.returncode == 0, done.stdout + done.stderr
    builds = [command for command in lab.commands() if "build" in command]
    assert [command[-1] for command in builds] == [
        str(ROOT / path)
        for path in ("molecule/images/host", "demo/shop", "molecule/images/prometheus", "molecule/images/haproxy")
    ]
    base = "BASE=swarmherd-lab/base:bookworm"
    for command, engine in zip(builds, ("docker.io", "", "", ""), strict=True):
        arguments = ["--build-arg", base, "--build-arg", f"ENGINE={engine}", *(f"--build-arg={name}" for name in told)]
        assert command[command.index("--build-arg") : command.index("--tag")] == arguments
