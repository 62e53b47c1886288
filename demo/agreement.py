# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulator held against a real run: `python -m demo.agreement` plays what build/demo recorded once more.

The traffic that was sent, second by second, goes through what `swarmherd simulate` runs, with the lab's policy and
intervals, its shop, and the times that playbooks and starts took in this very run. The scenario is scenario.yml; where
that is there already it is read, so that a recording keeps the policy that it was made with. The answer goes to
simulated.jsonl.
"""

from __future__ import annotations

import json
import math
import statistics
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml
from swarmherd.observe.errors import InventoryError
from swarmherd.observe.inventory import read_inventory
from swarmherd.policy import PolicyError, parse_cluster
from swarmherd.simulate.cluster.agent import HEARS_SECONDS, PULL_SECONDS
from swarmherd.simulate.cluster.steps import ANSIBLE_SECONDS
from swarmherd.simulate.picture import clock
from swarmherd.simulate.story import played, read_scenario

from demo.apart import Apart, apart
from demo.figures import Record, Scaling, scalings
from demo.records import records, write_records
from demo.settings import HOME, INVENTORY, ROOT, SERVICE, SIMULATED
from demo.shop.shop import Settings as Shop
from demo.steps import DemoError

SCENARIO = "scenario.yml"
SHOP = ROOT / "playbooks" / "demo.yml"
DEPLOYS = "swarmherd.cluster.service"
USUAL_STARTUP_SECONDS = 0.5
"""Where nothing was scaled up, so that nothing was measured."""
SHORTEST_PLAYBOOK_SECONDS = 0.1
BEFORE_A_START = HEARS_SECONDS + PULL_SECONDS
"""What passes in the simulator from a count's change until a container is started."""
HEADER = f"# What `make demo` recorded, for `swarmherd simulate {(HOME / SCENARIO).relative_to(ROOT)}`.\n"


@dataclass(frozen=True, slots=True)
class Lab:
    """What the run's controller and its shop were told."""

    policy: Mapping[str, Any]
    interval_seconds: float
    scrape_seconds: float
    shop: Shop

    @classmethod
    def read(cls, inventory: Path, playbook: Path) -> Lab:
        """From where controller and shop are told it. Raises InventoryError, PolicyError or DemoError."""
        found = read_inventory(inventory)
        cluster = parse_cluster(found.cluster, found.cluster_file)
        shop = shop_of(yaml.safe_load(playbook.read_text(encoding="utf-8")))
        return cls(found.policy, cluster.interval_seconds, cluster.scrape_interval_seconds, shop)


def shop_of(plays: Iterable[Mapping[str, Any]]) -> Shop:
    """What a replica makes of the settings that the playbook which deploys it gives it."""
    for play in plays:
        for task in play.get("tasks", ()):
            deployed = task.get(DEPLOYS) or {}
            if deployed.get("name") == SERVICE:
                return Shop.read(deployed.get("env") or {})
    raise DemoError(f"{SHOP.relative_to(ROOT)} deploys no {SERVICE}", status=2)


@dataclass(frozen=True, slots=True)
class Run:
    """A recording, as far as it is played again."""

    traffic: Sequence[Record]
    replicas: Sequence[Record]
    scalings: Sequence[Scaling] = ()

    @property
    def origin(self) -> float:
        """When the traffic began."""
        return float(self.traffic[0]["time"] - self.traffic[0]["second"])

    @classmethod
    def read(cls, folder: Path) -> Run:
        """Raises DemoError where nothing was recorded."""
        traffic, replicas = records(folder / "traffic.jsonl"), records(folder / "replicas.jsonl")
        if not traffic or not replicas:
            where = folder.relative_to(ROOT) if folder.is_relative_to(ROOT) else folder
            raise DemoError(f"{where} holds no recording of a demo; run make demo", status=2)
        history = folder / "history.json"
        told = scalings(json.loads(history.read_text(encoding="utf-8"))) if history.exists() else ()
        origin = cls(traffic, replicas).origin
        return cls(traffic, replicas, [s for s in told if s.service == SERVICE and s.decided_at >= origin])


def begin(run: Run, interval_seconds: float) -> float:
    """The last instant up to the begin of the traffic at which a cycle began: simulated cycles begin at multiples of
    the interval, and are to fall into the traffic where the real ones did."""
    if not run.scalings:
        return run.origin
    since = run.scalings[0].decided_at - run.origin
    return run.scalings[0].decided_at - math.ceil(since / interval_seconds) * interval_seconds


