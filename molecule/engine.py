# SPDX-License-Identifier: GPL-3.0-or-later
"""The outer Docker engine that the lab's hosts run on: the one that answers, else a private one.

usage: engine.py up | env | down

  up     find an engine, or install Debian's docker.io by the role docker_engine and start one privately
         (socket, data and pid under build/engine); prints DOCKER_HOST=…
  env    print DOCKER_HOST=… of the engine in use; exit 1 when there is none
  down   stop the private engine and take its bridge and firewall chains away; an engine that was there is left alone
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
HOME = ROOT / "build" / "engine"
SOCKET, PID, LOG, STATE = HOME / "docker.sock", HOME / "docker.pid", HOME / "dockerd.log", HOME / "state.json"
BRIDGE, BRIDGE_ADDRESS = "swarmherd0", "10.212.0.1/24"
OURS = "swarmherd"  # How the names of the engine's bridge and of each lab's begin.
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
BOOT = Path("/proc/sys/kernel/random/boot_id")
START_SECONDS, STOP_SECONDS = 60, 60
LONGEST_SOCKET = HOME / "exec" / "containerd" / "containerd.sock.ttrpc"  # of those that dockerd has made below HOME
SOCKET_PATH_LIMIT = 107  # of Linux, for the path of a Unix socket


class EngineError(Exception):
    """One sentence: what is missing and what to do about it."""


def answers(host: str | None) -> bool:
    """Whether an engine answers at `host` (None: wherever the docker command would look)."""
    command = ["docker", *(["--host", host] if host else []), "version", "--format", "{{.Server.Version}}"]
    try:
        return subprocess.run(command, capture_output=True, timeout=20, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def private_pid() -> int | None:
    """The process of our own engine; a pid that now belongs to somebody else's process does not count."""
    try:
        pid = int(PID.read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    return pid if b"dockerd" in command and str(HOME).encode() in command else None


def current() -> str | None:
    """The address of the engine in use, or None."""
    if private_pid() and answers(f"unix://{SOCKET}"):
        return f"unix://{SOCKET}"
    if answers(None):
        return os.environ.get("DOCKER_HOST") or context() or "unix:///var/run/docker.sock"
    return None


def context() -> str:
    """Where the docker command looks when no DOCKER_HOST tells it; empty where it knows of no contexts."""
    return run("docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}").stdout.strip()


def run(*command: str, **kwargs: object) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, **kwargs)  # type: ignore[call-overload]
    except FileNotFoundError as error:
        raise EngineError(f"There is no command {command[0]} on the PATH, {os.environ.get('PATH')}.") from error


