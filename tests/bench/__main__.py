# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a decision takes, how quickly and how tightly tasks are placed, how few moves even out a cluster, what
autoscaling loses and costs, how long a playbook takes, and until the replicas run.

usage: python -m tests.bench [--quick] [--rounds N]

Medians of N rounds (default 5) where time is measured; all is printed and written to build/bench/figures.json. The lab
is made, or the one that stands is used; --quick measures only what needs no engine. Machines are noisy: compare
figures of one run only.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from swarmherd import model
from swarmherd.decide import decide
from swarmherd.plan import plan
from swarmherd.policy import Policy, parse_policy, queries

from tests.bench.autoscaling import SPENDS, autoscaling
from tests.bench.moving import moves
from tests.bench.packing import packing
from tests.bench.placement import placements
from tests.bench.rebalance import rebalances
from tests.integration import lab as on

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
SERVICE = "swarmherd-bench"
OUT = on.ROOT / "build" / "bench" / "figures.json"


def summary(samples: list[float]) -> dict[str, float]:
    """Median, smallest and largest of some seconds, and how many they are."""
    shown = {"median": statistics.median(samples), "min": min(samples), "max": max(samples)}
    return {**{key: round(value, 4) for key, value in shown.items()}, "rounds": len(samples)}


def timed(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def cluster(services: int, replicas: int, nodes: int) -> model.ClusterView:
    """Services of so many replicas each, running, and spread over the nodes."""
    long_ago = NOW - timedelta(days=1)
    names = [f"service-{n}" for n in range(services)]
    worker = (model.Role.WORKER, model.NodeState.READY, model.Availability.ACTIVE)
    running = model.TaskState.RUNNING
    return model.ClusterView(
        cluster="bench",
        at=NOW,
        nodes=tuple(model.Node(f"n{n}", f"n{n}", *worker) for n in range(nodes)),
        services=tuple(model.Service(name, name, 1, replicas, long_ago) for name in names),
        tasks=tuple(
            model.Task(f"{name}.{k}", name, k, f"n{k % nodes}", running, running, long_ago, long_ago)
            for name in names
            for k in range(replicas)
        ),
    )


def over_target(view: model.ClusterView, policy: Policy) -> model.ClusterView:
    """The view with an answer to each of the policy's queries, more than is wanted, and the same foretold."""
    reading = model.Reading(1000.0, NOW, "bench")
    asked = queries(policy, view.services)
    keys = [(query.service, query.metric) for query in asked]
    outlook = model.Outlook(1000.0, 1000.0, "bench")
    samples = dict.fromkeys(keys, model.Sample(whole=reading))
    return replace(view, samples=samples, outlooks=dict.fromkeys(keys, outlook))


def decisions(rounds: int, strategy: str = "target", services: int = 1000) -> dict[str, Any]:
    """Seconds from a view to a plan, for many services of five replicas each."""
    scale = {"strategy": strategy, "min": 1, "max": 20, "metrics": [{"query": "vector(1)", "target": 70}]}
    policy = parse_policy({"services": {f"service-{n}": {"scale": scale} for n in range(services)}}, "bench")
    view, memory = over_target(cluster(services, replicas=5, nodes=100), policy), model.Memory()

    def decide_and_plan() -> None:
        found = decide(view, policy, memory, NOW)
        assert any(d.direction is model.Direction.UP for d in found), "a decision that does nothing measures nothing"
        plan(found, view, policy, memory, NOW, lambda: "id")

    decide_and_plan()
    return {
        "services": services,
        "tasks": len(view.tasks),
        "seconds": summary([timed(decide_and_plan) for _round in range(rounds)]),
    }


@contextmanager
def idle_service() -> Iterator[None]:
    create = ["service", "create", "--detach", "--no-resolve-image", "--name", SERVICE, "--replicas", "1"]
    on.docker(*create, "--stop-grace-period", "1s", "swarmherd-lab/base:bookworm", "sleep", "infinity")
    try:
        settled(1)
        yield
    finally:
        on.docker("service", "rm", SERVICE)


def settled(replicas: int) -> None:
    on.wait_until(lambda: on.running(SERVICE) == replicas, f"{replicas} replicas of {SERVICE} run", 60)


def by_playbook(replicas: int) -> float:
    """Seconds of `ansible-playbook playbooks/enact/scale.yml`, the wait until all replicas run included."""
    variables = json.dumps({"swarmherd_service": SERVICE, "swarmherd_replicas": replicas})
    return timed(lambda: on.playbook("playbooks/enact/scale.yml", "-e", variables))


def by_docker(replicas: int) -> float:
    """Seconds until all replicas run after `docker service scale` over SSH: Swarm's own share of the time.

    Detached, since the command itself watches for five seconds more whether they stay.
    """

    def scale() -> None:
        on.docker("service", "scale", "--detach", f"{SERVICE}={replicas}")
        settled(replicas)

    return timed(scale)


def by_controller(replicas: int) -> float:
    """Seconds from the decision to the moment when all replicas were seen running, by the controller's journal."""
    command = ["swarmherd", "-i", on.INVENTORY]
    on.run(*command, "scale", SERVICE, str(replicas), "--reason", "a benchmark", timeout=120)
    (entry,) = json.loads(on.run(*command, "history", "--json", "--limit", "1", timeout=60).stdout)
    began, ran = (datetime.fromisoformat(entry[key]) for key in ("decided_at", "running_at"))
    return (ran - began).total_seconds()


def enactments(rounds: int) -> dict[str, Any]:
    """The three ways to scale a service from 1 to 3 on the lab, in turn, so that all see the same machine."""
    ways: dict[str, Callable[[int], float]] = {
        "playbook_seconds": by_playbook,
        "decision_to_running_seconds": by_controller,
        "docker_seconds": by_docker,
    }
    samples: dict[str, list[float]] = {name: [] for name in ways}
    with idle_service():
        for _round in range(rounds):
            for name, way in ways.items():
                samples[name].append(way(3))
                on.docker("service", "scale", "--detach", f"{SERVICE}=1")
                settled(1)
    pairs = zip(samples["playbook_seconds"], samples["docker_seconds"], strict=True)
    ratio = statistics.median(playbook / docker for playbook, docker in pairs)
    return {
        **{name: summary(values) for name, values in samples.items()},
        "playbook_over_docker_ratio": round(ratio, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="only what needs no engine")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each figure (default 5)")
    wanted = parser.parse_args()
    figures: dict[str, Any] = {
        "decision": decisions(wanted.rounds),
        "decision_foretold": decisions(wanted.rounds, "predictive"),
        "placement": placements(wanted.rounds),
        "packing": packing(),
        "rebalance": rebalances(),
        "autoscaling": autoscaling(() if wanted.quick else SPENDS),
    }
    if not wanted.quick:
        with on.standing_lab():
            figures["scale_1_to_3"] = enactments(wanted.rounds)
            figures["one_task_moved"] = moves(wanted.rounds)
    text = json.dumps(figures, indent=2)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    Path(OUT).write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
