# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller killed in mid-action on a real Swarm, one test for each kind that has none elsewhere (S15).

`test_head.py` has scaling and `test_moves_by_hand.py` a move by pause and stop; every boundary of every kind is killed
at in the simulated cluster (`tests/controller/simulate/test_crashes.py`).
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from . import lab as on

pytestmark = [pytest.mark.usefixtures("lab"), pytest.mark.slow]

SWARMHERD = str(on.BIN / "swarmherd")
DB, API = "swarmherd-test-crash-db", "swarmherd-test-crash-api"
ANCHOR = f"swarmherd.anchor.{DB}"
# As the first process of its container it is deaf to SIGTERM, and takes all of its grace to stop.
STUBBORN = ["swarmherd-lab/base:bookworm", "sleep", "infinity"]
Create = Callable[..., str]


@pytest.fixture
def create() -> Iterator[Create]:
    """Make services that do nothing, take ten seconds to stop, and go at the end, with all that is on nodes."""
    made: list[str] = []

    def one(name: str, replicas: int, *options: str) -> str:
        made.append(name)
        words = ["service", "create", "--detach", "--no-resolve-image", "--name", name, "--replicas", str(replicas)]
        words += ["--restart-delay", "2s", "--stop-grace-period", "10s", "--reserve-memory", "16m"]
        on.docker(*words, *options, *STUBBORN)
        on.wait_until(lambda: on.running(name) == replicas, f"{replicas} replicas of {name} run", 60)
        return name

    yield one
    for name in made:
        on.docker("service", "rm", name)
    for name, spec in nodes().items():
        if ANCHOR in (spec.get("Labels") or {}):
            on.docker("node", "update", "--label-rm", ANCHOR, name)
        if spec["Availability"] != "active":
            on.docker("node", "update", "--availability", "active", name)


def inventory(place: Path, **policy: Any) -> Path:
    cluster = {"prometheus_url": f"http://{on.address('manager1')}:9090"}
    return on.inventory(place, cluster, {"settle_seconds": 0, "backoff_seconds": 1, **policy})


def swarmherd(cluster: Path, *arguments: str) -> str:
    return on.run(SWARMHERD, "-i", str(cluster), *arguments, timeout=180).stdout


def entries(cluster: Path) -> list[tuple[str, str]]:
    """Kind and outcome of each entry of the journal, the newest first."""
    return [(one["kind"], one["outcome"]) for one in json.loads(swarmherd(cluster, "history", "--json"))]


def nodes() -> dict[str, Any]:
    """Each node's specification, by hostname."""
    found = json.loads(on.docker("node", "inspect", *on.docker("node", "ls", "--quiet").split()))
    return {one["Description"]["Hostname"]: one["Spec"] for one in found}


def labels(beginning: str) -> list[str]:
    """The hostnames of the nodes that carry a label that begins so."""
    return [name for name, spec in nodes().items() for label in spec.get("Labels") or {} if label.startswith(beginning)]


def where(service: str) -> set[str]:
    words = ["service", "ps", "--filter", "desired-state=running", "--format", "{{.Node}}", service]
    return set(on.docker(*words).split())


def killed(cluster: Path, *arguments: str, when: Callable[[], Any], seen: str) -> None:
    """Starts a controller, and kills it as soon as that is seen. Its playbook goes on by itself."""
    command = [SWARMHERD, "-i", str(cluster), *arguments]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as controller:
        on.wait_until(when, seen, 90, every=0.05)
        controller.kill()


def test_killed_once_a_node_is_denied_the_next_cycle_leaves_no_label(create: Create, tmp_path: Path) -> None:
    api, cluster = create(API, 3), inventory(tmp_path)
    source = min(where(api))
    killed(cluster, "move", api, "--from", source, when=lambda: labels("swarmherd.deny."), seen="the node is denied")
    swarmherd(cluster, "run", "--once")
    assert labels("swarmherd.deny") == []
    ((kind, outcome),) = entries(cluster)
    assert (kind, outcome in ("done", "undone")) == ("move", True)
    on.wait_until(lambda: on.running(api) == 3, "all replicas run", 60)


def test_killed_once_the_label_lies_the_dependents_are_beside_their_anchor_in_the_end(
    create: Create, tmp_path: Path
) -> None:
    db, api = create(DB, 1, "--constraint", "node.hostname==worker1"), create(API, 2)
    cluster = inventory(tmp_path, services={api: {"follows": db}})
    killed(cluster, "run", "--once", when=lambda: labels(ANCHOR), seen="the anchor's label lies")

    def beside() -> bool:
        """Where the playbook got as far as the label alone, one cycle closes the entry and a later one goes on."""
        swarmherd(cluster, "run", "--once")
        return where(api) == {"worker1"} and on.running(api) == 2

    on.wait_until(beside, "cycle by cycle the dependents come to run there", 240)
    assert labels(ANCHOR) == ["worker1"]
    assert "started" not in {outcome for _kind, outcome in entries(cluster)}


def test_killed_in_mid_drain_the_node_is_drained_as_a_whole_or_takes_tasks_as_before(
    create: Create, tmp_path: Path
) -> None:
    api, cluster = create(API, 3), inventory(tmp_path)
    source = max(where(api) - {"manager1"})

    def drained() -> bool:
        return bool(nodes()[source]["Availability"] == "drain")

    killed(cluster, "drain", source, "--reason", "a test", when=drained, seen="the node is on drain")
    swarmherd(cluster, "run", "--once")
    ((kind, outcome),) = entries(cluster)
    assert (kind, outcome) == ("drain", "done" if drained() else "undone")
    on.wait_until(lambda: on.running(api) == 3, "all replicas run", 60)
    assert not (drained() and source in where(api))
