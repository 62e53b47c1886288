# SPDX-License-Identifier: GPL-3.0-or-later
"""Restarting one task by the module's method `stop`: its node takes tasks meanwhile, and it may come back there."""

from __future__ import annotations

import pytest
from ansible_collections.swarmherd.cluster.plugins.modules import service_move

DATA = [{"Type": "volume", "Source": "data", "Target": "/data"}]


@pytest.fixture
def shop(engine, make_service, make_node, make_task):
    """A service of two replicas, one of which publishes a port of its node in host mode."""
    engine.nodes += [make_node("n1"), make_node("n2"), make_node("n3")]
    held = make_service("shop", replicas=2)
    held["Spec"]["EndpointSpec"] = {"Ports": [{"PublishedPort": 80, "TargetPort": 80, "PublishMode": "host"}]}
    engine.services.append(held)
    engine.tasks += [make_task(held, 1, "id-n1", id="t1"), make_task(held, 2, "id-n2", id="t2")]
    return held


@pytest.fixture
def prepared(run_module, shop):  # noqa: ARG001  (the service must be there)
    def run(**changes):
        given = {"name": "shop", "task": "t1", "method": "stop", "state": "prepared", **changes}
        return run_module(service_move.main, **given)

    return run


def finished(run_module, before, **changes):
    given = {"name": "shop", "node": "id-n1", "task": "t1", "method": "stop", "before": before["tasks"]["before"]}
    return run_module(service_move.main, **{**given, "wait_timeout": 2, **changes})


def with_data(engine, shop):
    for spec in (shop["Spec"]["TaskTemplate"], *(task["Spec"] for task in engine.tasks)):
        spec["ContainerSpec"]["Mounts"] = DATA


def replaced(engine, shop, make_task, node):
    engine.tasks[0]["DesiredState"] = "shutdown"
    engine.tasks.append(make_task(shop, 1, node, id="t1-new", created_at="2026-01-01T00:01:00Z"))


def test_the_node_is_found_by_the_task_and_nothing_is_paused(prepared, engine):
    result = prepared()
    assert (result["changed"], result["node"]["hostname"]) == (False, "n1")
    assert [one["id"] for one in result["to_move"]] == ["t1"]
    assert engine.writes == []


def test_its_own_port_on_its_node_is_no_reason_that_it_cannot_come_back(prepared, engine):
    engine.nodes[2]["Spec"]["Availability"] = "drain"
    assert not prepared().get("failed")


@pytest.mark.parametrize("node", ["id-n1", "id-n3"])
def test_it_has_landed_where_it_was_or_elsewhere(prepared, run_module, engine, shop, make_task, node):
    before = prepared()
    replaced(engine, shop, make_task, node)
    result = finished(run_module, before)
    assert [(one["before"], one["after"], one["to_id"]) for one in result["moved"]] == [("t1", "t1-new", node)]
    assert result["restarted"] == []


def test_a_task_that_does_not_come_back_is_told(prepared, run_module):
    result = finished(run_module, prepared(), wait_timeout=1)
    assert result["failed"]
    assert result["msg"].startswith("waited 1 s for shop to run again: shop.1 is still on n1")


def test_what_has_a_volume_of_its_node_needs_the_others_paused(prepared, engine, shop):
    with_data(engine, shop)
    said = prepared()["msg"]
    assert said.startswith("refused: shop has a volume or path of its node, and might start on n3 without it; name")
    assert engine.writes == []
    result = prepared(avoid_nodes=["n2", "n3"])
    assert result["changed"]
    assert [node["Spec"]["Availability"] for node in engine.nodes] == ["active", "pause", "pause"]


def test_with_force_its_data_may_stay_behind(prepared, engine, shop):
    with_data(engine, shop)
    assert not prepared(force=True).get("failed")


def test_the_pauses_end_with_it_and_a_landing_without_the_data_is_told(prepared, run_module, engine, shop, make_task):
    with_data(engine, shop)
    before = prepared(avoid_nodes=["n2", "n3"])
    replaced(engine, shop, make_task, "id-n3")
    result = finished(run_module, before, allowed_nodes=["n1"])
    assert result["msg"].startswith("landed on the wrong node: shop.1 runs on n3")
    assert [node["Spec"]["Availability"] for node in engine.nodes] == ["active"] * 3


def test_without_node_and_task_nobody_knows_which(prepared, engine):
    assert prepared(task="")["msg"] == "node: it is missing; name the node, or one task that runs by its id"
    assert prepared(task="t")["msg"].startswith("node: it is missing"), "t1 or t2"
    assert engine.writes == []
