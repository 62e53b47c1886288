# SPDX-License-Identifier: GPL-3.0-or-later
"""CPU and memory of this host's containers, from Docker's own stats, under the names that cAdvisor gives them.

The lab's stand-in for cAdvisor, which people who run Swarm have and which cannot be had where tests run. One
request to /metrics reads every container of the engine once; nothing is kept between requests.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import docker

PORT = 8080
TIMEOUT_SECONDS = 4
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
    """The labels and figures of one container, or None when it went away meanwhile."""
    labels = container["Labels"]
    pairs = {
        f"container_label_com_docker_swarm_{name}": labels.get(f"com.docker.swarm.{name.replace('_', '.')}", "")
        for name in LABELS
    }
    pairs.update(id=f"/docker/{container['Id']}", name=container["Names"][0].lstrip("/"), image=container["Image"])
    try:
        limit = client.inspect_container(container["Id"])["HostConfig"]["Memory"]
        values = figures(one_shot_stats(client, container["Id"]), limit)
    except (docker.errors.APIError, KeyError, ValueError):
        return None
    return ",".join(f'{key}="{escape(value)}"' for key, value in sorted(pairs.items())), values


def render(rows: list[tuple[str, tuple[float, int, int]]]) -> str:
    """Prometheus' text format."""
    lines = []
    for column, (family, kind, text) in enumerate(FAMILIES):
        lines += [f"# HELP {family} {text}", f"# TYPE {family} {kind}"]
        lines += [f"{family}{{{labels}}} {values[column]}" for labels, values in rows]
    return "\n".join(lines) + "\n"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path != "/metrics":
            self.send_error(404)
            return
        try:
            client = docker.APIClient(version="auto", timeout=TIMEOUT_SECONDS)
            with ThreadPoolExecutor(8) as pool:
                rows = [row for row in pool.map(lambda c: read(client, c), client.containers()) if row]
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


if __name__ == "__main__":
    ThreadingHTTPServer(("", PORT), Handler).serve_forever()
