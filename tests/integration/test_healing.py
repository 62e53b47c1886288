# SPDX-License-Identifier: GPL-3.0-or-later
"""Healing on a real Swarm: what turns ill is restarted, what stays ill moved and given up, a stuck update goes back."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from . import lab as on
from .test_moves_by_hand import marks, nodes, tasks, told  # the same questions to the same lab

pytestmark = [pytest.mark.usefixtures("lab"), pytest.mark.slow]

SWARMHERD = str(on.BIN / "swarmherd")
NAME, IMAGE = "swarmherd-test-healing", "swarmherd-lab/base:bookworm"
SERVER = """
use IO::Socket::INET;
my $server = IO::Socket::INET->new(LocalPort => 8080, Listen => 9, ReuseAddr => 1) or die;
while (my $client = $server->accept) {
    while (defined(my $line = <$client>)) { last unless $line =~ /\\S/ }
    my ($status, $word) = -e "/ill" ? ("503 Ill", "ill") : ("200 OK", "ok");
    print $client "HTTP/1.0 $status\\r\\nContent-Type: application/json\\r\\n\\r\\n{\\"status\\": \\"$word\\"}";
    close $client;
}
"""
"""Answers well until its container has a file /ill."""
HEAL = {"after": 2, "recheck": 2, "cooldown": 1, "stable": 3600}
HEALTH = {"endpoint": "http://:8080/health", "expect": "status == 'ok'", "start_period": 1}
Create = Callable[..., None]


@pytest.fixture
def create() -> Iterator[Create]:
    """Make the service, and take it away at the end."""

    def make(replicas: int, *options: str, script: str = SERVER) -> None:
        words = ["service", "create", "--detach", "--no-resolve-image", "--name", NAME, "--replicas", str(replicas)]
        words += ["--restart-delay", "0s", "--stop-grace-period", "1s", "--endpoint-mode", "dnsrr", *options]
        on.docker(*words, IMAGE, "perl", "-e", script)
        on.wait_until(lambda: on.running(NAME) == replicas, f"{replicas} replicas run", 30)

    yield make
    on.docker("service", "rm", NAME)


PUBLISHED = ("--publish", "mode=host,target=8080,published=18080")


def healed(place: Path, **heal: Any) -> Path:
    """An inventory whose policy heals the service."""
    wanted = {"heal": {**HEAL, **heal}, "health": HEALTH}
    return on.inventory(
        place,
        {"interval_seconds": 1, "prometheus_timeout_seconds": 0.5},
        {"services": {NAME: wanted}, "settle_seconds": 1, "backoff_seconds": 1},
    )


@contextmanager
def controller(inventory: Path) -> Iterator[None]:
    """The controller at work, a cycle in a second."""
    log = inventory.parent / "log"
    with log.open("w") as out:
        running = subprocess.Popen([SWARMHERD, "-i", str(inventory), "run"], stdout=out, stderr=out)
        try:
            yield
        finally:
            running.terminate()
            running.wait(60)
            print(log.read_text()[-6000:])  # noqa: T201 - pytest shows it where the test fails


def make_ill(task: str, node: str) -> None:
    container = on.docker("ps", "--quiet", "--filter", f"label=com.docker.swarm.task.id={task}", host=node).strip()
    on.docker("exec", container, "touch", "/ill", host=node)


def known(inventory: Path, *kinds: str) -> list[tuple[str, str]]:
    """Kind and outcome of what was done, the oldest first."""
    return [(one["kind"], one["outcome"]) for one in reversed(told(inventory, "history")) if one["kind"] in kinds]


def test_a_task_whose_endpoint_turns_ill_is_restarted_and_recovers(create: Create, tmp_path: Path) -> None:
    create(2, *PUBLISHED)
    inventory, before = healed(tmp_path), tasks(NAME)
    task, node = before[f"{NAME}.1"]
    with controller(inventory):
        make_ill(task, node)
        on.wait_until(lambda: tasks(NAME).get(f"{NAME}.1", (task,))[0] != task, "another task stands in the slot", 120)
        on.wait_until(lambda: known(inventory, "restart") == [("restart", "done")], "the restart is done", 60)
    after = tasks(NAME)
    assert after[f"{NAME}.2"] == before[f"{NAME}.2"]
    assert marks() == []
    (entry,) = told(inventory, "history", "--kind", "restart")
    assert "503" in entry["reason"]


def test_what_stays_ill_is_restarted_then_moved_then_given_up(create: Create, tmp_path: Path) -> None:
    """Every task of it is ill from its first second."""
    create(1, *PUBLISHED, script='open(my $file, ">", "/ill"); close $file;' + SERVER)
    inventory, before = healed(tmp_path), tasks(NAME)
    with controller(inventory):
        done = [("restart", "done"), ("move", "done")]
        on.wait_until(lambda: known(inventory, "restart", "move") == done, "it is restarted and moved", 240)
        moved = tasks(NAME)
        on.wait_until(lambda: "given up after 2 remedies (restart, move)" in planned(inventory), "it is given up", 60)
    assert known(inventory, "restart", "move") == done
    assert tasks(NAME) == moved != before
    assert (marks(), {spec["Availability"] for spec in nodes().values()}) == ([], {"active"})


def planned(inventory: Path) -> str:
    (one,) = told(inventory, "plan")
    return " ".join(reason for healing in one["healing"] for reason in healing["reasons"])


def test_an_update_that_is_stuck_is_rolled_back_where_that_is_asked_for(create: Create, tmp_path: Path) -> None:
    create(2, "--update-failure-action", "pause", "--update-monitor", "1s", "--rollback-monitor", "1s")
    on.docker("service", "update", "--detach", "--args", "false", "--no-resolve-image", NAME, check=False)
    on.wait_until(lambda: state() == "paused", "Swarm has paused the update", 60)
    inventory = healed(tmp_path, stuck_updates="leave")
    assert "its update is paused" in planned(inventory)
    assert json.loads(on.run(SWARMHERD, "-i", str(inventory), "plan", "--json", timeout=60).stdout)[0]["actions"] == []
    inventory = healed(tmp_path, stuck_updates="rollback")
    with controller(inventory):
        on.wait_until(lambda: known(inventory, "rollback") == [("rollback", "done")], "it is rolled back", 90)
    assert (state(), on.running(NAME)) == ("rollback_completed", 2)


def state() -> str:
    return str((on.inspect(NAME).get("UpdateStatus") or {}).get("State", ""))


def test_by_hand_a_task_is_restarted_and_a_service_rolled_back(create: Create, tmp_path: Path) -> None:
    create(2)
    inventory, before = healed(tmp_path), tasks(NAME)
    done = told(inventory, "restart", NAME, "--task", "1", "--reason", "a test")
    assert (done["outcome"], [one["name"] for one in done["replaced"]]) == ("done", [f"{NAME}.1"])
    assert tasks(NAME)[f"{NAME}.2"] == before[f"{NAME}.2"]
    on.docker(
        "service", "update", "--detach", "--env-add", "NEW=1", "--update-monitor", "0s", "--no-resolve-image", NAME
    )
    on.wait_until(lambda: state() == "completed", "the update is through", 60)
    assert told(inventory, "rollback", NAME)["outcome"] == "done"
    assert "Env" not in on.inspect(NAME)["Spec"]["TaskTemplate"]["ContainerSpec"]
