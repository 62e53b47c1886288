# SPDX-License-Identifier: GPL-3.0-or-later
"""molecule/engine.py where there is nothing for it to work with, and where a killed engine left its networks."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENGINE = ROOT / "molecule" / "engine.py"
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


LEFT = """
set -e
for bridge in swarmherd0 swarmherd-lab other0; do ip link add $bridge type bridge; done
ip link add plugged type veth peer name gone
ip link set plugged master swarmherd-lab
iptables -A FORWARD -i swarmherd-lab -o swarmherd-lab -j ACCEPT
iptables -A FORWARD -i other0 -j ACCEPT
iptables -t nat -A POSTROUTING -s 10.213.0.0/24 ! -o swarmherd-lab -j MASQUERADE
"""
CLEAR = "import sys; sys.path.insert(0, 'molecule'); import engine; engine.clear_remains()"
SEE = "ip -brief link; iptables -S FORWARD; iptables -t nat -S POSTROUTING"


def remains(beside: str = "") -> str:
    """What is there of a killed engine's networks after they were cleared, in a network namespace of its own."""
    script = f"{LEFT}{beside}{sys.executable} -c {shlex.quote(CLEAR)}; {SEE}"
    command = ["unshare", "--net", "--pid", "--fork", "--mount-proc", "--kill-child", "bash", "-c", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def namespaces() -> None:
    if os.geteuid() or not shutil.which("iptables"):
        pytest.skip("a network namespace takes root, and rules take iptables, which comes with the engine")


@pytest.mark.usefixtures("namespaces")
def test_what_a_killed_engine_left_goes_and_what_is_not_ours_stays() -> None:
    seen = remains()
    assert "swarmherd" not in seen
    assert "plugged" not in seen
    assert ("other0" in seen, "-A FORWARD -i other0 -j ACCEPT" in seen) == (True, True)


@pytest.mark.usefixtures("namespaces")
def test_nothing_goes_where_any_dockerd_runs() -> None:
    seen = remains(beside="(exec -a dockerd sleep 60) & until grep -q ^dockerd /proc/$!/cmdline; do :; done\n")
    for name in ("swarmherd0", "swarmherd-lab", "plugged", "-A FORWARD -i swarmherd-lab", "-A POSTROUTING -s 10.213"):
        assert name in seen
