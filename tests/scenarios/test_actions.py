# SPDX-License-Identifier: GPL-3.0-or-later
"""Others act while we do, what is deployed does not run, playbooks hang or fail: nobody's work is undone by ours."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest

from tests.integration import lab as on

from . import faults, hosts
from .conftest import Play
from .stage import IDLE_IMAGE, REPLICAS, SHOP, Stage, labels_of_demand, shop_policy

pytestmark = pytest.mark.slow
MISSING = "swarmherd-lab/nobody-made-this:1"
SLOW = ("sh", "-c", "sleep 5; touch /tmp/ready; exec sleep infinity")
HEALTH = ("--health-cmd", "test -f /tmp/ready", "--health-interval", "1s", "--health-retries", "60")
GENTLY = ("--restart-delay", "2s")


@pytest.fixture
def service(row: Play) -> str:
    """A name of the scenario's own: what the controller remembers of a service is no other's."""
    return f"scenario-{row.row.id}"


def outcomes(stage: Stage, service: str) -> list[str]:
    return [outcome for _kind, outcome, _detail in stage.controller.journal(service)]


def at_work(stage: Stage, service: str, replicas: int) -> None:
    """Waits until an action of ours has asked for so many replicas, and waits for them."""
    stage.until(lambda now: now.wanted[service] == replicas, f"{replicas} replicas of {service} are wanted", 60)
    assert outcomes(stage, service)[-1] == "started"


def closed(stage: Stage, service: str) -> str:
    """The outcome of the first action on the service, once it has one."""

    def outcome() -> str:
        found = outcomes(stage, service)[:1]
        return "" if found == ["started"] else "".join(found)

    return on.wait_until(outcome, f"our action on {service} is closed", 120)


@pytest.mark.scenario(
    "deploy-during-our-action",
    "When somebody deploys while we scale, both come to be: his version and our count",
    bound_seconds=60,
)
def test_deploy_during_our_action(stage: Stage, row: Play, service: str) -> None:
    with stage.service(service, 1, *HEALTH, *labels_of_demand(30), command=SLOW):
        at_work(stage, service, 3)
        fault = time.monotonic()
        hosts.docker("service", "update", "--detach", "--env-add", "DEPLOYED=yes", service)
        row.until(
            fault,
            lambda now: now.wanted[service] == now.running(service) == 3 and now.updates[service] in ("", "completed"),
            "three replicas of what was deployed run",
        )
        assert closed(stage, service) in ("done", "conflict", "given_up")
        (found,) = json.loads(hosts.docker("service", "inspect", service))
        assert "DEPLOYED=yes" in found["Spec"]["TaskTemplate"]["ContainerSpec"]["Env"]
        stage.never_fewer_wanted(service, 3, fault)
    row.loses_nothing()


@pytest.mark.scenario(
    "manual-scale-during-our-action",
    "When somebody scales while we do, his count is not undone by ours; once it has settled, the metric decides again",
    bound_seconds=60,
)
def test_manual_scale_during_our_action(stage: Stage, row: Play, service: str) -> None:
    with stage.service(service, 1, *HEALTH, *labels_of_demand(40), command=SLOW):
        at_work(stage, service, 4)
        fault = time.monotonic()
        hosts.docker("service", "scale", "--detach", f"{service}=3")
        closed(stage, service)
        row.until(fault, lambda now: (now.wanted[service], now.running(service)) == (4, 4), "four replicas run")
        stage.never_fewer_wanted(service, 3, fault)
    row.loses_nothing()


@pytest.mark.scenario(
    "rollout-paused", "When a rollout is paused, its service is left alone and the reason says so", bound_seconds=30
)
def test_rollout_paused(stage: Stage, row: Play, service: str) -> None:
    careful = (*GENTLY, "--update-failure-action", "pause", "--update-monitor", "2s")
    with stage.service(service, 2, *careful, *labels_of_demand(20)):
        mark, fault = stage.controller.mark(), time.monotonic()
        more = "swarmherd.scale.query=40 * max(up)"
        update = ["service", "update", "--detach", "--no-resolve-image", "--image", MISSING, "--label-add", more]
        hosts.docker(*update, service)
        row.says(fault, "its update is paused", mark)
        stage.controller.cycles(3, stage.controller.mark())
        stage.never_more_wanted(service, 2, fault)
        stage.never_fewer_wanted(service, 2, fault)
    row.loses_nothing()


@pytest.mark.scenario(
    "image-missing",
    "When an image is missing, a service that asks for more is not scaled up; with its image back, it is",
    bound_seconds=20,
)
def test_image_missing(stage: Stage, row: Play, service: str) -> None:
    mark, fault = stage.controller.mark(), time.monotonic()
    with stage.service(service, 2, *GENTLY, *labels_of_demand(40), image=MISSING, runs=False):
        row.says(fault, f"leave {service} .*(no replica runs|not running yet|crash-looping)", mark)
        stage.controller.cycles(4, stage.controller.mark())
        stage.never_more_wanted(service, 2, fault)
        hosts.docker("service", "update", "--detach", "--no-resolve-image", "--image", IDLE_IMAGE, service)
        stage.until(lambda now: now.running(service) >= 2, "it runs with an image that is there", 60)
    row.loses_nothing()


@pytest.mark.scenario(
    "crash-looping-service", "When a service crashes again and again, it is not scaled up", bound_seconds=30
)
def test_crash_loop(stage: Stage, row: Play, service: str) -> None:
    mark, fault = stage.controller.mark(), time.monotonic()
    with stage.service(service, 2, *labels_of_demand(60), command=("false",), runs=False):
        row.says(fault, f"leave {service} .*it is crash-looping", mark)
        stage.controller.cycles(5, stage.controller.mark())
        stage.never_more_wanted(service, 2, fault)
    row.loses_nothing()


def move(stage: Stage, source: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    inventory: Path = stage.controller.folder / "inventory"
    command = [str(on.BIN / "swarmherd"), "-i", str(inventory), "move", SHOP, "--from", source]
    state = str(stage.controller.folder / "state")
    return on.run(*command, timeout=180, check=check, XDG_STATE_HOME=state)


@pytest.mark.scenario(
    "balancer-unreachable-during-drain",
    "When the balancer cannot be told to drain a task, the task is not stopped",
    bound_seconds=60,
)
def test_balancer_unreachable(stage: Stage, row: Play) -> None:
    with faults.balancer_unreachable() as fault:
        done = move(stage, stage.worker_with_most(), check=False)
        row.took(fault)
        assert done.returncode == 1, done.stdout + done.stderr
        assert "cannot be reached" in done.stdout + done.stderr
        assert {frozenset(one.where(SHOP)) for one in stage.seen(fault)} == {frozenset(stage.now().where(SHOP))}
    row.loses_nothing()


@pytest.mark.scenario(
    "playbook-hangs",
    "When a playbook hangs, it is ended at its deadline, and done again when it can be",
    bound_seconds=60,
)
def test_playbook_hangs(stage: Stage, row: Play, service: str) -> None:
    with (
        stage.controller.policy(cluster={"playbook_timeout_seconds": 8}),
        stage.service(service, 1, *labels_of_demand(30)),
    ):
        with faults.playbooks_hang() as fault:
            assert closed(stage, service) in ("given_up", "undone")
            row.took(fault)
            assert stage.now().wanted[service] == 1
        stage.until(lambda now: now.running(service) == 3, "three replicas run", 90)
    row.loses_nothing()


@pytest.mark.scenario(
    "playbook-fails-on-one-of-many",
    "When a playbook fails on one host of many, that host is named, and no other is left half done",
    bound_seconds=180,
)
def test_playbook_fails_on_one(stage: Stage, row: Play) -> None:
    with faults.playbooks_fail_on("worker3") as fault:
        command = ["ansible-playbook", "-i", on.INVENTORY, "playbooks/provision.yml"]
        done = on.run(*command, timeout=600, check=False)
        row.took(fault)
    assert done.returncode != 0
    recap = {line.split()[0]: line for line in done.stdout.rsplit("PLAY RECAP", 1)[1].splitlines() if "failed=" in line}
    troubled = [host for host, line in recap.items() if "failed=0" not in line or "unreachable=0" not in line]
    assert troubled == ["worker3"]
    assert {host: count for host, count in on.changed(done.stdout).items() if count} == {}
    stage.nothing_moved(fault)
    row.loses_nothing()


@pytest.mark.scenario(
    "playbook-fails-on-its-manager",
    "When a playbook fails on the manager that it runs on, nothing is half done, and it is done when it can be",
    bound_seconds=60,
)
def test_playbook_fails(stage: Stage, row: Play, service: str) -> None:
    with stage.service(service, 1, *labels_of_demand(30)):
        with faults.playbooks_fail_on("manager1") as fault:
            outcome = closed(stage, service)
            row.took(fault)
            assert (outcome, stage.now().wanted[service]) in (("given_up", 1), ("undone", 1), ("done", 3))
        stage.until(lambda now: now.running(service) == 3, "three replicas run", 90)
    row.loses_nothing()


@pytest.mark.scenario(
    "scale-down-loses-nothing", "When the shop is scaled down under load, no request is lost", bound_seconds=60
)
def test_scale_down(stage: Stage, row: Play) -> None:
    edited = time.monotonic()
    stage.controller.write(services={SHOP: shop_policy(20)})
    try:
        row.until(edited, lambda now: (now.wanted[SHOP], now.running(SHOP)) == (2, 2), "two replicas are left")
        on.wait_until(lambda: stage.servers() == 2, "the load balancer sends to the two", 30)
    finally:
        stage.controller.write()
    stage.whole()
    row.loses_nothing()


@pytest.mark.scenario(
    "move-loses-nothing", "When the shop's tasks are moved under load, no request is lost", bound_seconds=60
)
def test_move(stage: Stage, row: Play) -> None:
    for _sample in range(2):
        all_leave(stage, row, stage.worker_with_most())
        stage.whole()
    row.loses_nothing()


def all_leave(stage: Stage, row: Play, source: str) -> None:
    asked = time.monotonic()
    move(stage, source)
    row.until(asked, lambda now: now.running(SHOP, away_from=[source]) == REPLICAS, f"the shop has left {source}")
