# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands for the programs that the demo's driver runs, by the name that it is called under.

The folder RIG holds what they share: `journal` (who was called with what), `count` (replicas wanted and running)
and wishes for trouble (`engine-fails`, `no-engine`, `create-hangs`, `not-idempotent`, `no-scaling`).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer

RIG = Path(os.environ["RIG"])
COUNT = RIG / "count"
HISTORY = RIG / "history.json"


def wish(name: str) -> bool:
    return (RIG / name).exists()


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def engine(verb: str) -> int:
    if verb == "up" and wish("engine-fails"):
        sys.stderr.write("No Docker engine answers, and a private one can be started by root alone.\n")
        return 2
    if verb == "env" and wish("no-engine"):
        return 1
    if verb != "down":
        say("DOCKER_HOST=unix:///nowhere/docker.sock")
    return 0


def hang() -> None:
    # A grandchild, as ansible's workers are.
    with subprocess.Popen(["sleep", "600"]) as child:
        (RIG / "hanging").write_text(str(child.pid))


def create() -> None:
    told = subprocess.run([sys.executable, "inventories/lab/hosts.py"], stdout=subprocess.PIPE, check=True).stdout
    lab = json.loads(told)["all"]["vars"]
    size = Path(lab["lab_dir"]) / "size.json"
    size.parent.mkdir(parents=True, exist_ok=True)
    size.write_text(json.dumps(lab["lab_size"]))


def playbook(path: str) -> int:
    if path.endswith("create.yml"):
        create()
        if wish("create-hangs"):
            hang()
    again = RIG / "provisioned"
    changed = 0 if again.exists() and not wish("not-idempotent") else 5
    if path.endswith("provision.yml"):
        again.touch()
    say("PLAY RECAP *****")
    for host in ("manager1", "worker1"):
        say(f"{host:26} : ok=9    changed={changed}    unreachable=0    failed=0    skipped=0")
    return 0


def iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


def scale(before: int, after: int) -> None:
    decided_at = time.time()
    COUNT.write_text(f"{after} {before}")
    time.sleep(0.8)
    COUNT.write_text(f"{after} {after}")
    running_at = time.time()
    history = json.loads(HISTORY.read_text()) if HISTORY.exists() else []
    parameters = {"swarmherd_replicas": after, "swarmherd_expected_replicas": before}
    times = {"decided_at": iso(decided_at), "started_at": iso(decided_at), "running_at": iso(running_at)}
    history.append(
        {"id": str(len(history)), "kind": "scale", "service": "shop_web", "parameters": parameters, "outcome": "done"}
        | {"reason": "the rig wants it", "finished_at": iso(running_at)}
        | times
    )
    HISTORY.write_text(json.dumps(history))
    say(json.dumps({"event": "scaled", "sentence": f"shop_web: from {before} to {after}"}))


def controller(arguments: list[str]) -> int:
    if "history" in arguments:
        say("a line of log before the list")
        say(HISTORY.read_text() if HISTORY.exists() else "[]")
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    say(json.dumps({"sentence": "nothing to do"}))
    for before, after in () if wish("no-scaling") else ((1, 3), (3, 1)):
        time.sleep(1.6)
        scale(before, after)
    while True:
        signal.pause()


class Docker(BaseHTTPRequestHandler):
    """As much of Docker's API as the demo reads."""

    def do_GET(self) -> None:
        wanted, running = map(int, COUNT.read_text().split()) if COUNT.exists() else (1, 1)
        node = {"ID": "n1", "Description": {"Hostname": "manager1"}, "Status": {"State": "ready"}}
        task = {"NodeID": "n1", "Status": {"State": "running"}}
        answers = {
            "version": {"Version": "20.10.24", "ApiVersion": "1.41"},
            "nodes": [node | {"Spec": {"Role": "manager"}}],
            "shop_web": {"Spec": {"Mode": {"Replicated": {"Replicas": wanted}}}},
            "tasks": [task] * running,
        }
        body = json.dumps(answers[self.path.partition("?")[0].rpartition("/")[2]]).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's own parameter name
        """Nobody reads it."""

    def address_string(self) -> str:
        return "unix"


def ssh(arguments: list[str]) -> int:
    if "-L" not in arguments:
        say("the evidence")
        return 0
    local = arguments[arguments.index("-L") + 1].partition(":")[0]
    with ThreadingUnixStreamServer(local, Docker) as server:
        server.daemon_threads = True
        server.serve_forever()
    return 0


def main() -> int:
    name, arguments = Path(sys.argv[0]).name, sys.argv[1:]
    with (RIG / "journal").open("a") as journal:
        journal.write(" ".join([name, *arguments]) + "\n")
    if name in ("ssh", "swarmherd"):
        return {"ssh": ssh, "swarmherd": controller}[name](arguments)
    return {"engine.py": engine, "ansible-playbook": playbook}[name](arguments[-1])


if __name__ == "__main__":
    sys.exit(main())
