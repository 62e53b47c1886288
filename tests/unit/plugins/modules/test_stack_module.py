# SPDX-License-Identifier: GPL-3.0-or-later
"""Deploying a stack as Ansible runs the module: what was decided since stays, and the rest is as the file says."""

from __future__ import annotations

import re

import pytest
from ansible_collections.swarmherd.cluster.plugins.modules import service, service_scale, stack

NAMESPACE = "com.docker.stack.namespace"
ANCHOR = "node.labels.swarmherd.anchor.shop_db == yes"


@pytest.fixture
def swarm(engine, make_node, make_task):
    """A Swarm on loopback that starts and stops tasks as its services say."""
    engine.nodes.append(make_node("n1"))

    def follow():
        engine.tasks[:] = [
            make_task(found, slot, id=f"{found['Spec']['Name']}.{slot}")
            for found in engine.services
            for slot in range(1, count(found) + 1)
        ]

    engine.after_write = follow
    return engine


def count(found):
    return found["Spec"]["Mode"]["Replicated"]["Replicas"]


def document(tag="1", **web):
    return {"services": {"web": {"image": f"shop:{tag}", **web}}}


@pytest.fixture
def deploy(run_module, swarm):
    def run(compose, **options):
        return run_module(stack.main, docker_host=swarm.url, name="shop", compose=compose, wait=False, **options)

    return run


def held(swarm, name="shop_web"):
    return next(found["Spec"] for found in swarm.services if found["Spec"]["Name"] == name)


def test_a_new_stack_gets_its_network_and_services_with_dockers_labels(deploy, swarm):
    result = deploy(document(deploy={"replicas": 3}))
    assert result["changed"]
    assert result["networks"] == ["shop_default"]
    assert result["services"]["shop_web"]["replicas"] == {"before": 0, "after": 3}
    assert [(net["Name"], net["Labels"], net["Scope"]) for net in swarm.networks] == [
        ("shop_default", {NAMESPACE: "shop"}, "swarm")
    ]
    assert held(swarm)["Labels"][NAMESPACE] == "shop"
    assert held(swarm)["TaskTemplate"]["Networks"] == [{"Target": "id-shop_default", "Aliases": ["web"]}]


def test_the_second_run_changes_nothing(deploy, swarm):
    deploy(document(environment={"A": 1}, ports=["80:80"]))
    writes = len(swarm.writes)
    result = deploy(document(environment={"A": 1}, ports=["80:80"]), _ansible_diff=True)
    assert not result["changed"]
    assert result["diff"] == {"before": {}, "after": {}}
    assert len(swarm.writes) == writes


def test_a_new_version_keeps_the_count_and_what_is_ours_and_updates_the_rest(deploy, swarm, run_module):
    """S17: users.md asks for it: a deploy that does not reset the scale."""
    deploy(document(deploy={"replicas": 2, "labels": {"owner": "web"}}, environment={"OLD": 1}))
    run_module(service_scale.main, name="shop_web", replicas=5, wait=False)
    run_module(service.main, name="shop_web", constraints=[ANCHOR], labels={"swarmherd.scale.max": 9}, wait=False)
    result = deploy(
        document(
            "2", deploy={"replicas": 3, "placement": {"constraints": ["node.role == worker"]}}, environment=["NEW=1"]
        )
    )
    web = held(swarm)
    assert web["TaskTemplate"]["ContainerSpec"]["Image"] == "shop:2"
    assert web["TaskTemplate"]["ContainerSpec"]["Env"] == ["NEW=1"]
    assert web["TaskTemplate"]["Placement"]["Constraints"] == ["node.role == worker", ANCHOR]
    assert web["Labels"] == {"swarmherd.scale.max": "9", NAMESPACE: "shop", "com.docker.stack.image": "shop:2"}
    assert result["services"]["shop_web"]["replicas"] == {"before": 5, "after": 5}
    assert result["services"]["shop_web"]["changes"] == ["labels", "image", "env", "constraints"]


