# SPDX-License-Identifier: GPL-3.0-or-later
"""From a Compose document to what is written, and what is said of one that cannot be."""

from __future__ import annotations

import copy

import pytest
from ansible_collections.swarmherd.cluster.plugins.module_utils._compose import stack
from ansible_collections.swarmherd.cluster.plugins.module_utils._errors import SwarmError
from ansible_collections.swarmherd.cluster.plugins.module_utils._service_spec import desired_spec, value_at

CONTAINER = ("TaskTemplate", "ContainerSpec")
SECOND = 10**9


def document(top=None, **web):
    return {"services": {"web": {"image": "shop:1", **web}}, **(top or {})}


def spec(held=None, top=None, **web):
    """What Docker would get for the service `web` of the stack `shop`. Ids are the names."""
    options = stack(document(top, **web), "shop").services["shop_web"]
    networks = [{"target": net["name"], "aliases": net["aliases"]} for net in options["networks"]]
    named = {kind: [{**item, "id": item["name"]} for item in options[kind]] for kind in ("secrets", "configs")}
    return desired_spec(held, {**options, **named, "networks": networks}, whole=True)


def test_the_least_service_gets_nothing_but_its_name_its_labels_and_the_stacks_network():
    assert spec() == {
        "Name": "shop_web",
        "Labels": {"com.docker.stack.namespace": "shop", "com.docker.stack.image": "shop:1"},
        "Mode": {"Replicated": {"Replicas": 1}},
        "TaskTemplate": {
            "ContainerSpec": {"Image": "shop:1", "Labels": {"com.docker.stack.namespace": "shop"}},
            "Networks": [{"Target": "shop_default", "Aliases": ["web"]}],
        },
    }


