# SPDX-License-Identifier: GPL-3.0-or-later
"""What the doctor says of circuit breakers, and of hosts that we look at ourselves."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

from swarmherd import breaker
from swarmherd.model import BreakerState, ClusterView
from swarmherd.observe.probe import look
from swarmherd.service import Cluster, clock
from swarmherd.watching import MOST_AT_ONCE, place_of

Told = tuple[str, bool, str, str]
"""What was looked at, whether it is well, what was seen, and the remedy."""


def breakers(cluster: Cluster) -> Iterator[Told]:
    """Raises StoreError."""
    keys, now = cluster.policy.breakers, clock()
    found = cluster.store.memory().breakers
    for name, one in sorted(found.items()):
        if one.state is not BreakerState.CLOSED:
            why = breaker.why_not(one, keys, now) or f"it failed {one.failures} times in a row ({one.why}), tried next"
            yield f"breaker {name}", False, f"{breaker.at(one, keys, now).state.value}: {why}", "put right what it says"
    if all(one.state is BreakerState.CLOSED for one in found.values()):
        yield "breakers", True, "all closed", ""


def hosts(cluster: Cluster, view: ClusterView) -> Iterator[Told]:
    """One look at the host of each node, all at once."""
    keys = cluster.policy.probe
    if not keys.enabled:
        yield "probes", False, "switched off (swarmherd_policy.probe.enabled)", "without them a failure has one witness"
        return
    places = {node.hostname: place_of(node, cluster.inventory, keys) for node in view.nodes}
    deadline = monotonic() + keys.pace.timeout_seconds
    with ThreadPoolExecutor(MOST_AT_ONCE) as pool:
        seen = {name: pool.submit(look, place, deadline) for name, place in places.items() if place is not None}
    silent = {name: one.result().problem for name, one in seen.items() if not one.result().answered}
    for name in sorted(set(places) - set(seen)):
        silent[name] = "no address is known"
    for name, problem in sorted(silent.items()):
        remedy = "let node_exporter or SSH answer us there; see swarmherd_policy.probe"
        yield f"probe {name}", False, problem, remedy
    if not silent:
        yield "probes", True, f"the hosts of all {len(places)} nodes answer", ""
