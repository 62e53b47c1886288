# SPDX-License-Identifier: GPL-3.0-or-later
"""What Docker says of the shop, once a second, while the demo runs. It only reads."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import requests

from demo.tunnel import Tunnel, TunnelError

CONNECT_SECONDS = 10.0
READ_SECONDS = 5
UNREADABLE = (docker.errors.DockerException, requests.RequestException, TunnelError)


@dataclass(frozen=True, slots=True)
class NodeLine:
    name: str
    role: str
    state: str
    replicas: int
    """Of the shop, running there."""


@dataclass(frozen=True, slots=True)
class Look:
    """What Docker said at one instant."""

    time: float
    wanted: int
    running: int
    nodes: tuple[NodeLine, ...]

    def record(self) -> dict[str, Any]:
        up = sum(node.state == "ready" for node in self.nodes)
        return {"time": round(self.time, 2), "wanted": self.wanted, "running": self.running, "nodes": up}


def look(client: docker.APIClient, service: str, now: float) -> Look:
    """Raises docker.errors.DockerException or requests.RequestException when Docker does not tell."""
    nodes = client.nodes()
    spec = client.inspect_service(service)["Spec"]  # type: ignore[no-untyped-call]
    tasks = client.tasks(  # type: ignore[no-untyped-call]
        filters={"service": service, "desired-state": "running"}
    )
    return assemble(nodes, spec["Mode"]["Replicated"]["Replicas"], tasks, now)


def assemble(nodes: list[dict[str, Any]], wanted: int, tasks: list[dict[str, Any]], now: float) -> Look:
    """A task counts as running on a node that is up alone: a dead node's tasks go on saying that they run."""
    up = {node["ID"] for node in nodes if node["Status"]["State"] == "ready"}
    places = Counter(
        task["NodeID"] for task in tasks if task["Status"]["State"] == "running" and task.get("NodeID") in up
    )
    lines = [
        NodeLine(node["Description"]["Hostname"], node["Spec"]["Role"], node["Status"]["State"], places[node["ID"]])
        for node in nodes
    ]
    lines.sort(key=lambda line: (line.role, len(line.name), line.name))
    return Look(now, wanted, places.total(), tuple(lines))


class Watcher:
    """Looks once a second in a thread of its own and writes what it saw, one JSON line per look.

    A look that fails leaves no line: unknown is not zero. The next one connects anew.
    """

    def __init__(self, connect: Callable[[], Tunnel], service: str, log: Path) -> None:
        self.connect, self.service, self.log = connect, service, log
        self.latest: Look | None = None
        self.problem = ""
        self.engine_version = ""
        self._tunnel: Tunnel | None = None
        self._client: docker.APIClient | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watcher", daemon=True)

    def __enter__(self) -> Watcher:
        """Raises one of UNREADABLE when not even the first look succeeds."""
        try:
            self.once()
        except UNREADABLE:
            self._disconnect()
            raise
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(CONNECT_SECONDS + 3 * READ_SECONDS)
        self._disconnect()

    def once(self) -> None:
        client = self._client or self._connect()
        self.latest = look(client, self.service, time.time())
        with self.log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(self.latest.record()) + "\n")
        self.problem = ""

    def _watch(self) -> None:
        due = time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            due = max(due + 1.0, time.monotonic())
            try:
                self.once()
            except UNREADABLE as error:
                self.problem = str(error)
                self._disconnect()

    def _connect(self) -> docker.APIClient:
        self._tunnel = self.connect()
        self._client = docker.APIClient(base_url=self._tunnel.url, version="auto", timeout=READ_SECONDS)
        self.engine_version = self._client.version()["Version"]
        return self._client

    def _disconnect(self) -> None:
        if self._client is not None:
            self._client.close()
        if self._tunnel is not None:
            self._tunnel.close()
        self._client = self._tunnel = None
