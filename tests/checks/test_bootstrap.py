# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook that makes the inventory's hosts nodes, against two engines that are played on loopback."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import served_engine

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


@pytest.fixture
def second() -> Iterator[Any]:
    """The engine of the second host."""
    with served_engine() as held:
        yield held


@pytest.fixture
def bootstrap(engine: Any, second: Any, make_node: Any, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Run the playbook with two managers in the inventory, of which the first is one, and give what it said."""
    engine.nodes.append(make_node("m1", role="manager"))
    engine.node_id = "id-m1"
    engine.member = {"LocalNodeState": "active", "ControlAvailable": True, "NodeAddr": "127.0.0.1"}

    def python(held: Any, url: str) -> str:
        """An interpreter whose modules ask this engine."""
        file = tmp_path / f"python-{held.node_id}"
        file.write_text(f'#!/bin/sh\nDOCKER_HOST={url or held.url} exec {sys.executable} "$@"\n')
        file.chmod(0o755)
        return str(file)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"127.0.0.1:{listening.getsockname()[1]}"

        def run(*options: str, workers: tuple[str, ...] = (), second_url: str = "", addresses: bool = True) -> str:
            common = {"ansible_connection": "local", "ansible_become": False}
            common.update({"swarmherd_advertise_address": address} if addresses else {})
            hosts = {
                name: {**common, "ansible_python_interpreter": python(held, url)}
                for name, held, url in (("m1", engine, ""), ("m2", second, second_url))
            }
            groups = {"managers": {"hosts": hosts}, "workers": {"hosts": {name: {} for name in workers}}}
            (tmp_path / "hosts.yml").write_text(json.dumps({"all": {"children": groups}}))
            command = ["ansible-playbook", "-i", str(tmp_path / "hosts.yml"), "playbooks/enact/bootstrap.yml", *options]
            settings = {
                **os.environ,
                "PATH": f"{BIN}:{os.environ['PATH']}",
                "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                "ANSIBLE_NOCOLOR": "true",
            }
            done = subprocess.run(
                command, cwd=ROOT, env=settings, capture_output=True, text=True, timeout=150, check=False
            )
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout

        yield run


def test_a_worker_that_is_to_be_a_manager_is_promoted_by_one(
    bootstrap: Callable[..., str], engine: Any, second: Any, make_node: Any
) -> None:
    engine.nodes.append(make_node("m2"))
    second.node_id = "id-m2"
    second.member = {"LocalNodeState": "active", "ControlAvailable": False, "NodeAddr": "127.0.0.1"}

    def follow() -> None:
        engine.nodes[1]["ManagerStatus"] = {"Reachability": "reachable", "Addr": "127.0.0.1:2377"}

    engine.after_write = follow
    bootstrap("--check")
    assert engine.writes == []
    bootstrap()
    assert [spec["Role"] for spec in engine.writes] == ["manager"]


@pytest.mark.slow
def test_in_check_mode_a_host_that_is_to_join_is_foretold_and_not_labelled(
    bootstrap: Callable[..., str], engine: Any
) -> None:
    said = bootstrap("--check")
    assert [line.split()[3] for line in said.splitlines() if line.startswith("m2 ")] == ["changed=2"]
    assert engine.writes == []


def test_a_host_in_both_groups_stays_a_manager(
    bootstrap: Callable[..., str], engine: Any, second: Any, make_node: Any
) -> None:
    engine.nodes += [make_node(name, role="manager") for name in ("m2", "m3")]
    second.nodes += engine.nodes
    second.node_id = "id-m2"
    second.member = {"LocalNodeState": "active", "ControlAvailable": True, "NodeAddr": "127.0.0.1"}
    bootstrap(workers=("m1", "m2"))
    assert engine.writes == second.writes == []


@pytest.mark.slow
def test_a_check_foretells_a_host_that_has_no_engine_yet_and_hosts_need_no_addresses(
    bootstrap: Callable[..., str], engine: Any
) -> None:
    said = bootstrap("--check", second_url="tcp://127.0.0.1:9", addresses=False)
    assert [line.split()[3] for line in said.splitlines() if line.startswith("m2 ")] == ["changed=2"]
    assert engine.writes == []
