# SPDX-License-Identifier: GPL-3.0-or-later
"""From hosts with SSH to a cluster, by the playbook that people run."""

from __future__ import annotations

import json

import pytest
import requests

from . import lab as on

pytestmark = pytest.mark.usefixtures("lab")


def targets() -> dict[str, list[str]]:
    """Health of Prometheus' targets, by job."""
    prometheus = f"http://{on.address('manager1')}:9090"
    found = requests.get(f"{prometheus}/api/v1/targets", timeout=10).json()["data"]["activeTargets"]
    jobs: dict[str, list[str]] = {}
    for target in found:
        jobs.setdefault(target["labels"]["job"], []).append(target["health"])
    return jobs


def test_three_hosts_form_a_swarm_with_the_inventory_s_roles_and_labels() -> None:
    rows = on.docker("node", "ls", "--format", "{{.Hostname}} {{.Status}} {{.ManagerStatus}}").splitlines()
    assert sorted(row.strip() for row in rows) == ["manager1 Ready Leader", "worker1 Ready", "worker2 Ready"]
    labels = {
        name: json.loads(on.docker("node", "inspect", name))[0]["Spec"]["Labels"] for name in ("worker1", "worker2")
    }
    assert labels == {"worker1": {"zone": "a"}, "worker2": {"zone": "b"}}


def test_provisioning_again_changes_nothing_anywhere() -> None:
    assert set(on.changed(on.playbook("playbooks/provision.yml")).values()) == {0}


def test_provisioning_in_check_mode_changes_nothing_either() -> None:
    assert set(on.changed(on.playbook("playbooks/provision.yml", "--check", "--diff")).values()) == {0}


def test_prometheus_scrapes_every_host_and_the_balancer_within_30_seconds() -> None:
    def all_up() -> bool:
        jobs = targets()
        found = [len(jobs.get(job, [])) for job in ("node", "containers", "haproxy")]
        return found == [3, 3, 1] and {health for job in jobs.values() for health in job} == {"up"}

    on.wait_until(all_up, "all targets of Prometheus are up", 30)
