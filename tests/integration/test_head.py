# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller on a real Swarm with a real Prometheus: what it decides, its playbook does and Docker shows."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from . import lab as on

pytestmark = pytest.mark.usefixtures("lab")

SERVICE = "swarmherd-test-head"
SWARMHERD = str(on.BIN / "swarmherd")
QUIET = {"stabilization": "0s", "cooldown": "0s"}
Inventory = Callable[..., Path]


@pytest.fixture
def service() -> Iterator[str]:
    """A service of two replicas that does nothing."""
    create = ["service", "create", "--detach", "--no-resolve-image", "--name", SERVICE, "--replicas", "2"]
    on.docker(*create, "--stop-grace-period", "1s", "swarmherd-lab/base:bookworm", "sleep", "infinity")
    on.wait_until(lambda: on.running(SERVICE) == 2, f"two replicas of {SERVICE} run", 30)
    yield SERVICE
    on.docker("service", "rm", SERVICE)


@pytest.fixture
def inventory(tmp_path: Path) -> Inventory:
    """Write an inventory of the lab's hosts with a policy of one's own: the scale of SERVICE, and other settings."""

    def write(scale: dict[str, Any] | None, **cluster: Any) -> Path:
        settings = {
            "prometheus_url": f"http://{on.address('manager1')}:9090",
            "scrape_interval_seconds": 2,
            **cluster,
        }
        services = {SERVICE: {"scale": {**QUIET, **scale}}} if scale is not None else {}
        return on.inventory(tmp_path, settings, {"settle_seconds": 0, "services": services})

    return write


