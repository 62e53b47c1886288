# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab as tests use it: the commands that people run, and a way to ask its hosts what is true."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
INVENTORY = "inventories/lab"
HEARTBEAT_SECONDS = 5
"""Swarm's own."""
SECOND_RUN = {
    "ANSIBLE_CALLBACK_PLUGINS": str(Path(__file__).parent / "plugins" / "callback"),
    "ANSIBLE_CALLBACKS_ENABLED": "second_run",
}
"""With this in its environment a playbook runs each of our modules again after it changed something, and fails where
that changes something too."""


def run(*command: str, timeout: float, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the project from its root, and fail with what it said."""
    settings = {
        **os.environ,
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_FORCE_COLOR": "0",
        "NO_COLOR": "1",
        "MOLECULE_GLOB": "molecule/*/molecule.yml",
        **environment,
    }
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=settings,
        capture_output=True,
        text=True,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if check and done.returncode:
        raise AssertionError(
            f"{' '.join(command)} ended with {done.returncode}\n{done.stdout[-6000:]}{done.stderr[-3000:]}"
        )
    return done


@contextmanager
def engine() -> Iterator[str]:
    """DOCKER_HOST of the outer engine: the one that answers, else a private one that ends with this."""
    said = run("python", "molecule/engine.py", "up", timeout=600).stdout
    try:
        yield said.strip().split("=", 1)[1]
    finally:
        if not os.environ.get("LAB_KEEP"):
            run("python", "molecule/engine.py", "down", timeout=120)


@contextmanager
def standing_lab(docker_host: str | None = None, **size: str) -> Iterator[None]:
    """A provisioned lab of that size, on the engine at `docker_host` or on one of its own.

    LAB_KEEP=1 leaves it standing and uses the one that stands.
    """
    if docker_host is None:
        with engine() as found, standing_lab(found, **size):
            yield
        return
    before = dict(os.environ)
    os.environ.update(size, DOCKER_HOST=docker_host)
    try:
        playbook("molecule/default/create.yml", timeout=600)
        playbook("playbooks/provision.yml", timeout=300)
        yield
    finally:
        if not os.environ.get("LAB_KEEP"):
            playbook("molecule/default/destroy.yml", timeout=120)
        os.environ.clear()
        os.environ.update(before)


def playbook(path: str, *arguments: str, timeout: float = 240, **environment: str) -> str:
    """What `ansible-playbook` said, the lab being its inventory."""
    return run("ansible-playbook", "-i", INVENTORY, path, *arguments, timeout=timeout, **environment).stdout


def changed(output: str) -> dict[str, int]:
    """Changes per host, from a playbook's recap."""
    recap = output.rsplit("PLAY RECAP", 1)[1].splitlines()
    rows = [line.split() for line in recap if "changed=" in line]
    return {row[0]: int(next(word for word in row if word.startswith("changed="))[8:]) for row in rows}


def hostvars(host: str) -> dict[str, str]:
    """What the lab's inventory says of one of its hosts."""
    return json.loads(run(str(ROOT / INVENTORY / "hosts.py"), timeout=20).stdout)["_meta"]["hostvars"][host]


def inventory(place: Path, cluster: Mapping[str, Any], policy: Mapping[str, Any]) -> Path:
    """An inventory of the lab's hosts below `place` with settings and a policy of one's own, and its state there."""
    folder = place / "inventory"
    variables = folder / "group_vars" / "all"
    variables.mkdir(parents=True, exist_ok=True)
    for name, target in (("hosts.py", folder), ("group_vars/all/connection.yml", variables)):
        link = target / Path(name).name
        if not link.exists():
            link.symlink_to(ROOT / INVENTORY / name)
    settings = {"name": "test", "state_url": f"sqlite:///{place / 'state.db'}", **cluster}
    document = {"swarmherd_cluster": settings, "swarmherd_policy": {"mode": "enforce", **policy}}
    (variables / "swarmherd.yml").write_text(json.dumps(document))
    return folder


def address(host: str) -> str:
    """Where a host of the lab is reached."""
    return hostvars(host)["ansible_host"]


def ssh(host: str, *command: str, timeout: float = 60, check: bool = True) -> str:
    """What a command on one of the lab's hosts said."""
    lab = ROOT / "build" / "lab"
    options = ["-i", str(lab / "id_ed25519"), "-o", f"UserKnownHostsFile={lab / 'known_hosts'}", "-o", "BatchMode=yes"]
    login = f"root@{address(host)}"
    return run("ssh", *options, "-o", "LogLevel=ERROR", login, shlex.join(command), timeout=timeout, check=check).stdout


def docker(*arguments: str, host: str = "manager1", check: bool = True) -> str:
    """What the docker command on a host of the lab said."""
    return ssh(host, "docker", *arguments, check=check)


def inspect(service: str) -> Any:
    """A service as the managers hold it."""
    return json.loads(docker("service", "inspect", service))[0]


def running(service: str) -> int:
    """How many tasks of a service run, by Docker's own count."""
    return int(docker("service", "ls", "--filter", f"name={service}", "--format", "{{.Replicas}}").split("/")[0])


@contextmanager
def quick_heartbeat() -> Iterator[None]:
    """What `failover: fast` sets on a Swarm: a heartbeat of a second."""
    docker("swarm", "update", "--dispatcher-heartbeat", "1s")
    # A node hears of it with the answer to its next heartbeat, and nothing shows that it has.
    time.sleep(HEARTBEAT_SECONDS + 1)
    try:
        yield
    finally:
        docker("swarm", "update", "--dispatcher-heartbeat", f"{HEARTBEAT_SECONDS}s")


def wait_until(condition: Callable[[], Any], what: str, seconds: float, every: float = 0.3) -> Any:
    """The condition's first true value; fails with what was waited for when the bound is reached."""
    deadline = time.monotonic() + seconds
    while not (seen := condition()):
        assert time.monotonic() < deadline, f"waited {seconds} s in vain until {what}"
        time.sleep(every)
    return seen