def scenario(run: Run, lab: Lab) -> dict[str, Any]:
    """A document for `swarmherd simulate`, which begins at `begin`."""
    zero, playbook = begin(run, lab.interval_seconds), playbook_seconds(run)
    return {
        "nodes": max(1, *(sample["nodes"] for sample in run.replicas)),
        "services": {
            SERVICE: {
                "replicas": run.replicas[0]["wanted"],
                "startup": f"{startup_seconds(run.scalings, playbook):.2f}s",
                "capacity": lab.shop.capacity,
                "queue": lab.shop.queue,
                "traffic": {"steps": dict(steps(run, zero))},
            }
        },
        "swarmherd_policy": dict(lab.policy),
        "run_for": f"{max(1.0, run.replicas[-1]['time'] - zero):.2f}s",
        "interval_seconds": lab.interval_seconds,
        "scrape_seconds": lab.scrape_seconds,
        "playbook_seconds": round(playbook, 2),
    }


def steps(run: Run, zero: float) -> Iterator[tuple[str, float]]:
    """Requests per second from each line of the traffic to the next; a line tells of what lies before it."""
    yield "0s", 0.0
    ends = [run.origin, *(float(line["time"]) for line in run.traffic)]
    for (left, right), line in zip(pairwise(ends), run.traffic, strict=True):
        yield f"{max(0.0, left - zero):.2f}s", round(line["sent"] / max(0.1, right - left), 2)
    yield f"{ends[-1] - zero:.2f}s", 0.0


def playbook_seconds(run: Run) -> float:
    """From a decision until Docker had its count, as it was seen in this run: on a busy machine Ansible is slow. It was
    somewhere between two looks."""
    took = []
    for action in run.scalings:
        for before, after in pairwise(run.replicas):
            if action.done and after["time"] >= action.decided_at and after["wanted"] == action.after:
                took.append((max(before["time"], action.decided_at) + after["time"]) / 2 - action.decided_at)
                break
    return max(SHORTEST_PLAYBOOK_SECONDS, statistics.median(took)) if took else ANSIBLE_SECONDS


def startup_seconds(done: Iterable[Scaling], playbook: float) -> float:
    """From a container's start until it runs, as this run's journal has it; without what comes before that."""
    took = [s.seconds for s in done if s.done and s.after > s.before and s.seconds is not None]
    return max(0.0, statistics.median(took) - playbook - BEFORE_A_START) if took else USUAL_STARTUP_SECONDS


def play(document: Mapping[str, Any], run: Run, file: Path) -> list[dict[str, Any]]:
    """The simulated samples, one a second, in the times of the recording. Raises PolicyError."""
    wanted, policy = read_scenario(document, str(file))
    course = played(wanted, policy, file.parent, str(file), tally_seconds=1.0).tallies[SERVICE].course
    zero, first = begin(run, wanted.interval_seconds), wanted.services[SERVICE].replicas
    points = [(0.0, first, first), *((at, replicas, serving) for at, _asked, _lost, replicas, serving in course)]
    return [{"time": round(zero + at, 2), "wanted": count, "running": serving} for at, count, serving in points]


def table(run: Run, simulated: Sequence[Record], found: Apart) -> str:
    """Who wanted how many, wherever that changed, and how far apart they are."""
    lines = ["   at   real  simulated"]
    first = math.ceil(max(run.replicas[0]["time"], simulated[0]["time"]))
    before = None
    for second, pair in enumerate(zip(found.real, found.simulated, strict=True), start=first):
        if pair != before:
            lines.append(f"{clock(max(0.0, second - run.origin)):>5} {pair[0]:6} {pair[1]:10}")
        before = pair
    told = found.report() | {"bound": round(found.bound, 2)}
    return "\n".join([*lines, "", *(f"{key:24} {value:g}" for key, value in told.items()), "", found.sentence()])


def compare(folder: Path) -> str:
    """Plays the recording in `folder` again, tells what came of it. Raises DemoError, PolicyError, InventoryError."""
    run, file = Run.read(folder), folder / SCENARIO
    if not file.exists():
        written = yaml.safe_dump(scenario(run, Lab.read(ROOT / INVENTORY, SHOP)), sort_keys=False)
        file.write_text(HEADER + written, encoding="utf-8")
    simulated = play(yaml.safe_load(file.read_text(encoding="utf-8")), run, file)
    write_records(folder / SIMULATED, simulated)
    found = apart(run.replicas, simulated)
    if found is None:
        raise DemoError("the recording is shorter than a second: there is nothing to compare", status=2)
    return table(run, simulated, found)


def main() -> int:
    try:
        sys.stdout.write(compare(HOME) + "\n")
    except (DemoError, PolicyError, InventoryError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
