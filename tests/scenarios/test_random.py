# SPDX-License-Identifier: GPL-3.0-or-later
"""Random single faults, by seed: which, where, how long. Whatever it is, the shop recovers and nothing is worse."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from random import Random

import pytest

from . import between, faults
from .conftest import Play
from .stage import REPLICAS, SHOP, Stage

pytestmark = pytest.mark.slow
SEEDS = range(1, 21)
LONGEST_SECONDS = 12
Fault = Callable[[Stage, str], AbstractContextManager[float]]
FAULTS: dict[str, Fault] = {
    "killed": lambda _stage, host: faults.host_killed(host),
    "frozen": lambda _stage, host: faults.host_frozen(host),
    "engine killed": lambda _stage, host: faults.engine_killed(host),
    "engine frozen": lambda _stage, host: faults.engine_frozen(host),
    "cut off from the others": lambda _stage, host: faults.partitioned([host]),
    "unreachable to us": lambda _stage, host: faults.unreachable_to_us([host]),
    "without node_exporter": lambda _stage, host: faults.node_exporter_down(host),
    "fine, Prometheus empty": lambda stage, _host: stage.between.answering(between.empty),
    "fine, Prometheus slow": lambda stage, _host: stage.between.answering(between.slow),
    "fine, Prometheus down": lambda _stage, _host: faults.prometheus_down(),
}
HOSTS = ("manager2", "manager3", *faults.WORKERS)
"""The first manager is where the load balancer stands, and what it serves ends with it."""


def drawn(seed: int) -> tuple[str, str, float]:
    """The fault, its host and how long it lasts at least."""
    chance = Random(seed)  # noqa: S311 the same every time
    return chance.choice(sorted(FAULTS)), chance.choice(HOSTS), chance.uniform(1, LONGEST_SECONDS)


def scenario(seed: int) -> pytest.ParameterSet:
    name, host, seconds = drawn(seed)
    sentence = f"When {host} is {name} for {seconds:.0f} s, the shop is served again and nothing is worse"
    mark = pytest.mark.scenario(f"random-fault-{seed}", sentence, bound_seconds=60)
    return pytest.param(seed, marks=mark, id=str(seed))


@pytest.mark.parametrize("seed", [scenario(seed) for seed in SEEDS])
def test_random_fault(seed: int, stage: Stage, row: Play) -> None:
    name, host, seconds = drawn(seed)
    with FAULTS[name](stage, host) as fault:
        stage.until(lambda now: now.at >= fault + seconds, f"{seconds:.0f} s have passed", 60)
    row.until(fault, lambda now: now.running(SHOP) == REPLICAS and stage.servers() == REPLICAS, "the shop is served")
    stage.never_fewer_wanted(SHOP, REPLICAS, fault)
    stage.never_more_wanted(SHOP, REPLICAS, fault)
