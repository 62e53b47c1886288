# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of the demo on real Swarm as recorded.yml has them, held against their simulation.

`python -m tests.demo.recorded` prints the table of docs/simulate.md.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from demo.agreement import Lab, Run, play, scenario
from demo.apart import Apart, apart
from demo.figures import Scaling
from demo.shop.shop import Settings as Shop

START = 1_800_000_000.0
RECORDED = yaml.safe_load((Path(__file__).parent / "recorded.yml").read_text())


def decision(second: float, before: int, after: int, took: float) -> Scaling:
    at = START + second
    return Scaling("shop_web", before, after, "", "done", at, at, at + took)


def recorded(name: str) -> tuple[Run, Lab]:
    """A run, and what its controller and shop were told."""
    told = RECORDED[name]
    traffic = [
        {"time": START + second, "second": float(second), "sent": sent} for second, sent in enumerate(told["sent"], 1)
    ]
    replicas = [{"time": START + at, "wanted": wanted, "running": wanted, "nodes": 3} for at, wanted in looks(told)]
    run = Run(traffic, replicas, [decision(*numbers) for numbers in told["decided"]])
    return run, Lab(told["policy"], 2.0, 2.0, Shop())


def looks(told: Mapping[str, Any]) -> Iterator[tuple[float, int]]:
    """The demo looks once a second; recorded.yml has the changes alone."""
    for (at, wanted), (until, _next) in pairwise(told["wanted"]):
        yield from ((at + second, wanted) for second in range(max(1, round(until - at))))
    yield tuple(told["wanted"][-1])


def held(run: Run, lab: Lab) -> Apart:
    found = apart(run.replicas, play(scenario(run, lab), run, Path("scenario.yml")))
    assert found is not None
    return found


def rows() -> Iterator[str]:
    for name in RECORDED:
        told = held(*recorded(name)).report()
        means = f"{told['mean_replicas_real']:.2f} | {told['mean_replicas_simulated']:.2f}"
        yield f"| {name} | {means} | {told['mean_difference']:.2f} | {told['longest_apart_seconds']} s |"


if __name__ == "__main__":
    sys.stdout.write("\n".join(rows()) + "\n")
