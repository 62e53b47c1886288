# SPDX-License-Identifier: GPL-3.0-or-later
"""CPU and memory of this host's containers, from Docker's own stats, under the names that cAdvisor gives them.

usage: container_exporter.py [HOST]:PORT

One request to /metrics reads every container of the engine once; nothing is kept between requests.
"""

from __future__ import annotations

import contextlib
import re
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import docker

TIMEOUT_SECONDS = 4
WORKERS = 8  # requests to the engine at a time
LABELS = ("service_name", "task_id", "node_id")
FAMILIES = (
    ("container_cpu_usage_seconds_total", "counter", "CPU time used, in seconds."),
    ("container_memory_working_set_bytes", "gauge", "Memory in use without the page cache that can be dropped."),
    ("container_spec_memory_limit_bytes", "gauge", "Memory limit, 0 for none."),
)


def escape(value: str) -> str:
    """A label's value as the text format wants it."""
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def figures(stats: dict, limit_bytes: int) -> tuple[float, int, int]:
    """(CPU seconds, working set bytes, limit bytes); the working set is usage less the inactive page cache."""
    memory = stats["memory_stats"]
    details = memory.get("stats", {})
    cache = details.get("total_inactive_file", details.get("inactive_file", 0))
    seconds = stats["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9
    return seconds, max(0, memory.get("usage", 0) - cache), limit_bytes


def one_shot_stats(client: docker.APIClient, container_id: str) -> dict:
    """The engine's figures as they stand: the SDK's own call waits a second or two for a second sample."""
    url = f"{client.base_url}/v{client.api_version}/containers/{container_id}/stats"
    return client.get(url, params={"stream": "false", "one-shot": "true"}, timeout=TIMEOUT_SECONDS).json()


def read(client: docker.APIClient, container: dict) -> tuple[str, tuple[float, int, int]] | None:
    """The labels and figures of one container, or None when it went away meanwhile or the engine cannot say."""
    labels = container["Labels"]
    pairs = {
        f"container_label_com_docker_swarm_{name}": labels.get(f"com.docker.swarm.{name.replace('_', '.')}", "")
        for name in LABELS
    }
    name = next(iter(container["Names"] or []), "").lstrip("/")
    pairs.update(id=f"/docker/{container['Id']}", name=name, image=container["Image"])
    try:
        limit = client.inspect_container(container["Id"])["HostConfig"]["Memory"]
        values = figures(one_shot_stats(client, container["Id"]), limit)
    except (docker.errors.DockerException, OSError, KeyError, ValueError):
        return None
    return ",".join(f'{key}="{escape(value)}"' for key, value in sorted(pairs.items())), values


def read_all() -> list[tuple[str, tuple[float, int, int]]]:
    """Those of every container that runs. Raises DockerException or OSError where the engine does not answer."""
    client = docker.APIClient(version="auto", timeout=TIMEOUT_SECONDS)
    with contextlib.closing(client), ThreadPoolExecutor(WORKERS) as pool:
        return [row for row in pool.map(lambda each: read(client, each), client.containers()) if row]


def render(rows: list[tuple[str, tuple[float, int, int]]]) -> str:
    """Prometheus' text format."""
    lines = []
    for column, (family, kind, text) in enumerate(FAMILIES):
        lines += [f"# HELP {family} {text}", f"# TYPE {family} {kind}"]
        lines += [f"{family}{{{labels}}} {values[column]}" for labels, values in rows]
    return "\n".join(lines) + "\n"


class Handler(BaseHTTPRequestHandler):
    timeout = 10  # seconds that a client may take to say what it wants

    def do_GET(self) -> None:
        if self.path != "/metrics":
            self.send_error(404, explain="Figures are at /metrics.")
            return
        try:
            rows = read_all()
        except (docker.errors.DockerException, OSError) as error:
            self.send_error(503, explain=str(error))
            return
        body = render(rows).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """A line per scrape is of no use to anybody."""


class Server(ThreadingHTTPServer):
    """At an address of either family; without one, at all of both."""

    daemon_threads = True

    def __init__(self, host: str, port: int) -> None:
        every = not host and socket.has_dualstack_ipv6()
        self.address_family = socket.AF_INET6 if every or ":" in host else socket.AF_INET
        super().__init__((host, port), Handler, bind_and_activate=False)
        if every:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self.server_bind()
        self.server_activate()


def main(arguments: list[str]) -> str | None:
    """Serves until it is ended; a sentence that says why it cannot."""
    address = re.fullmatch(r"\[?([^\[\]]*?)\]?:(\d{1,5})", arguments[0]) if len(arguments) == 1 else None
    if not address:
        return __doc__
    try:
        Server(address[1], int(address[2])).serve_forever()
    except (OSError, OverflowError) as error:
        return f"{arguments[0]} cannot be listened at: {error}"
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