def install() -> None:
    """Debian's docker.io, by the very role that hosts get, and without starting the machine's own service."""
    playbook = shutil.which("ansible-playbook", path=str(ROOT / ".venv" / "bin")) or "ansible-playbook"
    done = run(playbook, "-i", "localhost,", "-c", "local", str(ROOT / "molecule" / "engine.yml"), cwd=ROOT)
    if done.returncode:
        raise EngineError(f"Installing docker.io failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def firewall() -> dict[str, list[str]]:
    """This machine's rules, policies and chains by table, as iptables writes them."""
    return {table: run("iptables", "-t", table, "-S").stdout.splitlines() for table in ("filter", "nat")}


def state() -> dict[str, Any]:
    """This machine as it is; Docker adds to the firewall, and has packets handed on."""
    return {"boot": BOOT.read_text().strip(), "firewall": firewall(), "forwarding": FORWARDING.read_text().strip()}


def noted_state() -> dict[str, Any]:
    """As it was before the private engine started; empty when that is undone, as a reboot does as well."""
    noted = json.loads(STATE.read_text()) if STATE.exists() else {}
    return noted if noted.get("boot") == BOOT.read_text().strip() else {}


def dockerd_runs() -> bool:
    """Whether any dockerd, of whomever, runs in this network namespace."""
    here = Path("/proc/self/ns/net").stat().st_ino
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().split(b"\0")[0]
            if Path(os.fsdecode(command)).name == "dockerd" and (process / "ns" / "net").stat().st_ino == here:
                return True
        except OSError:
            continue  # It has ended since.
    return False


def interfaces() -> list[str]:
    """The bridges of ours, each behind what is plugged into it."""
    found = json.loads(run("ip", "-json", "link", "show").stdout or "[]")
    ports = [link["ifname"] for link in found if link.get("master", "").startswith(OURS)]
    return ports + [link["ifname"] for link in found if link["ifname"].startswith(OURS)]


def clear_remains() -> None:
    """Take away what an engine of any checkout left when it was killed: its networks would stay in the way of new ones.

    Where any dockerd runs, what bears our name may be in use, and is left alone.
    """
    if dockerd_runs():
        return
    for interface in interfaces():
        run("ip", "link", "del", interface)
    for table, lines in firewall().items():
        for rule in lines:
            if f"-i {OURS}" in rule or f"-o {OURS}" in rule:
                run("iptables", "-t", table, "-D", *rule.split()[1:])


def start() -> None:
    """Start dockerd under build/engine and wait until it answers."""
    if os.geteuid():
        raise EngineError(
            "No Docker engine answers, and a private one can be started by root alone: "
            "start Docker, point DOCKER_HOST at an engine, or run this as root."
        )
    if len(os.fsencode(LONGEST_SOCKET)) > SOCKET_PATH_LIMIT:
        raise EngineError(
            f"The path of a socket of the engine's is too long for Linux: {LONGEST_SOCKET}. Check out nearer to /."
        )
    if not shutil.which("dockerd") or not shutil.which("iptables"):
        install()
    clear_remains()
    HOME.mkdir(parents=True, exist_ok=True)
    STATE.write_text(json.dumps(state()))
    run("ip", "link", "add", BRIDGE, "type", "bridge")
    run("ip", "addr", "replace", BRIDGE_ADDRESS, "dev", BRIDGE)
    run("ip", "link", "set", BRIDGE, "up")
    command = [
        shutil.which("dockerd") or "dockerd", f"--host=unix://{SOCKET}", f"--data-root={HOME / 'data'}",
        f"--exec-root={HOME / 'exec'}", f"--pidfile={PID}", f"--bridge={BRIDGE}",
    ]  # fmt: skip
    with LOG.open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + START_SECONDS
    while not answers(f"unix://{SOCKET}"):
        if process.poll() is not None or time.monotonic() > deadline:
            said = LOG.read_text().strip().splitlines()[-3:]
            down()
            raise EngineError(f"dockerd did not answer within {START_SECONDS} s; it said:\n" + "\n".join(said))
        time.sleep(0.2)


def down() -> None:
    """Stop the private engine, if one runs, and take away what it made outside build/engine."""
    pid, before = private_pid(), noted_state()
    if os.geteuid():
        if pid or before:
            raise EngineError("The private engine is root's, and root alone can take it down: run this as root.")
        return
    if pid:
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while private_pid() and time.monotonic() < deadline:
            time.sleep(0.2)
        if private_pid():
            raise EngineError(f"The private dockerd (pid {pid}) did not stop within {STOP_SECONDS} s; its log: {LOG}")
    if before:
        run("ip", "link", "del", BRIDGE)  # ours for certain, whoever else has an engine here
        clear_remains()
    if before and not dockerd_runs():  # The rules that any dockerd needs look like those of ours.
        restore_firewall(before["firewall"])
        FORWARDING.write_text(before["forwarding"] + "\n")
    STATE.unlink(missing_ok=True)


def restore_firewall(before: dict[str, list[str]]) -> None:
    """Take away what Docker added since: its rules, then its chains; and set back the policies that it changed."""
    for table, lines in firewall().items():
        added = [line.split() for line in lines if line not in before[table]]
        for words in added:
            if words[0] == "-A" and any(mark in " ".join(words) for mark in ("DOCKER", OURS)):
                run("iptables", "-t", table, "-D", *words[1:])
        for words in added:
            if words[0] == "-N" and words[1].startswith("DOCKER"):
                run("iptables", "-t", table, "-X", words[1])
        for policy in (line.split() for line in before[table] if line.startswith("-P FORWARD")):
            run("iptables", "-t", table, *policy)


def main(arguments: list[str]) -> int:
    verb = arguments[0] if len(arguments) == 1 else ""
    if verb not in ("up", "env", "down"):
        print(__doc__, file=sys.stderr)
        return 0 if verb in ("-h", "--help") or "--help" in arguments else 2
    try:
        if verb == "up" and not shutil.which("ip"):
            raise EngineError("The lab takes the command ip: install the package iproute2, then run this again.")
        if verb == "down":
            down()
            return 0
        host = current()
        if host is None and verb == "up":
            start()
            host = f"unix://{SOCKET}"
    except EngineError as error:
        print(error, file=sys.stderr)
        return 2
    if host is None:
        print("No Docker engine answers.", file=sys.stderr)
        return 1
    print(f"DOCKER_HOST={host}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
