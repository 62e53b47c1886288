# SPDX-License-Identifier: GPL-3.0-or-later
"""Where Swarm will put a task and which one it will stop, read from a view: one case for each rule of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from swarmherd.decide.foretell import Landing, landing, moved, victims
from swarmherd.model import Availability, ClusterView, Node, NodeState, Role, Service, Task, TaskNeeds, TaskState

from tests.controller.described import NOW, ago

GIB = 2**30
WEB = Service("s-web", "web", 7, 3, ago(3600))
OTHER = Service("s-other", "other", 8, 9, ago(3600))


def node(name: str, **more: Any) -> Node:
    one = Node(name, name.upper(), Role.WORKER, NodeState.READY, Availability.ACTIVE, os="linux", arch="x86_64")
    return replace(one, **{"cpus": 4.0, "memory_bytes": 8 * GIB, **more})


def task(service: str, slot: int, place: str, state: str = "running", desired: str = "running", **more: Any) -> Task:
    seconds = more.pop("ago", 600)
    name = f"{service}.{slot}.{place}.{state}.{seconds}"
    return Task(name, service, slot, place, TaskState(state), TaskState(desired), ago(seconds), ago(seconds), **more)


def cluster(on: dict[str, str], *more: Task, **different: Node) -> ClusterView:
    """Nodes a to d with tasks of web (w) and of another service (o): `{"a": "wwo", "b": ""}`."""
    tasks: list[Task] = []
    for place, text in on.items():
        for letter in text:
            service = {"w": "web", "o": "other"}[letter]
            tasks.append(task(service, 1 + sum(t.service == service for t in tasks), place))
    nodes = tuple(different.get(name, node(name)) for name in (*on, *sorted(different.keys() - on.keys())))
    return ClusterView("shop", NOW, nodes, (WEB, OTHER), (*tasks, *more))


def nodes(found: Landing) -> str:
    assert found.unsure == ()
    return "".join(sorted(found.nodes))


def test_the_fewest_tasks_of_the_service_come_before_the_fewest_tasks_at_all() -> None:
    assert nodes(landing(cluster({"a": "w", "b": "oooo", "c": "ooo"}), WEB)) == "c"


def test_nodes_that_are_equal_in_both_may_all_be_chosen() -> None:
    assert nodes(landing(cluster({"a": "wo", "b": "ow", "c": "woo"}), WEB)) == "ab"


def test_several_tasks_reach_as_many_of_the_first_nodes_and_all_that_are_equal_to_the_last() -> None:
    view = cluster({"a": "", "b": "o", "c": "o", "d": "w"})
    assert [nodes(landing(view, WEB, count)) for count in (0, 1, 2, 3, 4)] == ["", "a", "abc", "abc", "abcd"]


def test_a_task_that_is_on_its_way_out_holds_its_memory_and_counts_no_more() -> None:
    small, leaving = node("a", memory_bytes=GIB), task("web", 9, "a", desired="shutdown")
    view = cluster({"a": "", "b": "w"}, leaving, a=small)
    assert nodes(landing(view, WEB)) == "a"
    assert nodes(landing(view, replace(WEB, memory_reservation_bytes=GIB))) == "a"
    full = cluster({"a": "", "b": "w"}, replace(leaving, needs=TaskNeeds(memory_bytes=1)), a=small)
    assert nodes(landing(full, replace(WEB, memory_reservation_bytes=GIB))) == "b"


@pytest.mark.parametrize(
    ("different", "service"),
    [
        ({"state": NodeState.DOWN}, {}),
        ({"availability": Availability.PAUSE}, {}),
        ({"availability": Availability.DRAIN}, {}),
        ({"cpus": 1.0}, {"cpu_reservation": 1.5}),
        ({"memory_bytes": GIB}, {"memory_reservation_bytes": 2 * GIB}),
        ({"plugins": frozenset()}, {"plugins": frozenset({"nfs"})}),
        ({"labels": {"disk": "hdd"}}, {"constraints": ("node.labels.disk!=hdd",)}),
        ({"arch": "aarch64"}, {"platforms": (("linux", "amd64"),)}),
    ],
)
def test_what_a_filter_refuses_is_never_chosen(different: dict[str, Any], service: dict[str, Any]) -> None:
    view = cluster({"a": "", "b": "ww"}, a=replace(node("a"), **different))
    found = landing(view, replace(WEB, **service))
    assert (nodes(found), found.fit) == ("b", {"b"})


def test_a_port_of_the_host_is_there_once_on_each_node() -> None:
    service = replace(WEB, host_ports=frozenset({80}))
    view = replace(cluster({"a": "", "b": "w", "c": "o"}), services=(service, OTHER))
    assert landing(view, service, 3) == Landing(frozenset("ac"), frozenset("ac"), pending=1)


def test_no_node_gets_more_than_the_service_allows() -> None:
    view, service = cluster({"a": "ww", "b": "w"}), replace(WEB, max_per_node=2)
    assert landing(view, service, 4) == Landing(frozenset("b"), frozenset("b"), pending=3)


def test_what_finds_no_reservation_stays_pending() -> None:
    assert landing(cluster({"a": "", "b": "o"}), replace(WEB, cpu_reservation=3.0), 5).pending == 3


def test_a_node_that_is_closed_gets_nothing() -> None:
    assert nodes(landing(cluster({"a": "", "b": "w", "c": "w"}), WEB, closed=["a"])) == "bc"


# ---------------------------------------------------------------- preferences


def zoned(on: dict[str, str], **zones: str) -> ClusterView:
    return cluster(on, **{name: node(name, labels={"zone": zone} if zone else {}) for name, zone in zones.items()})


SPREAD = replace(WEB, spread_over=("node.labels.zone",))


def test_the_emptier_zone_comes_before_the_emptier_node() -> None:
    view = zoned({"a": "w", "b": "w", "c": "wooo"}, a="x", b="x", c="y")
    assert nodes(landing(view, SPREAD)) == "c"
    assert nodes(landing(view, WEB)) == "ab"


def test_of_zones_below_their_share_any_may_be_next() -> None:
    """With 0, 1 and 3 tasks each zone's share is 1 and two are left over: the second zone is asked as well."""
    view = zoned({"a": "", "b": "w", "c": "www"}, a="x", b="y", c="z")
    assert nodes(landing(view, SPREAD)) == "ab"


