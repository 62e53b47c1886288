# SPDX-License-Identifier: GPL-3.0-or-later
"""Swarm's scheduler and its scaling down, played by hand with one order for everything that Swarm leaves to a map.

Written from swarmkit's behaviour, step by step, as a reference for the sets that `decide/foretell.py` computes: played
in every order, it gives all that Swarm may do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations

from swarmherd.decide.choice import Candidate


@dataclass
class Branch:
    """A leaf holds nodes, any other branches."""

    tasks: int
    nodes: list[Candidate]
    below: list[Branch]


class Scheduler:
    """Nodes in the order in which Swarm happens to look at them."""

    def __init__(self, nodes: Sequence[Candidate]) -> None:
        self.nodes = list(nodes)
        self.placed: Counter[str] = Counter()

    def tick(self, tasks: int) -> list[str]:
        """Places a group of tasks; the nodes that it chose, in order."""
        before = Counter(self.placed)
        self._chosen: list[str] = []
        self._left = tasks
        self._subtree(self._tree(self.nodes, 0, tasks), tasks)
        assert self.placed - before == Counter(self._chosen)
        return self._chosen

    def _order(self, node: Candidate) -> tuple[int, int]:
        more = self.placed[node.node]
        return node.own + more, node.total + more

    def _takes(self, node: Candidate) -> bool:
        return self.placed[node.node] < node.room

    def _tree(self, nodes: list[Candidate], level: int, tasks: int) -> Branch:
        count = sum(self._order(node)[0] for node in nodes)
        if not nodes or level == len(nodes[0].branch):
            best = sorted((node for node in nodes if self._takes(node)), key=self._order)
            return Branch(count, best[:tasks], [])
        values = dict.fromkeys(node.branch[level] for node in nodes)
        parts = [[node for node in nodes if node.branch[level] == value] for value in values]
        return Branch(count, [], [self._tree(part, level + 1, tasks) for part in parts])

    def _subtree(self, tree: Branch, asked: int) -> int:
        if not tree.below:
            return self._leaf(sorted(filter(self._takes, tree.nodes), key=self._order), asked)
        scheduled, usable, full, converging = 0, tree.tasks, set[int](), True
        while scheduled != asked and len(full) != len(tree.below) and converging:
            share, rest = divmod(usable + asked - scheduled, len(tree.below) - len(full))
            converging = False
            for branch in tree.below:
                if id(branch) in full or not (branch.tasks < share or (branch.tasks == share and rest > 0)):
                    continue
                converging = True
                wanted = share - branch.tasks + (1 if rest > 0 else 0)
                got = self._subtree(branch, wanted)
                if got < wanted:
                    full.add(id(branch))
                    usable -= branch.tasks
                elif rest > 0:
                    rest -= 1
                scheduled += got
        return scheduled

    def _leaf(self, nodes: list[Candidate], asked: int) -> int:
        at, got, out = 0, 0, set[int]()
        while nodes and self._left and got < asked:
            node = nodes[at % len(nodes)]
            self.placed[node.node] += 1
            self._chosen.append(node.node)
            self._left -= 1
            got += 1
            last = at + 1 >= len(nodes)
            if last or self._order(nodes[at + 1]) < self._order(node):
                at += 1
            tried = 0
            while at % len(nodes) in out or not self._takes(nodes[at % len(nodes)]):
                out.add(at % len(nodes))
                at, tried = at + 1, tried + 1
                if tried == len(nodes):
                    return got
        return got


def may_get_one(nodes: Sequence[Candidate], tasks: int) -> set[str]:
    """The nodes that get a task in some order of nodes, and however the tasks come: together or one after the other."""
    return {
        node for order in permutations(nodes) for groups in _ways(tasks) for node in _played(Scheduler(order), groups)
    }


def _played(scheduler: Scheduler, groups: Sequence[int]) -> list[str]:
    return [node for group in groups for node in scheduler.tick(group)]


def _ways(tasks: int) -> Iterator[tuple[int, ...]]:
    """The ways to write a number as a sum, in every order."""
    if not tasks:
        yield ()
    for first in range(1, tasks + 1):
        for rest in _ways(tasks - first):
            yield (first, *rest)


@dataclass(frozen=True)
class Slot:
    """The tasks of a slot: which of them run, and on which nodes."""

    number: int
    nodes: tuple[str, ...]
    runs: bool = True


def stopped(
    slots: Sequence[Slot], fewer: int, shuffle: Callable[[list[Slot]], list[Slot]] = list, *, old: bool = False
) -> set[int]:
    """The slots that are removed; `shuffle` stands for what an unstable sort does among equals, and `old` for Go before
    1.19, which sorts up to twelve items by Shell's way with the gaps 6 and 1."""
    ordered = sorted(slots, key=lambda slot: (not slot.runs, slot.number))
    seen: Counter[str] = Counter()
    copy: dict[int, int] = {}
    for slot in ordered:
        single = slot.nodes[0] if len(slot.nodes) == 1 else ""
        if single:
            seen[single] += 1
        copy[slot.number] = seen[single] if single else 10**6
    for k in range(6, len(ordered)) if old else ():
        if copy[ordered[k].number] < copy[ordered[k - 6].number]:
            ordered[k], ordered[k - 6] = ordered[k - 6], ordered[k]
    kept = sorted(shuffle(ordered), key=lambda slot: copy[slot.number])
    return {slot.number for slot in kept[max(0, len(kept) - fewer) :]}