DEPLOY = {"resources": {"limits": {"cpus": "0.5", "memory": "64M", "pids": 9}, "reservations": {"memory": "32M"}}}
TOP = {
    "networks": {
        "front": {},
        "shared": {"external": True},
        "named": {"name": "other"},
        "old": {"external": {"name": "o"}},
    },
    "volumes": {
        "data": {"driver": "nfs", "driver_opts": {"o": "ro"}, "labels": ["a=b"]},
        "plain": None,
        "there": {"external": True},
    },
    "secrets": {"key": {"external": True}, "own": {"file": "./own.txt"}},
    "configs": {"page": {"external": True, "name": "page_v2"}},
}
OURS = {"Labels": {"com.docker.stack.namespace": "shop"}}
MEANINGS = [
    ({"entrypoint": "sh -c 'a b'", "command": ["x", 1]}, (*CONTAINER, "Command"), ["sh", "-c", "a b"]),
    ({"entrypoint": "sh -c 'a b'", "command": ["x", 1]}, (*CONTAINER, "Args"), ["x", "1"]),
    ({"environment": ["A=1", "B=x=y"]}, (*CONTAINER, "Env"), ["A=1", "B=x=y"]),
    ({"environment": {"A": 1, "B": None}}, (*CONTAINER, "Env"), ["A=1"]),
    ({"labels": {"a": 1}}, (*CONTAINER, "Labels", "a"), "1"),
    ({"deploy": {"labels": ["a=1", "b"]}}, ("Labels", "a"), "1"),
    ({"deploy": {"labels": ["a=1", "b"]}}, ("Labels", "b"), ""),
    ({"deploy": {"replicas": "3"}}, ("Mode", "Replicated", "Replicas"), 3),
    ({"deploy": {"mode": "global"}}, ("Mode",), {"Global": {}}),
    ({"deploy": {"endpoint_mode": "dnsrr"}}, ("EndpointSpec", "Mode"), "dnsrr"),
    (
        {"deploy": DEPLOY},
        ("TaskTemplate", "Resources"),
        {
            "Limits": {"NanoCPUs": SECOND // 2, "MemoryBytes": 64 << 20, "Pids": 9},
            "Reservations": {"MemoryBytes": 32 << 20},
        },
    ),
    (
        {
            "deploy": {
                "placement": {"constraints": ["node.role == worker"], "preferences": [{"spread": "node.labels.z"}]}
            }
        },
        ("TaskTemplate", "Placement"),
        {"Constraints": ["node.role == worker"], "Preferences": [{"Spread": {"SpreadDescriptor": "node.labels.z"}}]},
    ),
    ({"deploy": {"placement": {"max_replicas_per_node": 2}}}, ("TaskTemplate", "Placement", "MaxReplicas"), 2),
    ({"deploy": {"update_config": {"order": "start-first"}}}, ("UpdateConfig", "Order"), "start-first"),
    ({"deploy": {"update_config": {"failure_action": "rollback"}}}, ("UpdateConfig", "FailureAction"), "rollback"),
    ({"deploy": {"rollback_config": {"parallelism": 0}}}, ("RollbackConfig", "Parallelism"), 0),
    ({"deploy": {"restart_policy": {"delay": "1s"}}}, ("TaskTemplate", "RestartPolicy", "Delay"), SECOND),
    ({"stop_grace_period": "1m30s"}, (*CONTAINER, "StopGracePeriod"), 90 * SECOND),
    ({"healthcheck": {"disable": True}}, (*CONTAINER, "Healthcheck", "Test"), ["NONE"]),
    ({"healthcheck": {"test": "true"}}, (*CONTAINER, "Healthcheck", "Test"), ["CMD-SHELL", "true"]),
    ({"healthcheck": {"test": ["CMD", "t"], "retries": 2}}, (*CONTAINER, "Healthcheck", "Retries"), 2),
    ({"extra_hosts": ["db:10.0.0.9"]}, (*CONTAINER, "Hosts"), ["10.0.0.9 db"]),
    ({"extra_hosts": {"db": "fe80::1"}}, (*CONTAINER, "Hosts"), ["fe80::1 db"]),
    ({"logging": {"driver": "none"}}, ("TaskTemplate", "LogDriver"), {"Name": "none"}),
    ({"init": "true"}, (*CONTAINER, "Init"), True),
    ({"init": False}, (*CONTAINER, "Init"), False),
    ({"cap_add": ["net_admin", "ALL"]}, (*CONTAINER, "CapabilityAdd"), ["CAP_NET_ADMIN", "ALL"]),
    ({"dns": "10.0.0.1"}, (*CONTAINER, "DNSConfig"), {"Nameservers": ["10.0.0.1"]}),
    ({"sysctls": ["net.x=1"]}, (*CONTAINER, "Sysctls"), {"net.x": "1"}),
    ({"user": 1000, "working_dir": "/app"}, (*CONTAINER, "User"), "1000"),
    ({"hostname": "{{.Node.Hostname}}"}, (*CONTAINER, "Hostname"), "{{.Node.Hostname}}"),
    (
        {"networks": {"front": {"aliases": ["shop"]}, "shared": None}},
        ("TaskTemplate", "Networks"),
        [{"Target": "shop_front", "Aliases": ["web", "shop"]}, {"Target": "shared", "Aliases": ["web"]}],
    ),
    ({"networks": ["named"]}, ("TaskTemplate", "Networks"), [{"Target": "other", "Aliases": ["web"]}]),
    ({"networks": ["old"]}, ("TaskTemplate", "Networks"), [{"Target": "o", "Aliases": ["web"]}]),
    (
        {"ports": ["8080:80", {"target": 53, "published": "53", "protocol": "udp", "mode": "host"}]},
        ("EndpointSpec", "Ports"),
        [
            {"Protocol": "tcp", "TargetPort": 80, "PublishedPort": 8080, "PublishMode": "ingress"},
            {"Protocol": "udp", "TargetPort": 53, "PublishedPort": 53, "PublishMode": "host"},
        ],
    ),
    (
        {"ports": ["80/udp", "90-91:80-81"]},
        ("EndpointSpec", "Ports"),
        [
            {"Protocol": "udp", "TargetPort": 80, "PublishMode": "ingress"},
            {"Protocol": "tcp", "TargetPort": 80, "PublishedPort": 90, "PublishMode": "ingress"},
            {"Protocol": "tcp", "TargetPort": 81, "PublishedPort": 91, "PublishMode": "ingress"},
        ],
    ),
    (
        {"volumes": ["plain:/a:nocopy", "/host:/b:ro,rslave", "there:/c"], "tmpfs": "/d:size=1K"},
        (*CONTAINER, "Mounts"),
        [
            {
                "Type": "volume",
                "Source": "shop_plain",
                "Target": "/a",
                "ReadOnly": False,
                "VolumeOptions": {"NoCopy": True, **OURS},
            },
            {
                "Type": "bind",
                "Source": "/host",
                "Target": "/b",
                "ReadOnly": True,
                "BindOptions": {"Propagation": "rslave"},
            },
            {"Type": "volume", "Source": "there", "Target": "/c", "ReadOnly": False},
            {"Type": "tmpfs", "Source": "", "Target": "/d", "ReadOnly": False, "TmpfsOptions": {"SizeBytes": 1024}},
        ],
    ),
    (
        {"volumes": [{"type": "volume", "source": "data", "target": "/a", "read_only": True}]},
        (*CONTAINER, "Mounts"),
        [
            {
                "Type": "volume",
                "Source": "shop_data",
                "Target": "/a",
                "ReadOnly": True,
                "VolumeOptions": {
                    "Labels": {"a": "b", "com.docker.stack.namespace": "shop"},
                    "DriverConfig": {"Name": "nfs", "Options": {"o": "ro"}},
                },
            }
        ],
    ),
    (
        {"secrets": ["key", {"source": "own", "target": "/x", "uid": "5", "mode": 0o440}]},
        (*CONTAINER, "Secrets"),
        [
            {"SecretID": "key", "SecretName": "key", "File": {"Name": "key", "UID": "0", "GID": "0", "Mode": 0o444}},
            {
                "SecretID": "shop_own",
                "SecretName": "shop_own",
                "File": {"Name": "/x", "UID": "5", "GID": "0", "Mode": 0o440},
            },
        ],
    ),
    (
        {"configs": [{"source": "page", "mode": "0400"}]},
        (*CONTAINER, "Configs"),
        [
            {
                "ConfigID": "page_v2",
                "ConfigName": "page_v2",
                "File": {"Name": "page", "UID": "0", "GID": "0", "Mode": 0o400},
            }
        ],
    ),
]


@pytest.mark.parametrize(("web", "path", "value"), MEANINGS, ids=[f"{n}-{m[1][-1]}" for n, m in enumerate(MEANINGS)])
def test_what_a_file_says_is_what_docker_gets_once_and_for_all(web, path, value):
    written = spec(top=TOP, **web)
    assert value_at(written, path) == value
    assert spec(held=copy.deepcopy(written), top=TOP, **web) == written


@pytest.mark.parametrize(("web", "path", "value"), MEANINGS, ids=[f"{n}-{m[1][-1]}" for n, m in enumerate(MEANINGS)])
def test_what_leaves_the_file_leaves_the_service(web, path, value):
    """But for the mode, which Docker cannot change, and the count, which is the autoscaler's."""
    if path[0] == "Mode":
        return
    after = spec(held=spec(top=TOP, **web), top=TOP)
    assert value_at(after, path) != value


def test_an_initial_count_is_for_a_new_service_alone():
    held = spec(deploy={"replicas": 5})
    options = stack(document(deploy={"replicas": 2}), "shop").services["shop_web"]
    wanted = {**options, "networks": [], "initial_replicas": options["replicas"], "replicas": None}
    assert desired_spec(held, wanted, whole=True)["Mode"] == {"Replicated": {"Replicas": 5}}
    assert desired_spec(None, wanted, whole=True)["Mode"] == {"Replicated": {"Replicas": 2}}


def test_a_stack_has_the_networks_that_its_services_use_and_no_others():
    found = stack(document(TOP, networks=["front", "shared"]), "shop")
    assert {name: net["external"] for name, net in found.networks.items()} == {"shop_front": False, "shared": True}
    assert found.networks["shop_front"]["labels"] == {"com.docker.stack.namespace": "shop"}


def test_a_network_is_told_with_its_settings():
    front = {"driver_opts": {"encrypted": ""}, "attachable": True, "ipam": {"config": [{"subnet": "10.9.0.0/24"}]}}
    found = stack(document({"networks": {"default": front}}), "shop").networks["shop_default"]
    assert (found["options"], found["attachable"], found["subnets"]) == ({"encrypted": ""}, True, ["10.9.0.0/24"])


def test_what_has_no_effect_is_a_warning_and_what_is_the_writers_own_is_none():
    found = stack(document({"version": "3.8", "x-a": 1}, depends_on=["db"], restart="always"), "shop")
    assert found.warnings == [
        "services.web.depends_on is ignored: Swarm starts all services at once",
        "services.web.restart is ignored: deploy.restart_policy says it for Swarm",
    ]


WRONG = [
    ({"privileged": True}, r"services\.web\.privileged is not supported: .* cap_add"),
    ({"comand": "x"}, r"services\.web\.comand is not supported: write command"),
    ({"zzz": "x"}, r"services\.web\.zzz is not supported: take it out; known are .*image"),
    ({"network_mode": "host"}, "external network called host"),
    ({"env_file": "a"}, r"services\.web\.env_file is not supported"),
    ({"image": ""}, r"services\.web\.image: there is none"),
    ({"image": ["a"]}, r"services\.web\.image: this is a list; write text"),
    ({"command": "sh -c 'x"}, r"services\.web\.command: No closing quotation"),
    ({"environment": {"A": True}}, r"services\.web\.environment\.A: .*quote it"),
    ({"deploy": []}, r"services\.web\.deploy: this is a list; write a dictionary"),
    ({"deploy": {"replica": 1}}, r"services\.web\.deploy\.replica is not supported: write replicas"),
    ({"deploy": {"replicas": "many"}}, r"services\.web\.deploy\.replicas: write a whole number"),
    ({"deploy": {"replicas": -1}}, r"services\.web\.deploy\.replicas: write a whole number"),
    ({"deploy": {"mode": "global", "replicas": 2}}, r"services\.web\.deploy\.replicas: a global service"),
    ({"deploy": {"mode": "replicated-job"}}, r"deploy\.mode: 'replicated-job' is none of"),
    ({"deploy": {"update_config": {"failure_action": "undo"}}}, r"update_config\.failure_action: 'undo' is none of"),
    ({"deploy": {"rollback_config": {"failure_action": "rollback"}}}, r"rollback_config\.failure_action"),
    ({"deploy": {"update_config": {"delay": "soon"}}}, r"services\.web\.deploy\.update_config\.delay: 'soon'"),
    ({"deploy": {"update_config": {"max_failure_ratio": 2}}}, r"max_failure_ratio: write a number from 0 to 1"),
    ({"deploy": {"update_config": {"parallelism": True}}}, r"parallelism: write a whole number"),
    ({"deploy": {"restart_policy": {"condition": "always"}}}, r"restart_policy\.condition: 'always' is none of"),
    ({"deploy": {"resources": {"limits": {"memory": "lots"}}}}, r"services\.web\.deploy\.resources\.limits\.memory"),
    ({"deploy": {"resources": {"limits": {"cpus": "all"}}}}, r"resources\.limits\.cpus"),
    ({"deploy": {"resources": {"reservations": {"devices": [1]}}}}, "constraint on a node label"),
    ({"deploy": {"placement": {"constraints": ["node.role"]}}}, r"deploy\.placement\.constraints: .*compares nothing"),
    ({"networks": ["nowhere"]}, r"services\.web\.networks\.nowhere: no such network; declare it"),
    ({"networks": {"front": {"ipv4_address": "10.0.0.1"}}}, "Swarm chooses addresses"),
    ({"ports": ["80:80:80:80:x"]}, r"services\.web\.ports\[0\]: .* is no port"),
    ({"ports": ["127.0.0.1:80:80"]}, r"services\.web\.ports\[0\]: Swarm publishes on all addresses"),
    ({"ports": ["80-82:90-91"]}, "ranges of different lengths"),
    ({"ports": ["82-80"]}, "ends before it begins"),
    ({"ports": [70000]}, "ports are from 1 to 65535"),
    ({"ports": "80:80"}, r"services\.web\.ports: this is text; write a list"),
    ({"volumes": ["./data:/data"]}, r"services\.web\.volumes\[0\]: a path on the nodes begins with /"),
    ({"volumes": ["nowhere:/data"]}, "no such volume nowhere; declare it under volumes"),
    ({"volumes": ["plain:/data:z"]}, "z is not supported"),
    ({"volumes": [{"type": "npipe", "target": "/x"}]}, r"volumes\[0\]\.type: 'npipe' is none of"),
    ({"volumes": [{"type": "bind", "target": "/x"}]}, "begins with /"),
    ({"tmpfs": "/x:mode=1"}, "mode is not supported"),
    ({"secrets": ["nowhere"]}, r"services\.web\.secrets\[0\]: nowhere is not declared; declare it under secrets"),
    ({"configs": [{"source": "page", "mode": "rw"}]}, r"configs\[0\]\.mode: write the file's mode as 0440"),
    ({"healthcheck": {"test": ["curl"]}}, r"services\.web\.healthcheck\.test: begin the list with CMD"),
    ({"stop_grace_period": "later"}, r"services\.web\.stop_grace_period"),
    ({"read_only": "maybe"}, r"services\.web\.read_only: write true or false"),
]


@pytest.mark.parametrize(("web", "message"), WRONG, ids=[f"{n}-{next(iter(w[0]))}" for n, w in enumerate(WRONG)])
def test_what_cannot_be_is_one_error_with_its_key_and_a_remedy(web, message):
    with pytest.raises(SwarmError, match=message):
        stack(document(TOP, **web), "shop")


@pytest.mark.parametrize(
    ("broken", "name", "message"),
    [
        ({}, "shop", "services: there are none"),
        (["a"], "shop", "the document: this is a list; write a dictionary"),
        (document({"servces": {}}), "shop", "servces is not supported: write services"),
        (document(), "shop web", "'shop web' cannot be a stack's name"),
        (document({"networks": {"a": {"enable_ipv6": True}}}), "shop", r"networks\.a\.enable_ipv6 is not supported"),
        (document({"volumes": {"a": {"size": 1}}}), "shop", r"volumes\.a\.size is not supported"),
        (document({"secrets": {"a": {"content": "x"}}}), "shop", r"secrets\.a\.content .*external: true"),
        (document({"networks": {"a": {"external": "maybe"}}}), "shop", "external: write true or false"),
    ],
)
def test_a_document_that_is_no_stack_is_refused(broken, name, message):
    with pytest.raises(SwarmError, match=message):
        stack(broken, name)


def test_an_error_never_shows_a_secret():
    with pytest.raises(SwarmError) as caught:
        stack(document(environment={"PASSWORD": ["geheim"]}), "shop")
    assert "geheim" not in str(caught.value)


# ---------------------------------------------------------------- failing over


def delay_of(fast=(), **web):
    options = stack(document(**web), "shop", fast).services["shop_web"]
    return options["restart_policy"]["delay"], options["labels"].get("swarmherd.failover")


def test_a_service_that_fails_over_fast_is_restarted_at_once():
    assert delay_of() == ("5s", None)
    assert delay_of(deploy={"labels": {"swarmherd.failover": "fast"}}) == ("0s", "fast")
    assert delay_of(deploy={"labels": ["swarmherd.failover=fast"]}) == ("0s", "fast")
    assert delay_of(fast=["shop_web", "other_web"]) == ("0s", "fast")
    assert delay_of(fast=["web"]) == ("5s", None)


def test_what_the_file_says_of_restarting_wins():
    assert delay_of(fast=["shop_web"], deploy={"restart_policy": {"delay": "2s"}}) == ("2s", "fast")


def test_a_speed_that_there_is_not_names_its_key():
    with pytest.raises(SwarmError, match=r"services\.web\.deploy\.labels\.swarmherd\.failover: 'quick' is no speed"):
        delay_of(deploy={"labels": {"swarmherd.failover": "quick"}})