def test_the_count_of_the_file_is_set_where_that_is_asked_for(deploy, run_module):
    deploy(document(deploy={"replicas": 2}))
    run_module(service_scale.main, name="shop_web", replicas=5, wait=False)
    result = deploy(document(deploy={"replicas": 2}), scale="file")
    assert result["services"]["shop_web"]["replicas"] == {"before": 5, "after": 2}


def test_a_count_of_nothing_is_shown_as_such(deploy):
    deploy(document(deploy={"replicas": 2}))
    result = deploy(document(deploy={"replicas": 0}), scale="file", _ansible_diff=True)
    assert result["diff"] == {
        "before": {"services": {"shop_web": {"replicas": 2}}},
        "after": {"services": {"shop_web": {"replicas": 0}}},
    }


def test_a_zero_that_a_person_set_stays_a_zero(deploy, swarm, run_module):
    deploy(document(deploy={"replicas": 2}))
    run_module(service_scale.main, name="shop_web", replicas=0, wait=False)
    deploy(document("2", deploy={"replicas": 2}))
    assert count({"Spec": held(swarm)}) == 0


def test_check_mode_foretells_the_deployment_and_writes_nothing(deploy, swarm):
    compose = document(environment={"PASSWORD": "geheim"}, networks=["front"])
    compose["networks"] = {"front": None}
    told = deploy(compose, _ansible_check_mode=True, _ansible_diff=True)
    assert swarm.writes == []
    done = deploy(compose, _ansible_diff=True)
    assert told["changed"]
    assert told["diff"] == done["diff"]
    assert told["diff"]["after"]["services"]["shop_web"]["networks"] == ["shop_front"]
    assert told["diff"]["after"]["networks"] == ["shop_front"]


def test_no_secret_is_in_a_result_and_no_secret_blanks_out_the_rest(deploy):
    compose = document(environment={"PASSWORD": "geheim", "ONE": "1", "NAME": "shop_web"}, deploy={"replicas": 1})
    result = deploy(compose, _ansible_diff=True, _ansible_verbosity=3)
    assert "geheim" not in str(result)
    assert result["services"]["shop_web"]["replicas"] == {"before": 0, "after": 1}
    if "invocation" in result:  # from ansible-core 2.21 on a module does not say how it was called
        assert result["invocation"]["module_args"]["compose"] == "(hidden)"


def test_what_left_the_file_stays_with_a_warning_until_pruned(deploy, swarm):
    both = document()
    both["services"]["old"] = {"image": "old:1"}
    deploy(both)
    result = deploy(document())
    assert (result["changed"], result["left"], result["pruned"]) == (False, ["shop_old"], [])
    assert result["warnings"] == ["shop_old is of the stack and not in the file; it stays"]
    told = deploy(document(), prune=True, _ansible_check_mode=True)
    assert (told["changed"], told["pruned"]) == (True, ["shop_old"])
    assert len(swarm.services) == 2
    result = deploy(document(), prune=True)
    assert (result["changed"], result["left"], result["pruned"]) == (True, [], ["shop_old"])
    assert [found["Spec"]["Name"] for found in swarm.services] == ["shop_web"]
    assert not deploy(document(), prune=True)["changed"]


def test_what_was_pruned_before_something_failed_is_a_change(deploy, run_module, swarm):
    deploy(document())
    swarm.after_write = lambda: None
    options = {"name": "shop", "compose": {"services": {"api": {"image": "api:1"}}}, "prune": True, "wait_timeout": 0}
    result = run_module(stack.main, **options)
    assert (result["failed"], result["changed"]) == (True, True)
    assert result["msg"] == "waited 0 s for the tasks of shop_web to stop: 1 still run"
    assert swarm.services == []
    swarm.create = lambda _path, _made: (500, {"message": "full"})
    result = deploy({"services": {"api": {"image": "api:1"}}, "networks": {"default": {"name": "other"}}}, prune=True)
    assert (result["failed"], result["changed"]) == (True, False)


