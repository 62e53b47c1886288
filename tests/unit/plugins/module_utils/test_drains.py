# SPDX-License-Identifier: GPL-3.0-or-later
"""When a node is empty, and what follows its tasks elsewhere."""

from __future__ import annotations

import pytest
from ansible_collections.swarmherd.cluster.plugins.module_utils import _drains as drains


@pytest.fixture
def nodes(make_node):
    return [make_node("n1"), make_node("n2")]


@pytest.mark.parametrize(("state", "alive"), [("running", 1), ("preparing", 1), ("shutdown", 0), ("rejected", 0)])
def test_a_task_counts_until_its_container_has_ended(state, alive, nodes, make_service, make_task):
    shop = make_service("shop")
    tasks = [make_task(shop, 1, "id-n1", state, desired="shutdown"), make_task(shop, 2, "id-n2")]
    assert len(drains.tasks_on("id-n1", tasks, [shop], nodes)) == alive


def test_of_a_node_that_is_down_nobody_hears_so_what_swarm_gave_up_does_not_count(nodes, make_service, make_task):
    shop = make_service("shop")
    tasks = [make_task(shop, 1, "id-n1", desired="shutdown"), make_task(shop, 2, "id-n1")]
    nodes[0]["Status"]["State"] = "down"
    assert [one["slot"] for one in drains.tasks_on("id-n1", tasks, [shop], nodes)] == [2]


def test_a_global_task_has_the_name_of_its_node_and_no_successor(nodes, make_service, make_task):
    agent, shop = make_service("agent", replicas=None), make_service("shop")
    tasks = [make_task(agent, 0, "id-n1", id="a"), make_task(shop, 1, "id-n1", id="s")]
    before = drains.tasks_on("id-n1", tasks, [agent, shop], nodes)
    assert [one["name"] for one in before] == ["agent.n1", "shop.1"]
    for task in tasks:
        task["DesiredState"] = "shutdown"
    tasks += [make_task(shop, 1, "", "pending", id="s2"), make_task(agent, 0, "id-n2", id="b")]
    after = drains.successors(before, tasks, [agent, shop], nodes)
    assert [(one["id"], one["node"], one["state"]) for one in after] == [("s2", "", "pending")]


def test_many_tasks_that_are_left_are_counted_and_ten_are_named():
    left = [{"name": f"shop.{n}", "state": "running"} for n in range(12)]
    assert drains.sentence(left).startswith("12 tasks are left: shop.0 is running, shop.1 is running")
    assert drains.sentence(left).endswith("shop.9 is running, …")


@pytest.mark.parametrize(
    ("availability", "labels", "who"),
    [
        ("active", {}, ""),
        ("active", {"swarmherd.paused": "shop.5"}, ""),
        ("pause", {}, "somebody"),
        ("drain", {}, "somebody"),
        ("pause", {"swarmherd.paused": "shop.5"}, "move"),
    ],
)
def test_who_had_set_an_availability_is_told_by_its_mark(availability, labels, who, make_node):
    assert drains.set_by(make_node("n1", availability=availability, labels=labels)) == who
