# SPDX-License-Identifier: GPL-3.0-or-later
"""A network of the lab that its engine takes to be in use: the private engine is started anew, others are left alone.

An engine's miscount cannot be had at will. A container that does not bear the lab's label holds the network as well,
and lets go of it as the engine stops.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from . import lab as on

LAB = "swarmherd-held"

# An engine of a checkout's own, with nothing of this machine within its reach: no network, no processes, no containerd.
# It is asked for under another name first, and so taken for somebody else's.
SCRIPT = """
set -e
if [ -d /run/containerd ]; then mount -t tmpfs none /run/containerd; fi
ip link set lo up
trap 'python molecule/engine.py down' EXIT
export $(python molecule/engine.py up)
tar --create --files-from=/dev/null | docker import - nothing > /dev/null
docker network create --label io.swarmherd.lab=$LAB_NAME $LAB_NAME > /dev/null
mounts="$(for folder in /usr /bin /lib /lib64; do [ ! -e $folder ] || echo --volume $folder:$folder:ro; done)"
docker run --detach --network $LAB_NAME $mounts nothing /usr/bin/sleep 600 > /dev/null

take_down() {
  ansible-playbook -i inventories/lab molecule/default/destroy.yml > $1 2>&1 && ended=0 || ended=$?
  echo "$ended $(docker network ls --quiet --filter name=$LAB_NAME | wc --lines) $(cat build/engine/docker.pid)"
}
pid=$(cat build/engine/docker.pid)
DOCKER_HOST=unix://$PWD/molecule/../build/engine/docker.sock take_down others
take_down own
echo $pid
"""


@pytest.fixture
def checkout(engine: str) -> Iterator[Path]:  # noqa: ARG001 (where none answers, it brings dockerd)
    """What taking a lab down needs of this repository, where a socket's path is short enough."""
    if os.geteuid() or not shutil.which("dockerd"):
        pytest.skip("a second engine takes root and a dockerd on this machine")
    with tempfile.TemporaryDirectory(prefix="swarmherd-held-") as folder:
        for name in ("molecule", "inventories", "ansible.cfg"):
            source = on.ROOT / name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, Path(folder) / name)
        yield Path(folder)


@pytest.mark.slow
def test_the_private_engine_is_started_anew_and_that_of_others_left_alone(checkout: Path) -> None:
    command = ["unshare", "--net", "--pid", "--mount", "--fork", "--mount-proc", "--kill-child", "bash", "-c", SCRIPT]
    known = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "LAB_NAME": LAB, "NODES": "1"}
    done = subprocess.run(command, cwd=checkout, env=known, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    others, own, pid = done.stdout.splitlines()
    said = {name: (checkout / name).read_text() for name in ("others", "own")}
    assert others == f"2 1 {pid}", said["others"]
    assert f"The network {LAB} could not be removed: " in said["others"]
    assert own.startswith("0 0 "), said["own"]
    assert own != f"0 0 {pid}"
    assert "has active endpoints" in said["own"]
