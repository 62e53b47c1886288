# SPDX-License-Identifier: GPL-3.0-or-later
"""Random single faults in the simulated cluster, by their seeds.

usage: python -m tests.bench.faults SEED [SEED]

One seed is told in full: each cycle's sentence, the journal, and what was left. Two are a range, up to the second, with
the figures by kind of fault.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence

from swarmherd.simulate.cluster.chance import BOUND_SECONDS, Verdict, scene, verdict
from swarmherd.simulate.cluster.simulation import Simulation


def tell(seed: int) -> None:
    layout, fault = scene(seed)
    simulation = Simulation(layout, seed)
    fault.plan(simulation)
    simulation.run_for(fault.over_at + BOUND_SECONDS)
    for cycle in simulation.cycles:
        print(f"{(cycle.at - simulation.timeline.begin).total_seconds():5.0f} s  {cycle.sentence}")
    for entry in reversed(simulation.store.history(100)):
        print(f"{entry.action.kind} {entry.action.service}: {entry.outcome.value}: {entry.detail}")
    print(verdict(seed))


def count(first: int, last: int) -> None:
    verdicts = [verdict(seed) for seed in range(first, last)]
    left = [one for one in verdicts if not one.recovered]
    for one in left:
        print(one)
    print("\n".join(table(verdicts)))
    worse = sum(bool(one.worse) for one in left)
    print(f"{len(verdicts) - len(left)} of {len(verdicts)} recover; {worse} of the rest are worse than without us")


def table(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """The lines of docs/simulate.md."""
    yield "| fault | seeds | recover |"
    yield "|---|---|---|"
    for kind, number in sorted(Counter(one.fault.kind for one in verdicts).items()):
        recovered = sum(one.fault.kind is kind and one.recovered for one in verdicts)
        yield f"| `{kind.value}` | {number} | {recovered} |"


if __name__ == "__main__":
    seeds = [int(word) for word in sys.argv[1:]]
    if len(seeds) == 1:
        tell(*seeds)
    elif len(seeds) == 2:
        count(*seeds)
    else:
        sys.exit((__doc__ or "").partition("\n\n")[2])