def test_a_zone_without_room_is_passed_over() -> None:
    view = zoned({"a": "", "b": "w", "c": "ww"}, a="x", b="y", c="z")
    paused = replace(view.nodes[0], availability=Availability.PAUSE)
    assert nodes(landing(replace(view, nodes=(paused, *view.nodes[1:])), SPREAD)) == "b"


def test_nodes_without_the_label_are_a_zone_and_unknown_preferences_are_passed_over() -> None:
    view = zoned({"a": "ww", "b": "", "c": "ww"}, a="x", b="x", c="")
    assert nodes(landing(view, replace(WEB, spread_over=("node.hostname", "Node.Labels.zone")))) == "bc"
    assert nodes(landing(view, replace(WEB, spread_over=("node.hostname",)))) == "b"


def test_engine_labels_spread_as_well() -> None:
    racks = {name: node(name, engine_labels={"rack": rack}) for name, rack in zip("abc", "112", strict=True)}
    view = cluster({"a": "w", "b": "w", "c": "w"}, **racks)
    assert nodes(landing(view, replace(WEB, spread_over=("engine.labels.rack",)))) == "c"


# ---------------------------------------------------------------- where Swarm knows more


@pytest.mark.parametrize(
    ("service", "count", "says"),
    [
        (replace(WEB, constraints=("node.colour==red",)), 1, "node.colour"),
        (replace(WEB, replicas=None), 1, "not in replicated mode"),
        (replace(WEB, more_filters=True), 1, "generic resources"),
        (SPREAD, 2, "preferences"),
    ],
)
def test_where_swarm_knows_more_every_node_that_fits_is_named_and_the_doubt_is_told(
    service: Service, count: int, says: str
) -> None:
    found = landing(cluster({"a": "www", "b": ""}, c=node("c", state=NodeState.DOWN)), service, count)
    assert found.nodes == found.fit == {"a", "b"}
    assert says in found.unsure[0]


def failures(count: int, on: str = "a", state: str = "failed", since: int = 60, slots: int = 99) -> list[Task]:
    return [task("web", 1 + k % slots, on, state, "shutdown", ago=since + k) for k in range(count)]


@pytest.mark.parametrize(
    ("ended", "doubtful"),
    [
        (failures(5), True),
        (failures(5, state="rejected"), True),
        (failures(4), False),
        (failures(5, since=400), False),
        (failures(5, state="complete"), False),
        ([*failures(3), *failures(3, on="b")], False),
        (failures(4, slots=1), True),
        (failures(4, slots=1, state="shutdown"), True),
    ],
)
def test_a_node_that_may_have_failed_the_service_five_times_may_come_last(ended: list[Task], doubtful: bool) -> None:
    """A slot whose list is full may hide failures that Swarm counts."""
    found = landing(cluster({"a": "", "b": "w", "c": "w"}, *ended), WEB)
    assert bool(found.unsure) is doubtful
    assert found.nodes == (frozenset("abc") if doubtful else frozenset("a"))


# ---------------------------------------------------------------- moves


