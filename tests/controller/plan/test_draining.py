# SPDX-License-Identifier: GPL-3.0-or-later
"""What a scale-down drains at the load balancer before it goes: S18."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from swarmherd.decide.foretell import victims
from swarmherd.model import ClusterView, Decision, Memory, Plan
from swarmherd.plan import manual_scale, plan
from swarmherd.policy import parse_policy

from tests.controller.arranged import view_of
from tests.controller.described import NOW

BEHIND = {"services": {"web": {"balancer": "shop"}}}


def cluster(*at: str) -> ClusterView:
    nodes = {name: {} for name in ("n1", "n2", "n3", "n4", "n5")}
    return view_of({"nodes": nodes, "services": {"web": {"at": list(at), "version": 7}}})


THREE = cluster("n1", "n2", "n2")
MANY = cluster(*["n1", "n2", "n3", "n4", "n5"] * 3)
"""Fifteen, three on each node: each third copy may be the first to go."""


def down(view: ClusterView, then: int, wish: int | None = None, **policy: Any) -> Plan:
    now = view.services[0].replicas
    decision = Decision(
        "web", now, then, wish, ("cpu 9 is under target 50", f"scale web from {now} to {then}"), version=7
    )
    ids = map(str, itertools.count())
    return plan([decision], view, parse_policy(policy or BEHIND, "f.yml"), Memory(), NOW, lambda: next(ids))


def draining(found: Plan) -> dict[str, Any]:
    [action] = found.actions
    return {
        key: value for key, value in action.parameters.items() if "drain" in key or "leaving" in key or "bal" in key
    }


def test_exactly_the_task_that_swarm_will_stop_is_drained_first() -> None:
    found = down(THREE, 2)
    assert draining(found) == {
        "swarmherd_balancer_backend": "shop",
        "swarmherd_drain": "certain",
        "swarmherd_expected_leaving": ["web.3"],
    }
    assert found.actions[0].reason == "scale web from 3 to 2"


def test_without_a_balancer_and_on_the_way_up_nothing_is_drained() -> None:
    assert draining(down(THREE, 2, services={"web": {}})) == {}
    assert draining(down(THREE, 4)) == {}


def test_fewer_go_at_once_where_that_makes_it_certain_which() -> None:
    found = down(cluster(*["n1", "n2", "n3", "n4", "n5"] * 3, "n1", "n2"), 14)
    assert draining(found)["swarmherd_expected_leaving"] == ["web.16", "web.17"]
    assert (found.decisions[0].then, found.actions[0].parameters["swarmherd_replicas"]) == (15, 15)
    assert found.actions[0].undo["swarmherd_replicas"] == 17
    assert found.actions[0].reason == (
        "scale web from 17 to 15, because each task is drained at shop first, "
        "and which ones go beyond that is not certain"
    )


def test_all_that_may_go_are_drained_only_where_the_rest_bears_the_load() -> None:
    bears, would_not = down(MANY, 14, wish=10), down(MANY, 14, wish=11)
    assert draining(bears)["swarmherd_drain"] == "all"
    assert len(draining(bears)["swarmherd_expected_leaving"]) == 5
    said = "which of 5 tasks go is not certain: all are drained at shop, and 10 remain"
    assert bears.decisions[0].reasons[1:] == (said, "scale web from 15 to 14")
    assert draining(would_not) == {"swarmherd_balancer_backend": "shop", "swarmherd_drain": "none"}
    said = "which tasks go is not certain: none is drained at shop, and each has to end well by itself"
    assert would_not.decisions[0].reasons[1:] == (said, "scale web from 15 to 14")
    assert draining(down(MANY, 14))["swarmherd_drain"] == "none"


def test_a_persons_count_stays_and_is_drained_where_it_is_certain() -> None:
    policy = parse_policy(BEHIND, "f.yml")

    def by_hand(view: ClusterView, replicas: int) -> Any:
        return manual_scale(view, "web", replicas, "a sale is over", lambda: "id", policy).parameters

    assert by_hand(THREE, 1)["swarmherd_expected_leaving"] == ["web.2", "web.3"]
    assert by_hand(MANY, 14)["swarmherd_drain"] == "none"
    assert "swarmherd_drain" not in by_hand(THREE, 5)


@given(st.lists(st.sampled_from(["n1", "n2", "n3", "n4"]), min_size=2, max_size=16), st.data())
def test_what_is_drained_is_what_goes_and_the_rest_is_never_fewer_than_the_metrics_ask_for(
    at: list[str], data: st.DataObject
) -> None:
    then = data.draw(st.integers(1, len(at) - 1))
    wish, view = data.draw(st.integers(0, then)), cluster(*at)
    found = down(view, then, wish)
    [action] = found.actions
    replicas, said = action.parameters["swarmherd_replicas"], draining(found)
    assert then <= replicas == found.decisions[0].then < len(at)
    going = victims(view, view.services[0], len(at) - replicas)
    assert said.get("swarmherd_expected_leaving", sorted(going.tasks)) == sorted(going.tasks)
    assert (said["swarmherd_drain"] == "certain") is going.certain
    if said["swarmherd_drain"] == "all":
        assert len(at) - len(going.tasks) >= max(1, wish)
    unfilled = replace(view, tasks=view.tasks[1:])
    assert draining(down(unfilled, then, wish))["swarmherd_drain"] == "none"