def test_pruning_and_the_rest_are_waited_for_within_one_bound(deploy, run_module, swarm):
    both = document()
    both["services"]["old"] = {"image": "old:1"}
    deploy(both)
    swarm.after_write = lambda: None
    swarm.tasks[:] = [task for task in swarm.tasks if task["ServiceID"] == "id-shop_old"]
    get, looks = swarm.get, []

    def later(path):
        looks.append(path)
        if looks.count("/tasks") > 1:
            swarm.tasks[:] = []
        return get(path)

    swarm.get = later
    result = run_module(stack.main, name="shop", compose=document(), prune=True, wait_timeout=1)
    assert re.match(r"waited 0(\.\d)? s for shop_web to converge: 0 of 1 tasks run", result["msg"])


def test_managers_without_a_leader_do_not_hide_what_was_deployed(run_module, swarm):
    get = swarm.get
    swarm.get = lambda path: (503, {"message": "no: it does not have a leader"}) if path == "/nodes" else get(path)
    result = run_module(stack.main, name="shop", compose=document(), wait_timeout=0)
    assert (result["failed"], result["changed"], list(result["services"])) == (True, True, ["shop_web"])
    assert result["msg"].startswith("waited 0 s for shop_web to converge: cannot list the nodes")


def test_a_network_that_cannot_be_created_does_not_hide_what_was_pruned(deploy, swarm):
    deploy(document())
    swarm.create = lambda _path, _made: (500, {"message": "full"})
    result = deploy(
        {"services": {"api": {"image": "api:1", "networks": ["front"]}}, "networks": {"front": {}}}, prune=True
    )
    assert result["msg"] == "cannot create the network shop_front: full"
    assert (result["failed"], result["changed"]) == (True, True)


def test_a_service_of_nobodys_stack_is_not_pruned(deploy, swarm, make_service):
    swarm.services.append(make_service("shop_other"))
    result = deploy(document(), prune=True)
    assert result["pruned"] == []


def test_a_mistake_in_one_service_leaves_all_as_they_are(deploy, swarm):
    deploy(document())
    writes = len(swarm.writes)
    broken = document("2")
    broken["services"]["api"] = {"image": "api:1", "ports": ["80:80"], "deploy": {"endpoint_mode": "dnsrr"}}
    result = deploy(broken)
    assert result["failed"]
    assert result["msg"].startswith("shop_api: publish: ports in ingress mode need endpoint_mode vip")
    assert len(swarm.writes) == writes


@pytest.mark.parametrize(
    ("compose", "message"),
    [
        (document(privileged=True), "stack.yml: services.web.privileged is not supported"),
        (
            document(deploy={"mode": "global"}),
            "shop_web: mode: shop_web is replicated, and Docker cannot make it global",
        ),
        (
            {**document(secrets=["key"]), "secrets": {"key": {"external": True}}},
            "secrets: no secret of the Swarm is called key; create it first: docker secret create key FILE",
        ),
        (
            {**document(networks=["there"]), "networks": {"there": {"external": True}}},
            "networks: no network of the Swarm is called there; create it first",
        ),
        (
            {**document(), "networks": {"default": {"driver_opts": {"password": "secret"}}}},
            "networks: shop_default is there with other settings: driver_opts.password is another; Docker cannot",
        ),
        (
            {**document(), "networks": {"default": {"attachable": True}}},
            "networks: shop_default is there with other settings: attachable is False and not True",
        ),
    ],
)
def test_what_cannot_be_is_told_and_nothing_is_written(compose, message, run_module, deploy, swarm):
    deploy(document())
    writes = len(swarm.writes)
    result = run_module(stack.main, name="shop", file="stack.yml", compose=compose, wait=False)
    assert result["failed"]
    assert result["msg"].startswith(message)
    assert len(swarm.writes) == writes