def test_all_tasks_leave_a_node_or_only_the_one_that_is_meant() -> None:
    view = cluster({"a": "ww", "b": "", "c": "o", "d": "w"})
    first = next(t.id for t in view.tasks if t.node_id == "a")
    assert nodes(moved(view, WEB, "a", task=first)) == "b"
    assert nodes(moved(view, WEB, "a")) == "bc"


def test_what_leaves_no_longer_holds_its_place_and_never_returns() -> None:
    view, service = cluster({"a": "w", "b": "w"}), replace(WEB, max_per_node=1)
    assert moved(view, service, "a") == Landing(frozenset(), frozenset(), pending=1)


def test_nodes_that_are_paused_for_the_move_leave_swarm_the_rest() -> None:
    view = cluster({"a": "w", "b": "", "c": "o", "d": "oo"})
    assert nodes(moved(view, WEB, "a", task=view.tasks[0].id, avoid=["b", "c"])) == "d"


def test_a_task_that_is_not_there_goes_nowhere() -> None:
    found = moved(cluster({"a": "w", "b": ""}), WEB, "a", task="gone")
    assert (found.nodes, found.pending) == (frozenset(), 0)


# ---------------------------------------------------------------- victims


def stopped(view: ClusterView, service: Service, fewer: int = 1) -> list[tuple[int, str]]:
    found = victims(view, service, fewer)
    assert found.unsure == ()
    return sorted((t.slot, t.node_id) for t in view.tasks if t.id in found.tasks)


def of(replicas: int) -> Service:
    return replace(WEB, replicas=replicas)


def test_the_node_with_most_copies_loses_one_and_then_the_highest_slot_goes() -> None:
    assert stopped(cluster({"a": "w", "b": "ww", "c": "w"}), of(4)) == [(3, "b")]
    assert stopped(cluster({"a": "w", "b": "w", "c": "w"}), of(3)) == [(3, "c")]
    assert stopped(cluster({"a": "w", "b": "ww", "c": "w"}), of(4), 2) == [(3, "b"), (4, "c")]


def test_what_does_not_run_goes_before_what_runs() -> None:
    view = cluster({"a": "w", "b": "w"}, task("web", 0, "b", "preparing"))
    assert stopped(view, of(3)) == [(0, "b")]


def test_a_slot_without_a_node_or_with_two_tasks_goes_first() -> None:
    assert stopped(cluster({"a": "www"}, task("web", 0, "", "pending")), of(4)) == [(0, "")]
    assert stopped(cluster({"a": "www"}, task("web", 1, "b", "starting")), of(3)) == [(1, "a"), (1, "b")]


def test_a_replacement_that_waits_for_its_delay_fills_its_slot() -> None:
    waiting = [task("web", 3, "a", "ready", "ready"), task("web", 3, "b", "failed", "shutdown")]
    assert stopped(cluster({"a": "w", "b": "w"}, *waiting), of(3)) == [(3, "a")]


def test_up_to_twelve_replicas_go_may_sort_in_two_ways_and_where_they_agree_it_is_certain() -> None:
    view = cluster({"a": "www", "b": "www", "c": "w"})
    assert [slot for slot, _node in stopped(view, of(7))] == [6]
    assert victims(view, of(7)).certain
    # Slots 1 to 8 are copies 1, 1, 2, 1, 2, 1, 1, 2: before 1.19 Go first exchanged those that are six apart.
    placed = [task("web", slot, node) for slot, node in enumerate("abacbdeb", 1)]
    view = ClusterView("shop", NOW, tuple(node(name) for name in "abcde"), (WEB,), tuple(placed))
    assert [slot for slot, _node in stopped(view, of(8))] == [8]
    assert [slot for slot, _node in stopped(view, of(8), 4)] == [3, 5, 7, 8]


def test_of_many_replicas_every_copy_of_the_same_rank_may_go() -> None:
    view = cluster({"a": "wwww", "b": "wwww", "c": "wwww", "d": "w"})
    assert [slot for slot, _node in stopped(view, of(13))] == [4, 8, 12]
    assert not victims(view, of(13)).certain
    assert victims(view, of(13), 3).certain
    assert len(stopped(view, of(13), 5)) == 6


def test_scaled_to_nothing_all_go() -> None:
    assert len(stopped(cluster({"a": "ww", "b": "w"}), of(3), 3)) == 3


@pytest.mark.parametrize(("replicas", "says"), [(None, "not in replicated mode"), (4, "3 of its 4 slots")])
def test_a_service_that_is_not_settled_may_lose_any_task(replicas: int | None, says: str) -> None:
    found = victims(cluster({"a": "ww", "b": "w"}), replace(WEB, replicas=replicas))
    assert len(found.tasks) == 3
    assert says in found.unsure[0]
