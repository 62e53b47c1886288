# SPDX-License-Identifier: GPL-3.0-or-later
"""An engine that cannot run the lab's hosts, as in most CI containers: one clear sentence, and nothing left behind."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from . import lab as on

HOST_IMAGE = "swarmherd-lab/host:bookworm"
LAB = {"LAB_NAME": "swarmherd-unfit", "LAB_SUBNET": "10.211.0", "LAB_RELEASE": "bookworm"}
SIZE = {"NODES": "1", "MANAGERS": "1", "SPARES": "0"}

# A second engine, without one of the capabilities that hosts are given. It starts a containerd of its own (a containerd
# of the machine's would have them all), and what it mounts ends with it.
START = """
if [ -d /run/containerd ]; then mount -t tmpfs none /run/containerd; fi
exec setpriv --bounding-set=-sys_ptrace dockerd "$@"
"""


def answers(host: str) -> bool:
    return on.run("docker", "--host", host, "version", timeout=20, check=False).returncode == 0


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="swarmherd-unfit-") as folder:
        yield Path(folder)


@pytest.fixture
def unfit_engine(engine: str, home: Path) -> Iterator[str]:  # noqa: ARG001 (where none answers, it brings dockerd)
    """DOCKER_HOST of an engine that touches neither the firewall nor the other engine."""
    if os.geteuid() or not shutil.which("dockerd"):
        pytest.skip("a second engine takes root and a dockerd on this machine")
    host = f"unix://{home}/docker.sock"
    folders = [f"--data-root={home}/data", f"--exec-root={home}/exec", f"--pidfile={home}/docker.pid"]
    quiet = ["--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false"]
    command = ["unshare", "--mount", "sh", "-c", START, "sh", f"--host={host}", *folders, *quiet]
    with (home / "log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            on.wait_until(lambda: answers(host), "the second engine answers", 60)
            yield host
        finally:
            process.terminate()
            process.wait(timeout=60)


@pytest.mark.slow
def test_an_engine_that_cannot_run_the_hosts_is_told_in_a_sentence(unfit_engine: str, home: Path) -> None:
    nothing = subprocess.run(["tar", "--create", "--files-from=/dev/null"], capture_output=True, check=True).stdout
    image = ["import", "--change", 'CMD ["/usr/local/sbin/host-init"]', "-", HOST_IMAGE]
    subprocess.run(["docker", "--host", unfit_engine, *image], input=nothing, capture_output=True, check=True)
    environment = {**LAB, **SIZE, "LAB_DIR": str(home / "lab"), "DOCKER_HOST": unfit_engine}
    # Its hosts are never so far as to be of use: they need none of the images' contents.
    play = [
        "ansible-playbook",
        "-i",
        on.INVENTORY,
        "molecule/default/create.yml",
        "-e",
        '{"lab_images": [], "lab_archives": []}',
    ]
    try:
        done = on.run(*play, timeout=240, check=False, **environment)
    finally:
        on.playbook("molecule/default/destroy.yml", timeout=60, **environment)
    said = " ".join(done.stdout.split())
    assert done.returncode == 2
    assert "The lab's hosts did not come up:" in said, done.stdout
    assert "operation not permitted" in said
    assert f"The engine at {unfit_engine} must be able to run containers with nearly all capabilities" in said
    left = on.run("docker", "--host", unfit_engine, "ps", "--all", "--quiet", timeout=20).stdout
    assert left == ""
