# SPDX-License-Identifier: GPL-3.0-or-later
"""What provisioning tells Prometheus to scrape, from the variables of the hosts."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
NAMES = tuple(f"prometheus_{what}_targets" for what in ("node_exporter", "container_exporter", "balancer"))


def targets(
    folder: Path,
    also_worker: bool = False,
    names: Sequence[str] = NAMES,
    controllers: Mapping[str, dict[str, Any]] = MappingProxyType({}),
    **hosts: dict[str, Any],
) -> list[list[str]]:
    """Those of the hosts' two exporters, and the balancer's. The first host is the manager, and maybe a worker too."""
    play = yaml.safe_load((ROOT / "playbooks" / "provision.yml").read_text())[-1]
    told = next(task["vars"] for task in play["tasks"] if task["name"] == "Run Prometheus")
    shown = "{{ [" + ", ".join(names) + "] | to_json }}"
    play.update(connection="local", tasks=[{"ansible.builtin.copy": {"content": shown, "dest": str(folder / "told")}}])
    play["vars"].update(told, ansible_python_interpreter=sys.executable)
    (folder / "play.yml").write_text(json.dumps([play]))
    manager, *workers = hosts
    groups = {"managers": [manager], "workers": [*workers, *([manager] if also_worker else [])]}
    inventory = {group: {"hosts": {name: hosts[name] for name in members}} for group, members in groups.items()}
    inventory["controllers"] = {"hosts": dict(controllers)}
    (folder / "hosts.yml").write_text(json.dumps({"all": {"children": inventory}}))
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "hosts.yml", "play.yml"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found: list[list[str]] = json.loads((folder / "told").read_text())
    return found


@pytest.mark.parametrize(
    ("manager", "worker", "expected"),
    [
        (
            {},
            {"ansible_host": "192.0.2.2"},
            [["m1:9100", "192.0.2.2:9100"], ["m1:9417", "192.0.2.2:9417"], ["haproxy:8404"]],
        ),
        (
            {
                "ansible_host": "192.0.2.1",
                "swarmherd_advertise_address": "10.0.0.1",
                "load_balancer_metrics_port": 9000,
                "container_exporter_listen_address": "0.0.0.0:9500",
            },
            {"ansible_host": "2001:db8::2", "node_exporter_listen_address": "0.0.0.0:9200"},
            [["10.0.0.1:9100", "[2001:db8::2]:9200"], ["10.0.0.1:9500", "[2001:db8::2]:9417"], ["haproxy:9000"]],
        ),
        (
            {"node_exporter_listen_address": "{{ ansible_host }}:9300", "ansible_host": "10.0.0.1"},
            {
                "node_exporter_listen_address": "[::]:9200",
                "container_exporter_listen_address": "{{ swarmherd_advertise_address }}:9500",
                "swarmherd_advertise_address": "10.0.0.2",
            },
            [["10.0.0.1:9300", "10.0.0.2:9200"], ["10.0.0.1:9417", "10.0.0.2:9500"], ["haproxy:8404"]],
        ),
        (
            {"prometheus_cadvisor_targets": []},
            {"prometheus_cadvisor_targets": []},
            [["m1:9100", "w1:9100"], [], ["haproxy:8404"]],
        ),
    ],
)
def test_prometheus_scrapes_what_listens_where_it_listens(
    tmp_path: Path, manager: dict[str, Any], worker: dict[str, Any], expected: list[list[str]]
) -> None:
    assert targets(tmp_path, m1=manager, w1=worker) == expected


def test_a_host_in_both_groups_is_scraped_once(tmp_path: Path) -> None:
    found = targets(tmp_path, also_worker=True, m1={}, w1={})
    assert found == [["m1:9100", "w1:9100"], ["m1:9417", "w1:9417"], ["haproxy:8404"]]


def test_controllers_are_scraped_where_they_tell_how_they_fare_also_one_that_is_a_node(tmp_path: Path) -> None:
    controllers = {
        "m1": {"controller_metrics_address": ":9427"},
        "c1": {"controller_metrics_address": "10.0.0.9:9000"},
        "c2": {"ansible_host": "2001:db8::9", "controller_metrics_address": "0.0.0.0:9427"},
        "silent": {"controller_metrics_address": ""},
        "old": {},
    }
    names = ("prometheus_container_exporter_targets", "prometheus_controller_targets")
    found = targets(tmp_path, names=names, controllers=controllers, m1={"ansible_host": "10.0.0.1"}, w1={})
    assert found == [["10.0.0.1:9417", "w1:9417"], ["10.0.0.1:9427", "10.0.0.9:9000", "[2001:db8::9]:9427"]]
