# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller sees a real host freeze and wake, hears real engines, and joins and labels on a signal."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from . import lab as on

pytestmark = [pytest.mark.usefixtures("lab"), pytest.mark.slow]

SWARMHERD = str(on.BIN / "swarmherd")
SERVICE = "swarmherd-test-seeing"
Said = Callable[[], list[str]]


@contextmanager
def controller(place: Path) -> Iterator[tuple[subprocess.Popen[bytes], Said]]:
    """A controller with a cycle in ten minutes, and what it has said since it began."""
    folder = on.inventory(place, {"interval_seconds": 600}, {"services": {}})
    log = place / "log"

    def said() -> list[str]:
        lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
        return [line["event"] for line in lines]

    with log.open("wb") as stderr:
        child = subprocess.Popen([SWARMHERD, "-i", str(folder), "run"], stderr=stderr, cwd=on.ROOT)
    try:
        on.wait_until(lambda: any("nothing is opted in" in one for one in said()), "the first cycle has ended", 60)
        yield child, said
    finally:
        child.terminate()
        child.wait(30)


def woken(said: Said, because: str) -> Callable[[], list[str]]:
    return lambda: [one for one in said() if one.startswith("woken: ") and because in one]


def test_a_host_that_freezes_wakes_the_controller_within_four_seconds_and_so_does_its_return(tmp_path: Path) -> None:
    """Its kernel goes on accepting connections; nobody speaks."""
    with controller(tmp_path) as (_child, said):
        on.run("docker", "pause", "swarmherd-lab-worker2", timeout=20)
        froze = time.monotonic()
        try:
            on.wait_until(woken(said, "worker2 is silent"), "the silence wakes the controller", 20, every=0.05)
            took = time.monotonic() - froze
        finally:
            on.run("docker", "unpause", "swarmherd-lab-worker2", timeout=20)
        on.wait_until(woken(said, "worker2 answers again"), "its return wakes the controller", 20)
    assert took < 6, f"{took:.1f} s: interval x misses + timeout is 4 s, and the machine is slow"


def test_an_event_wakes_the_controller(tmp_path: Path) -> None:
    create = ["service", "create", "--detach", "--no-resolve-image", "--name", SERVICE, "--replicas", "0"]
    on.docker(*create, "swarmherd-lab/base:bookworm", "sleep", "infinity")
    try:
        with controller(tmp_path) as (_child, said):
            heard = woken(said, f"Docker says service {SERVICE} update")

            def changed_and_heard() -> list[str]:
                """Changed again and again, for nobody can see from outside whether the stream is open already."""
                on.docker("service", "update", "--detach", "--label-add", f"at={time.monotonic()}", SERVICE)
                return heard()

            on.wait_until(changed_and_heard, "an event wakes the controller", 30, every=1)
    finally:
        on.docker("service", "rm", SERVICE)


def test_sighup_sets_on_every_node_the_labels_that_the_inventory_has(tmp_path: Path) -> None:
    label = "swarmherd-test-seeing"
    nodes = ("manager1", "worker1", "worker2")
    with controller(tmp_path) as (child, said):
        variables = tmp_path / "inventory" / "group_vars" / "all" / "labels.yml"
        variables.write_text(json.dumps({"swarmherd_node_labels": {label: "{{ inventory_hostname }}"}}))
        child.send_signal(signal.SIGHUP)
        on.wait_until(lambda: any("to join and to label done" in one for one in said()), "the full pass is done", 120)
    found = {
        node: on.docker("node", "inspect", node, "--format", f'{{{{index .Spec.Labels "{label}"}}}}') for node in nodes
    }
    for node in nodes:
        on.docker("node", "update", "--label-rm", label, node)
    assert {node: value.strip() for node, value in found.items()} == {node: node for node in nodes}
