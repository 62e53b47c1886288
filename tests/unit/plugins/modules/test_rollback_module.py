# SPDX-License-Identifier: GPL-3.0-or-later
"""Rolling back as Ansible runs it: Docker's own rollback, once, and never forward again."""

from __future__ import annotations

import json

import pytest
from ansible_collections.swarmherd.cluster.plugins.modules import service_rollback

pytestmark = pytest.mark.usefixtures("shop")


@pytest.fixture
def shop(engine, make_service, make_task, make_node):
    """A service whose new image does not start; Swarm, played by the engine, has paused its update."""
    engine.nodes.append(make_node("n1"))
    held = make_service("shop", replicas=2)
    held["PreviousSpec"] = json.loads(json.dumps(held["Spec"]))
    held["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"] = "shop:2"
    held["UpdateStatus"] = {"State": "paused", "Message": "update paused due to failure"}
    engine.services.append(held)
    engine.tasks[:] = [make_task(held, 1), make_task(held, 2, state="rejected", error="No such image")]

    def follow():
        for task in engine.tasks:
            task["Spec"] = json.loads(json.dumps(held["Spec"]["TaskTemplate"]))
            task["Status"]["State"] = "running"

    def follow_rollback():
        held["UpdateStatus"] = {"State": "rollback_completed"}
        follow()

    engine.after_write = follow
    engine.after_rollback = follow_rollback
    return held


def test_the_previous_specification_is_in_force_again(run_module, engine, shop):
    result = run_module(service_rollback.main, name="shop", expected_version=10)
    assert (result["changed"], result["changes"], result["version"]) == (True, ["image"], 11)
    assert (result["running"], result["failures"]) == (2, [])
    assert shop["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"] == "shop:1"
    assert (engine.rollbacks, engine.writes) == (1, [])


def test_what_was_rolled_back_is_not_brought_forward_again(run_module, engine):
    run_module(service_rollback.main, name="shop")
    result = run_module(service_rollback.main, name="shop")
    assert (result["changed"], result["changes"], engine.rollbacks) == (False, [], 1)


def test_check_mode_tells_the_same_and_writes_nothing(run_module, engine):
    result = run_module(service_rollback.main, name="shop", _ansible_check_mode=True, _ansible_diff=True)
    assert (result["changed"], result["changes"]) == (True, ["image"])
    assert result["diff"] == {"before": {"image": "shop:2"}, "after": {"image": "shop:1"}}
    assert engine.rollbacks == 0


def test_a_paused_rollback_is_resumed_by_the_same_specification(run_module, engine, shop):
    del shop["PreviousSpec"]
    shop["UpdateStatus"] = {"State": "rollback_paused"}
    held = json.loads(json.dumps(shop["Spec"]))
    engine.after_write = lambda follow=engine.after_write: (shop.pop("UpdateStatus", None), follow())
    result = run_module(service_rollback.main, name="shop")
    assert (result["changed"], result["changes"], engine.writes) == (True, [], [held])


def test_without_a_previous_specification_the_remedy_is_told(run_module, engine, shop):
    del shop["PreviousSpec"]
    result = run_module(service_rollback.main, name="shop")
    assert result["failed"]
    assert "shop has no previous specification to go back to" in result["msg"]
    assert engine.rollbacks == 0


def test_a_service_that_was_changed_since_is_a_conflict(run_module, engine):
    result = run_module(service_rollback.main, name="shop", expected_version=9)
    assert (result["failed"], result["conflict"], result["found"]) == (True, True, {"replicas": 2, "version": 10})
    assert engine.rollbacks == 0


def test_another_writer_in_between_is_a_conflict_where_a_version_is_expected(run_module, engine, shop):
    def other():
        engine.before_write = lambda: None
        shop["Version"] = {"Index": 11}

    engine.before_write = other
    result = run_module(service_rollback.main, name="shop", expected_version=10)
    assert (result["failed"], result["conflict"], result["found"]["version"]) == (True, True, 11)
    assert engine.rollbacks == 0


def test_a_rollback_that_is_paused_as_well_is_told_with_its_reason(run_module, engine, shop):
    def pause():
        shop["UpdateStatus"] = {"State": "rollback_paused", "Message": "rollback paused"}

    engine.after_rollback = pause
    result = run_module(service_rollback.main, name="shop", wait_timeout=2)
    assert result["failed"]
    assert "Swarm stopped the update of shop" in result["msg"]
    assert "No such image" in result["msg"]


def test_a_job_is_rolled_back_and_not_waited_for(run_module, engine, shop):
    for spec in (shop["Spec"], shop["PreviousSpec"]):
        spec["Mode"] = {"GlobalJob": {}}
    engine.after_rollback = lambda: None
    del shop["UpdateStatus"]
    engine.tasks[:] = [{**engine.tasks[0], "DesiredState": "complete"}]
    result = run_module(service_rollback.main, name="shop", wait_timeout=0)
    assert (result["changed"], "failed" in result) == (True, False)


def test_an_engine_that_refuses_is_told_in_its_own_words(run_module, engine):
    engine.refuses = "service shop does not have a previous spec"
    result = run_module(service_rollback.main, name="shop")
    assert result["failed"]
    assert result["msg"] == "cannot roll back the service shop: service shop does not have a previous spec"
