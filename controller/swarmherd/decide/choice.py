# SPDX-License-Identifier: GPL-3.0-or-later
"""Swarm's order of nodes: which of them may get one of so many new tasks of a service.

Among the nodes that pass the filters, Swarm takes the one with the fewest tasks of the service, then with the fewest
tasks at all, and leaves further ties to the order of a map (swarmkit, scheduler.go). Preferences first divide the nodes
into branches by label, which it fills evenly.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Candidate:
    """A node as Swarm compares it for one service."""

    node: str
    own: int
    """Tasks of the service that it counts there."""
    total: int
    """All tasks that it counts there."""
    room: int
    """How many more of the service's tasks the filters let in; 0 where they refuse the node."""
    branch: tuple[str, ...] = ()
    """The node's value for each of the service's preferences."""

    @property
    def order(self) -> tuple[int, int]:
        return self.own, self.total


def one_of(candidates: Sequence[Candidate]) -> frozenset[str]:
    """The nodes that may get a single new task."""
    depth = max((len(one.branch) for one in candidates), default=0)
    return _branch(candidates, depth, 0, 1)


def some_of(candidates: Iterable[Candidate], tasks: int) -> frozenset[str]:
    """The nodes that may get at least one of so many new tasks, where there are no preferences.

    Swarm places tasks that it finds together as a group: it fills the first node until the second one stands before
    it, then the second until the third does, and so on; how many it finds together is open. However they come, a node
    gets none before each one that stood before it has got one.
    """
    roomy = sorted((one for one in candidates if one.room > 0), key=lambda one: one.order)
    if not roomy or tasks < 1:
        return frozenset()
    last = roomy[min(tasks, len(roomy)) - 1].order
    return frozenset(one.node for one in roomy if one.order <= last)


def _branch(candidates: Sequence[Candidate], depth: int, level: int, asked: int) -> frozenset[str]:
    """The nodes of a branch that may get the next task, when Swarm asks it to take so many.

    It asks, in no order, every branch below the even share of what all would then have, the first one with room takes
    the task; branches without any are left out, and the share is computed anew.
    """
    if level == depth:
        best = min((one.order for one in candidates if one.room > 0), default=None)
        return frozenset(one.node for one in candidates if one.room > 0 and one.order == best)
    branches: dict[str, list[Candidate]] = defaultdict(list)
    for one in candidates:
        branches[one.branch[level]].append(one)
    has = {value: sum(one.own for one in nodes) for value, nodes in branches.items()}
    while has:
        share, more = divmod(sum(has.values()) + asked, len(has))
        turn = {v: share - n + bool(more) for v, n in has.items() if n < share or (n == share and more)}
        found = frozenset[str]().union(*(_branch(branches[v], depth, level + 1, n) for v, n in turn.items()))
        if found or not turn:
            return found
        has = {value: count for value, count in has.items() if value not in turn}
    return frozenset()
