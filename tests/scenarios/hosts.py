# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's hosts from outside: commands on them, and what Docker shows, by way of the engine that they run on.

None of it goes over the lab's network, so it works whatever a fault does to that.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.integration import lab as on

MARKS = ("swarmherd.paused", "swarmherd.deny")
"""What a move sets on nodes, and takes away again."""


def container(host: str) -> str:
    """The container of the outer engine that is this host."""
    return f"{os.environ.get('LAB_NAME') or 'swarmherd-lab'}-{host}"


def outer(*arguments: str, timeout: float = 60, check: bool = True) -> str:
    """What the outer engine's docker command said."""
    return on.run("docker", *arguments, timeout=timeout, check=check).stdout


def run(host: str, *command: str, timeout: float = 60, check: bool = True) -> str:
    """What a command on one of the lab's hosts said."""
    return outer("exec", container(host), *command, timeout=timeout, check=check)


def docker(*arguments: str, host: str = "manager1", timeout: float = 60, check: bool = True) -> str:
    """What the docker command on a host of the lab said."""
    return run(host, "docker", *arguments, timeout=timeout, check=check)


@dataclass(frozen=True, slots=True)
class Node:
    id: str
    name: str
    role: str
    state: str
    availability: str
    reachability: str
    """Of managers; empty for workers."""
    labels: Mapping[str, str]

    @property
    def serves(self) -> bool:
        return (self.state, self.availability) == ("ready", "active")


@dataclass(frozen=True, slots=True)
class Task:
    """A task that Swarm wants running."""

    id: str
    service: str
    slot: int
    node: str
    """Hostname; empty while it has none."""
    state: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What the managers showed at one instant."""

    at: float
    """time.monotonic()"""
    nodes: tuple[Node, ...]
    wanted: Mapping[str, int]
    """Replicas that each service is to have."""
    updates: Mapping[str, str]
    """The state of each service's last update, "" where there was none."""
    tasks: tuple[Task, ...]

    def of(self, service: str) -> list[Task]:
        return [task for task in self.tasks if task.service == service]

    def running(self, service: str, away_from: Iterable[str] = ()) -> int:
        """Tasks of a service that run on nodes that are ready, but for these."""
        good = {node.name for node in self.nodes if node.state == "ready"} - set(away_from)
        return sum(task.state == "running" and task.node in good for task in self.of(service))

    def node(self, name: str) -> Node:
        return next(node for node in self.nodes if node.name == name)

    def where(self, service: str) -> dict[str, str]:
        """The node of each task of a service, by the task's id."""
        return {task.id: task.node for task in self.of(service)}

    def marks(self) -> list[str]:
        return [f"{node.name}: {key}" for node in self.nodes for key in node.labels if key.startswith(MARKS)]


READER = """
import http.client, json, socket, sys, urllib.parse
class Local(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(8)
        self.sock.connect("/var/run/docker.sock")
def get(path):
    connection = Local("docker")
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    if answer.status != 200:
        raise OSError(body.decode())
    return json.loads(body)
RUNNING = urllib.parse.quote(json.dumps({"desired-state": ["running"]}))
for line in sys.stdin:
    try:
        nodes, services = get("/nodes"), get("/services")
        tasks = get("/tasks?filters=" + RUNNING)
        hosts = {n["ID"]: n["Description"].get("Hostname", "") for n in nodes}
        names = {s["ID"]: s["Spec"]["Name"] for s in services}
        said = {
            "nodes": [[n["ID"], hosts[n["ID"]], n["Spec"]["Role"], n["Status"]["State"], n["Spec"]["Availability"],
                       n.get("ManagerStatus", {}).get("Reachability", ""), n["Spec"].get("Labels") or {}]
                      for n in nodes],
            "wanted": {s["Spec"]["Name"]: s["Spec"]["Mode"].get("Replicated", {}).get("Replicas", 0) for s in services},
            "updates": {s["Spec"]["Name"]: (s.get("UpdateStatus") or {}).get("State", "") for s in services},
            "tasks": [[t["ID"], names.get(t["ServiceID"], ""), t.get("Slot", 0), hosts.get(t.get("NodeID"), ""),
                       t["Status"]["State"]] for t in tasks],
        }
    except Exception as error:
        said = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(said), flush=True)
"""


class UnseenError(Exception):
    """The manager does not say what is: the text tells what it said instead."""


class Eye:
    """Reads the Swarm on one manager, by a process that stays there. `look` costs a few milliseconds."""

    def __init__(self, host: str = "manager1") -> None:
        self._host = host
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None

    def look(self, seconds: float = 10) -> Seen:
        """Raises UnseenError."""
        with self._lock:
            said = json.loads(self._ask(seconds))
        if "error" in said:
            raise UnseenError(said["error"])
        nodes = tuple(Node(*row) for row in said["nodes"])
        tasks = tuple(Task(*row) for row in said["tasks"])
        return Seen(time.monotonic(), nodes, said["wanted"], said["updates"], tasks)

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def _ask(self, seconds: float) -> str:
        process = self._process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write("\n")
            process.stdin.flush()
            ready, _writable, _failed = select.select([process.stdout], [], [], seconds)
            line = process.stdout.readline() if ready else ""
        except OSError:
            line = ""
        if not line:
            self.close()
            raise UnseenError(f"{self._host} did not say within {seconds:g} s what runs")
        return line

    def _start(self) -> subprocess.Popen[str]:
        command: list[Any] = ["docker", "exec", "--interactive", container(self._host), "python3", "-u", "-c", READER]
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
