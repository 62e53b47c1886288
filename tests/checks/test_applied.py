# SPDX-License-Identifier: GPL-3.0-or-later
"""Prometheus and HAProxy get what was written since they last read their configuration; both are played on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


class Program:
    """What has a configuration and says when it read it. `docker kill` makes it read once more, if it can."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.read = time.time() - 1000
        self.reads = True
        self.port = 0

    def orders(self) -> list[str]:
        told = self.folder / "told"
        return told.read_text().splitlines() if told.exists() else []

    def answer(self, path: str) -> str:
        if self.orders() and self.reads:
            self.read = (self.folder / "told").stat().st_mtime
        if path == "/metrics":
            return f"# TYPE a gauge\nhaproxy_process_start_time_seconds {int(self.read)}\nb 1\n"
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.read))
        return json.dumps({"data": {"lastConfigTime": at, "reloadConfigSuccess": True}})


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    held = Program(tmp_path)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = held.answer(self.path).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json" if body.startswith(b"{") else "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        held.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield held
        server.shutdown()
        thread.join()


def reload(role: str, program: Program, *options: str, good: bool = True, **given: Any) -> int:
    """Run the role's tasks that let it read its configuration; how many changes were told."""
    folder = program.folder
    (folder / "docker").write_text(f'#!/bin/sh\necho "$*" >> {folder}/told\n')
    (folder / "docker").chmod(0o755)
    tasks = yaml.safe_load((ROOT / "roles" / role / "tasks" / "reload.yml").read_text())
    for task in tasks:
        task.update({"retries": 2} if "retries" in task else {})
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars_files": [str(ROOT / "roles" / role / name / "main.yml") for name in ("defaults", "vars")],
        # A proxy that answers nobody.
        "environment": {"PATH": f"{folder}:{os.environ['PATH']}", "http_proxy": "http://127.0.0.1:9"},
        "tasks": tasks,
    }
    (folder / "play.yml").write_text(json.dumps([play]))
    said = {"ansible_become": False, "ansible_python_interpreter": sys.executable, **given}
    command = [str(Path(sys.executable).parent / "ansible-playbook"), str(folder / "play.yml"), "-e", json.dumps(said)]
    around = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "true"}
    done = subprocess.run(
        [*command, *options], cwd=folder, env=around, capture_output=True, text=True, timeout=100, check=False
    )
    assert (done.returncode == 0) is good, done.stdout + done.stderr
    return int(done.stdout.rsplit("changed=", 1)[1].split()[0])


@pytest.mark.slow
def test_prometheus_reads_what_it_has_not_read_and_says_where_it_cannot(program: Program) -> None:
    (program.folder / "prometheus.yml").touch()
    given = {"prometheus_config_dir": str(program.folder), "prometheus_publish": f"127.0.0.1:{program.port}"}
    assert reload("prometheus", program, "--check", **given) > 0
    assert program.orders() == []
    program.reads = False
    for count in (1, 2):
        reload("prometheus", program, good=False, **given)
        assert program.orders() == ["kill --signal HUP prometheus"] * count
    program.reads = True
    assert reload("prometheus", program, **given) == 0
    assert len(program.orders()) == 2


@pytest.mark.slow
@pytest.mark.usefixtures("balancer")
def test_haproxy_starts_workers_with_what_those_that_run_have_not_read(program: Program, socket_path: str) -> None:
    (program.folder / "haproxy.cfg").touch()
    given = {
        "load_balancer_config_dir": str(program.folder),
        "load_balancer_socket_dir": str(Path(socket_path).parent),
        "load_balancer_metrics_port": program.port,
    }
    assert reload("load_balancer", program, "--check", **given) > 0
    assert program.orders() == []
    assert reload("load_balancer", program, **given) > 0
    assert program.orders() == ["kill --signal USR2 haproxy"]
    assert Path(socket_path).with_name("servers.state").exists()
    assert reload("load_balancer", program, **given) == 0
    assert len(program.orders()) == 1


@pytest.mark.parametrize("role", ["prometheus", "load_balancer"])
def test_a_check_may_come_before_there_is_one(tmp_path: Path, role: str) -> None:
    nowhere = {"prometheus_publish": "127.0.0.1:9", "load_balancer_metrics_port": 9}
    folders = {f"{name}_config_dir": str(tmp_path / "none") for name in ("prometheus", "load_balancer")}
    assert reload(role, Program(tmp_path), "--check", **nowhere, **folders) == 0