def test_a_service_of_another_stack_is_never_taken_over(deploy, swarm, make_service):
    theirs = make_service("shop_web")
    theirs["Spec"]["Labels"] = {NAMESPACE: "other"}
    swarm.services.append(theirs)
    assert "the service shop_web is of the stack other" in deploy(document())["msg"]


def test_a_secret_that_is_there_is_referred_to_by_its_id(deploy, swarm):
    swarm.secrets.append({"ID": "s1", "Spec": {"Name": "shop_key"}})
    deploy({**document(secrets=["key"]), "secrets": {"key": {"file": "key.txt"}}})
    [reference] = held(swarm)["TaskTemplate"]["ContainerSpec"]["Secrets"]
    assert (reference["SecretID"], reference["SecretName"], reference["File"]["Name"]) == ("s1", "shop_key", "key")


def test_dockers_own_network_is_the_one_of_the_swarm_that_no_list_shows(deploy, swarm):
    swarm.networks.append({"Name": "host", "Id": "of-the-engine", "Scope": "local"})
    swarm.hidden_networks.append({"Name": "host", "Id": "of-the-swarm", "Scope": "swarm"})
    deploy({**document(networks=["host"]), "networks": {"host": {"external": True}}})
    assert [network["Target"] for network in held(swarm)["TaskTemplate"]["Networks"]] == ["of-the-swarm"]


def test_another_writer_in_between_keeps_his_count(deploy, swarm):
    deploy(document())
    left = [1]

    def scale():
        if left.pop() if left else 0:
            found = swarm.services[0]
            found["Spec"]["Mode"]["Replicated"]["Replicas"] = 7
            found["Version"] = {"Index": found["Version"]["Index"] + 1}

    swarm.before_write = scale
    result = deploy(document("2"))
    assert result["services"]["shop_web"]["replicas"] == {"before": 7, "after": 7}
    assert held(swarm)["TaskTemplate"]["ContainerSpec"]["Image"] == "shop:2"


def test_what_was_written_before_the_engine_failed_is_told(deploy, swarm):
    both = document()
    both["services"]["api"] = {"image": "api:1"}
    create = swarm.create
    swarm.create = lambda path, made: (500, {"message": "full"}) if made["Name"] == "shop_api" else create(path, made)
    result = deploy(both)
    assert result["failed"]
    assert result["changed"]
    assert result["msg"] == "shop_api: cannot create the service shop_api: full; written before: shop_web"


def test_a_rollout_that_was_rolled_back_fails_with_what_its_tasks_said(run_module, deploy, swarm, make_task):
    deploy(document())

    def roll_back():
        found = swarm.services[0]
        tried = found["Spec"]["TaskTemplate"]
        found["Spec"] = {**found["Spec"], "TaskTemplate": {**tried, "ContainerSpec": {"Image": "shop:1"}}}
        found["UpdateStatus"] = {"State": "rollback_completed", "Message": "rolled back"}
        swarm.tasks[:] = [
            make_task(found, 1),
            make_task(found, 1, state="failed", desired="shutdown", spec=tried, error="task: non-zero exit (3)"),
        ]

    get = swarm.get
    looks = []

    def later(path):  # the module has read what it wrote, and is waiting
        looks.append(path)
        if path == "/nodes" and len(looks) > 4 and "UpdateStatus" not in swarm.services[0]:
            roll_back()
        return get(path)

    swarm.get = later
    result = run_module(stack.main, name="shop", compose=document("2"), wait_timeout=5)
    web = result["services"]["shop_web"]
    assert result["failed"]
    assert web["rolled_back"] is True
    assert [failure["error"] for failure in web["failures"]] == ["task: non-zero exit (3)"]
    assert "Swarm stopped the update of shop_web: 1 of 1 tasks run; update rollback_completed" in result["msg"]
    assert "shop_web.1 on n1 is failed: task: non-zero exit (3)" in result["msg"]