def swarmherd(inventory: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return on.run(SWARMHERD, "-i", str(inventory), *arguments, timeout=180, check=check)


def history(inventory: Path) -> list[dict[str, Any]]:
    return json.loads(swarmherd(inventory, "history", "--json").stdout)


def outcomes(inventory: Path) -> list[str]:
    """The journal's outcomes, read beside the controller: its own command takes as long as an action."""
    address = f"file:{inventory.parent / 'state.db'}?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True)) as state:
            return [outcome for (outcome,) in state.execute("SELECT outcome FROM journal")]
    except sqlite3.OperationalError:  # there are no tables yet
        return []


def wants(demand: float, **bounds: int) -> dict[str, Any]:
    """A policy whose metric says `demand`, ten of which a replica takes; Prometheus computes it."""
    return {"min": 1, "max": 5, **bounds, "metrics": [{"query": f"vector({demand})", "target": 10}]}


def test_a_demand_of_38_becomes_four_replicas_by_the_playbook_and_the_journal_says_so(
    service: str, inventory: Inventory
) -> None:
    cluster = inventory(wants(38))
    swarmherd(cluster, "run", "--once")
    assert on.inspect(service)["Spec"]["Mode"]["Replicated"]["Replicas"] == 4
    assert on.running(service) == 4
    (entry,) = history(cluster)
    assert (entry["kind"], entry["outcome"], entry["parameters"]["swarmherd_replicas"]) == ("scale", "done", 4)
    assert entry["evidence"][0]["source"] == "vector(38)"


@pytest.mark.slow
def test_a_cycle_after_the_action_does_nothing_more(service: str, inventory: Inventory) -> None:
    cluster = inventory(wants(38))
    swarmherd(cluster, "run", "--once")
    version = on.inspect(service)["Version"]["Index"]
    swarmherd(cluster, "run", "--once")
    assert on.inspect(service)["Version"]["Index"] == version
    assert len(history(cluster)) == 1


def test_a_demand_that_fell_scales_down_to_min(service: str, inventory: Inventory) -> None:
    swarmherd(inventory(wants(1)), "run", "--once")
    on.wait_until(lambda: on.running(service) == 1, "one replica runs", 20)


def test_in_observe_mode_and_in_plan_nothing_is_touched_but_all_is_said(service: str, inventory: Inventory) -> None:
    cluster = inventory(wants(38))
    version = on.inspect(service)["Version"]["Index"]
    said = json.loads(swarmherd(cluster, "plan", "--json").stdout)
    swarmherd(cluster, "run", "--once", "--mode", "observe")
    assert "from 2 to 4" in json.dumps(said)
    assert on.inspect(service)["Version"]["Index"] == version


def test_without_prometheus_nothing_scales_down_and_the_reason_says_unknown(service: str, inventory: Inventory) -> None:
    on.docker("stop", "prometheus")
    try:
        cluster = inventory(wants(1))
        swarmherd(cluster, "run", "--once")
        assert "unknown" in swarmherd(cluster, "plan", "--json").stdout
    finally:
        on.docker("start", "prometheus")
    assert on.running(service) == 2


def test_a_count_outside_the_bounds_is_put_right_even_when_blind(service: str, inventory: Inventory) -> None:
    cluster = inventory(wants(1, min=3), prometheus_url=f"http://{on.address('manager1')}:1")
    swarmherd(cluster, "run", "--once")
    assert on.running(service) == 3


@pytest.mark.slow
def test_labels_alone_opt_a_service_in_and_nonsense_in_one_leaves_it_alone(service: str, inventory: Inventory) -> None:
    cluster = inventory(None)
    label = ["service", "update", "--detach", "--label-add"]
    for text in ("swarmherd.scale.min=3", "swarmherd.scale.max=4", "swarmherd.scale.query=vector(1)"):
        on.docker(*label, text, service)
    on.docker(*label, "swarmherd.scale.target=many", service)
    assert "swarmherd.scale.target" in swarmherd(cluster, "plan", "--json").stdout
    swarmherd(cluster, "run", "--once")
    assert on.running(service) == 2
    on.docker(*label, "swarmherd.scale.target=10", service)
    swarmherd(cluster, "run", "--once")
    assert on.running(service) == 3


def test_a_person_scales_with_a_reason_and_the_reason_is_kept(service: str, inventory: Inventory) -> None:
    cluster = inventory(wants(20))
    swarmherd(cluster, "scale", service, "3", "--reason", "sale at noon")
    assert on.running(service) == 3
    assert "sale at noon" in history(cluster)[0]["reason"]


def test_a_controller_killed_in_mid_action_closes_its_entry_when_it_starts_again(
    service: str, inventory: Inventory
) -> None:
    cluster = inventory(wants(38))
    command = [SWARMHERD, "-i", str(cluster), "run", "--once"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as controller:
        on.wait_until(lambda: outcomes(cluster) == ["started"], "the action has begun", 60)
        controller.kill()
    swarmherd(cluster, "run", "--once")
    on.wait_until(lambda: on.running(service) == 4, "four replicas run", 60)
    found = {entry["outcome"] for entry in history(cluster)}
    assert found, "the entry of the one that was killed is there"
    assert found <= {"done", "given_up", "undone", "conflict"}


@pytest.mark.usefixtures("service")
def test_sigterm_ends_a_controller_within_15_seconds_with_status_0(inventory: Inventory, tmp_path: Path) -> None:
    command = [SWARMHERD, "-i", str(inventory(wants(20))), "run", "--interval", "4"]
    log = tmp_path / "log"
    with (
        log.open("w") as output,
        subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT) as controller,
    ):
        try:
            on.wait_until(lambda: SERVICE in log.read_text(), "the first cycle is told", 60)
            controller.send_signal(signal.SIGTERM)
            assert controller.wait(timeout=15) == 0
        finally:
            controller.kill()  # else it is waited for without a bound


def test_an_action_decided_on_an_older_version_is_refused_as_a_conflict(service: str) -> None:
    stale = on.inspect(service)["Version"]["Index"]
    on.docker("service", "update", "--detach", "--label-add", "somebody=else", service)
    parameters = {
        "swarmherd_service": service,
        "swarmherd_replicas": 5,
        "swarmherd_expected_replicas": 2,
        "swarmherd_expected_version": stale,
    }
    play = ["ansible-playbook", "-i", on.INVENTORY, "playbooks/enact/scale.yml", "-e", json.dumps(parameters)]
    done = on.run(*play, timeout=60, check=False)
    assert done.returncode == 2
    assert "conflict: true" in done.stdout
    assert on.inspect(service)["Spec"]["Mode"]["Replicated"]["Replicas"] == 2


@pytest.mark.usefixtures("service")
def test_doctor_finds_the_lab_in_order(inventory: Inventory) -> None:
    checks = json.loads(swarmherd(inventory(wants(20)), "doctor", "--json").stdout)
    assert checks
    assert [check for check in checks if check["state"] == "fail"] == []
