# SPDX-License-Identifier: GPL-3.0-or-later
"""molecule/engine.py where there is nothing for it to work with, and where a killed engine left its networks."""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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


class Machine:
    """engine.py as root on a machine that is played: its commands are noted, its firewall is as Docker leaves one."""

    FIREWALL = ("-P FORWARD DROP", "-N DOCKER", "-A FORWARD -o docker0 -j DOCKER")

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        spec = importlib.util.spec_from_file_location("engine", ENGINE)
        assert spec is not None
        assert spec.loader is not None
        self.engine: Any = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.engine)
        self.commands: list[str] = []
        for name in ("STATE", "PID", "FORWARDING", "BOOT"):
            monkeypatch.setattr(self.engine, name, home / name)
        (home / "FORWARDING").write_text("1\n")
        self.boot("this")
        monkeypatch.setattr(self.engine.os, "geteuid", lambda: 0)
        monkeypatch.setattr(self.engine, "run", self.run)
        self.monkeypatch = monkeypatch

    def run(self, *command: str, **_kwargs: object) -> subprocess.CompletedProcess[str]:
        self.commands.append(" ".join(command))
        said = "\n".join(self.FIREWALL) if command[-1] == "-S" and "filter" in command else ""
        return subprocess.CompletedProcess(command, 0, said, "")

    def boot(self, name: str) -> None:
        self.engine.BOOT.write_text(f"{name}\n")

    def note_state(self) -> None:
        """As it was before the private engine started."""
        before = {"firewall": {"filter": ["-P FORWARD ACCEPT"], "nat": []}, "forwarding": "0"}
        self.engine.STATE.write_text(json.dumps({**self.engine.state(), **before}))
        self.commands.clear()

    def down(self, dockerd_runs: bool = False) -> list[str]:
        """What was changed of the firewall; nothing remains noted."""
        self.monkeypatch.setattr(self.engine, "dockerd_runs", lambda: dockerd_runs)
        self.engine.down()
        assert not self.engine.STATE.exists()
        return [command for command in self.commands if command.startswith("iptables") and not command.endswith("-S")]

    def forwarding(self) -> str:
        return self.engine.FORWARDING.read_text().strip()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_down_sets_back_what_docker_changed(machine: Machine) -> None:
    machine.note_state()
    assert machine.down() == [
        "iptables -t filter -D FORWARD -o docker0 -j DOCKER",
        "iptables -t filter -X DOCKER",
        "iptables -t filter -P FORWARD ACCEPT",
    ]
    assert machine.forwarding() == "0"


def test_down_leaves_the_firewall_to_a_dockerd_that_runs(machine: Machine) -> None:
    machine.note_state()
    assert (machine.down(dockerd_runs=True), machine.forwarding()) == ([], "1")


def test_after_a_reboot_there_is_nothing_to_set_back(machine: Machine) -> None:
    machine.note_state()
    machine.boot("next")
    assert (machine.down(), machine.commands, machine.forwarding()) == ([], [], "1")


def test_what_is_roots_is_not_taken_down_by_others(machine: Machine) -> None:
    machine.note_state()
    machine.monkeypatch.setattr(machine.engine.os, "geteuid", lambda: NOBODY)
    with pytest.raises(machine.engine.EngineError, match="run this as root"):
        machine.engine.down()
    machine.boot("next")
    machine.engine.down()


def test_an_engine_is_not_started_where_the_sockets_below_it_have_no_room(machine: Machine) -> None:
    deepest = machine.engine.LONGEST_SOCKET.relative_to(ROOT)
    machine.monkeypatch.setattr(machine.engine, "LONGEST_SOCKET", Path("/" + "x" * 56) / deepest)
    with pytest.raises(machine.engine.EngineError, match=r"ttrpc\. Check out nearer to /"):
        machine.engine.start()
    assert machine.commands == []


def programs(folder: Path, **scripts: str) -> dict[str, str]:
    """An environment with these programs and no others."""
    folder.mkdir()
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    return {"PATH": str(folder)}


def engine_with(environment: dict[str, str], verb: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ENGINE), verb]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)


CONTEXT = 'case "$1" in context) echo unix:///run/user/7/docker.sock ;; esac'


@pytest.mark.parametrize(
    ("docker", "told", "address"),
    [
        (CONTEXT, {}, "unix:///run/user/7/docker.sock"),
        (CONTEXT, {"DOCKER_HOST": "tcp://there"}, "tcp://there"),
        ('[ "$1" = version ]', {}, "unix:///var/run/docker.sock"),
    ],
)
def test_the_engine_is_where_the_docker_command_looks(
    docker: str, told: dict[str, str], address: str, tmp_path: Path
) -> None:
    done = engine_with(programs(tmp_path / "bin", docker=docker) | told, "env")
    assert done.stdout == f"DOCKER_HOST={address}\n", done.stderr


def test_without_ip_its_package_is_named(tmp_path: Path) -> None:
    done = engine_with(programs(tmp_path / "bin", docker="exit 0"), "up")
    said = "The lab takes the command ip: install the package iproute2, then run this again.\n"
    assert (done.returncode, done.stderr) == (2, said)


SYSTEMCTL = """
case "$1" in
status) test -e "$UNITS/$2" || exit 4 ;;
show) if test -e "$UNITS/$2"; then echo LoadState=loaded; else echo LoadState=not-found; fi ;;
is-enabled) cat "$UNITS/$2" ;;
disable) echo disabled > "$UNITS/$2" ;;
esac
"""


def test_of_what_is_installed_for_the_private_engine_nothing_starts_with_the_machine(tmp_path: Path) -> None:
    units = tmp_path / "units"
    role = tmp_path / "ansible_collections" / "swarmherd" / "cluster" / "roles" / "docker_engine" / "tasks"
    for folder in (units, role):
        folder.mkdir(parents=True)
    # containerd is there already, and somebody's; the packages bring docker's service, and no socket.
    (units / "containerd.service").write_text("enabled\n")
    install = {"ansible.builtin.copy": {"dest": str(units / "docker.service"), "content": "enabled\n"}}
    (role / "main.yml").write_text(json.dumps([install]))
    known = {**os.environ, "UNITS": str(units), "ANSIBLE_COLLECTIONS_PATH": str(tmp_path)}
    known["PATH"] = f"{programs(tmp_path / 'bin', systemctl=SYSTEMCTL)['PATH']}:{os.environ['PATH']}"
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "localhost,", "-c", "local"]
    options = ["-e", f"ansible_python_interpreter={sys.executable}", str(ROOT / "molecule" / "engine.yml")]
    done = subprocess.run([*command, *options], env=known, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = {unit.name: unit.read_text().strip() for unit in units.iterdir()}
    assert found == {"containerd.service": "enabled", "docker.service": "disabled"}
