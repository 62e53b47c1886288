# SPDX-License-Identifier: GPL-3.0-or-later
"""From parameters and what Docker holds to what is written."""

from __future__ import annotations

import copy

import pytest
from ansible_collections.swarmherd.cluster.plugins.module_utils import _service_attachments as attachments
from ansible_collections.swarmherd.cluster.plugins.module_utils import _service_fields as fields
from ansible_collections.swarmherd.cluster.plugins.module_utils import _service_spec as service_spec
from ansible_collections.swarmherd.cluster.plugins.module_utils._errors import SwarmError
from ansible_collections.swarmherd.cluster.plugins.module_utils._values import stripped

SECOND = 10**9

HELD = {
    "Name": "shop",
    "Labels": {"owner": "web", "swarmherd.scale.max": "9"},
    "Mode": {"Replicated": {"Replicas": 4}},
    "TaskTemplate": {
        "ContainerSpec": {
            "Image": "shop:1@sha256:abc",
            "Args": ["serve"],
            "Env": ["B=2", "A=1"],
            "Secrets": [{"SecretName": "key"}],
            "Mounts": [{"Type": "volume", "Source": "data", "Target": "/data", "VolumeOptions": {"NoCopy": True}}],
            "DNSConfig": {},
        },
        "Resources": {"Limits": {"NanoCPUs": 5 * 10**8, "MemoryBytes": 64 << 20, "Pids": 50}, "Reservations": {}},
        "Placement": {"Constraints": ["node.role==worker"], "Platforms": [{"OS": "linux"}], "MaxReplicas": 3},
        "Networks": [{"Target": "n1", "Aliases": ["web"]}],
        "RestartPolicy": {"Condition": "any", "Delay": 5 * SECOND, "MaxAttempts": 0},
        "ForceUpdate": 2,
        "Runtime": "container",
    },
    "UpdateConfig": {"Parallelism": 2, "Order": "start-first", "FailureAction": "pause", "MaxFailureRatio": 0},
    "EndpointSpec": {"Mode": "vip", "Ports": [{"TargetPort": 80, "PublishedPort": 8080, "Protocol": "tcp"}]},
}

SAME = [
    {"image": "shop:1"},
    {"image": "shop:1@sha256:abc"},
    {"args": ["serve"]},
    {"env": {"A": 1, "B": "2"}},
    {"env": {"GONE": None}},
    {"labels": {"owner": "web"}},
    {"labels": {"gone": None}},
    {"container_labels": {}},
    {"command": []},
    {"user": ""},
    {"hosts": {}},
    {"replicas": 4},
    {"mode": "replicated"},
    {"limits": {"cpus": 0.5, "memory": "64M"}},
    {"limits": {"cpus": 0.5, "memory": None}},
    {"reservations": {"cpus": 0, "memory": "0"}},
    {"constraints": ["node.role == worker"]},
    {"networks": ["n1"]},
    {"restart_policy": {"condition": "any", "delay": "5s", "window": "0"}},
    {"update_config": {"parallelism": 2, "monitor": "5s", "order": "start-first"}},
    {"update_config": {"monitor": "0s"}},
    {"rollback_config": {"parallelism": 1, "order": "stop-first", "failure_action": "pause"}},
    {"endpoint_mode": "vip"},
    {"publish": [{"target_port": 80, "published_port": 8080, "protocol": "tcp", "mode": "ingress"}]},
    {"mounts": [{"type": "volume", "source": "data", "target": "/data", "readonly": False}]},
    {"stop_grace_period": "10s"},
    {"placement_preferences": []},
    {"force_update": False},
]


@pytest.mark.parametrize("params", SAME, ids="-".join)
def test_what_means_the_same_as_docker_holds_changes_nothing(params):
    assert service_spec.desired_spec(HELD, {"name": "shop", **params}) == HELD


DIFFERENT = [
    ({"image": "shop:2"}, "Image", "shop:2"),
    ({"image": "shop:1@sha256:def"}, "Image", "shop:1@sha256:def"),
    ({"args": []}, "Args", None),
    ({"env": {"A": 2, "B": None, "C": "x=y"}}, "Env", ["A=2", "C=x=y"]),
    ({"user": "1000"}, "User", "1000"),
    ({"hosts": {"db": "10.0.0.9"}}, "Hosts", ["10.0.0.9 db"]),
    ({"stop_grace_period": "1m"}, "StopGracePeriod", 60 * SECOND),
    ({"healthcheck": {"test": "true", "retries": 2}}, "Healthcheck", {"Test": ["CMD-SHELL", "true"], "Retries": 2}),
    ({"healthcheck": {"test": ["curl", "-f"]}}, "Healthcheck", {"Test": ["CMD", "curl", "-f"]}),
    ({"healthcheck": {"test": "none"}}, "Healthcheck", {"Test": ["NONE"]}),
]


@pytest.mark.parametrize(
    ("params", "key", "value"), DIFFERENT, ids=[f"{i}-{case[1]}" for i, case in enumerate(DIFFERENT)]
)
def test_a_changed_option_changes_its_own_field_and_no_other(params, key, value):
    expected = copy.deepcopy(HELD)
    container = expected["TaskTemplate"]["ContainerSpec"]
    container.pop(key, None)
    if value is not None:
        container[key] = value
    assert service_spec.desired_spec(HELD, {"name": "shop", **params}) == expected


def at(spec, *path):
    return service_spec.value_at(spec, path)


def changed(**params):
    return service_spec.desired_spec(HELD, {"name": "shop", **params})


def test_a_variable_without_a_value_stays_without_one():
    """It takes the image's away; `HTTP_PROXY=` would set it to nothing."""
    assert fields.env({"A": "2"}, ["A=1", "HTTP_PROXY"]) == ["A=2", "HTTP_PROXY"]
    assert fields.env({"HTTP_PROXY": "p:3128"}, ["A=1", "HTTP_PROXY"]) == ["A=1", "HTTP_PROXY=p:3128"]
    assert fields.env({"HTTP_PROXY": None}, ["A=1", "HTTP_PROXY"]) == ["A=1"]


def test_all_addresses_of_a_host_stay_where_another_one_changes():
    held = ["10.0.0.1 db", "fd00::5 db", "10.0.0.7 old cache"]
    kept = ["10.0.0.1 db", "fd00::5 db", "10.0.0.7 cache"]
    assert fields.hosts({"old": None, "x": "10.0.0.9"}, held) == [*kept, "10.0.0.9 x"]
    assert fields.hosts({"db": "10.0.0.2"}, held) == ["10.0.0.7 old", "10.0.0.7 cache", "10.0.0.2 db"]
    assert fields.hosts({"db": None}, held[:2]) is None
    assert fields.hosts({"old": "10.0.0.7"}, held) is held


def test_the_held_spec_itself_is_never_touched():
    before = copy.deepcopy(HELD)
    changed(image="shop:3", labels={"new": 1}, limits={"cpus": 2}, constraints=[], replicas=1, force_update=True)
    assert before == HELD


def test_a_limit_leaves_the_limits_that_the_task_does_not_name():
    limits = at(changed(limits={"memory": "128M", "cpus": 0}), "TaskTemplate", "Resources", "Limits")
    assert limits == {"MemoryBytes": 128 << 20, "Pids": 50}


def test_constraints_are_set_as_a_whole_and_the_rest_of_the_placement_stays():
    placement = at(changed(constraints=["node.labels.disk == ssd"]), "TaskTemplate", "Placement")
    assert placement == {
        "Constraints": ["node.labels.disk == ssd"],
        "Platforms": [{"OS": "linux"}],
        "MaxReplicas": 3,
    }


OURS = ["node.labels.swarmherd.anchor.shop_db == yes", "node.labels.swarmherd.deny.shop!=yes"]


def with_ours():
    held = copy.deepcopy(HELD)
    held["TaskTemplate"]["Placement"]["Constraints"] += OURS
    return held


@pytest.mark.parametrize("wanted", [[], ["node.labels.disk == ssd"], ["node.role==worker"]])
def test_constraints_of_our_own_stay_beside_those_that_are_named(wanted):
    """S17: what the controller decided is not the deployment's to undo."""
    after = service_spec.desired_spec(with_ours(), {"name": "shop", "constraints": wanted})
    constraints = at(after, "TaskTemplate", "Placement", "Constraints")
    assert sorted(constraints) == sorted([*wanted, *OURS])
    assert service_spec.desired_spec(after, {"name": "shop", "constraints": wanted}) == after


def test_a_constraint_on_the_same_label_of_ours_is_the_tasks_own():
    wanted = ["node.labels.swarmherd.deny.shop == no"]
    after = service_spec.desired_spec(with_ours(), {"name": "shop", "constraints": wanted})
    assert at(after, "TaskTemplate", "Placement", "Constraints") == [*wanted, OURS[0]]


def test_as_a_whole_names_that_are_not_given_go_but_for_labels_of_our_own():
    wanted = {"name": "shop", "labels": {"tier": "front"}, "env": {"B": 3}, "hosts": {}}
    after = service_spec.desired_spec(HELD, wanted, whole=True)
    assert after["Labels"] == {"tier": "front", "swarmherd.scale.max": "9"}
    assert at(after, "TaskTemplate", "ContainerSpec", "Env") == ["B=3"]
    assert at(after, "TaskTemplate", "ContainerSpec", "Secrets") == [{"SecretName": "key"}]


def test_no_constraints_at_all_takes_the_key_away():
    assert "Constraints" not in at(changed(constraints=[]), "TaskTemplate", "Placement")


def test_a_network_that_stays_keeps_its_aliases():
    networks = at(changed(networks=["n1", "n2"]), "TaskTemplate", "Networks")
    assert networks == [{"Target": "n1", "Aliases": ["web"]}, {"Target": "n2"}]


def test_a_mount_that_stays_keeps_the_options_that_the_task_does_not_name():
    mounts = at(
        changed(mounts=[{"type": "volume", "source": "data", "target": "/data", "readonly": True}]),
        *("TaskTemplate", "ContainerSpec", "Mounts"),
    )
    assert mounts == [
        {"Type": "volume", "Source": "data", "Target": "/data", "VolumeOptions": {"NoCopy": True}, "ReadOnly": True}
    ]


NFS = {
    "Type": "volume",
    "Source": "data",
    "Target": "/data",
    "VolumeOptions": {
        "NoCopy": True,
        "Labels": {"owner": "web"},
        "DriverConfig": {"Name": "local", "Options": {"type": "nfs", "device": ":/data"}},
    },
}
BIND = {"Type": "bind", "Source": "/a", "Target": "/b", "BindOptions": {"NonRecursive": True, "Propagation": "shared"}}
TMPFS = {"Type": "tmpfs", "Source": "", "Target": "/t", "TmpfsOptions": {"Mode": 0o700, "SizeBytes": 1024}}


def remounted(held, **options):
    """The mount `held` once a task has named these options of it."""
    named = {"type": held["Type"], "source": held["Source"], "target": held["Target"]}
    return attachments.mounts([{**named, **options}], [held])[0]


@pytest.mark.parametrize(
    ("held", "options", "path", "value"),
    [
        (NFS, {"driver": "local", "no_copy": True}, ("VolumeOptions", "NoCopy"), True),
        (NFS, {"driver_options": {"device": ":/new"}}, ("VolumeOptions", "DriverConfig", "Options", "device"), ":/new"),
        (NFS, {"driver_options": {"device": None}}, ("VolumeOptions", "DriverConfig", "Options", "device"), None),
        (BIND, {"propagation": "slave"}, ("BindOptions", "Propagation"), "slave"),
        (TMPFS, {"tmpfs_size": "4K"}, ("TmpfsOptions", "SizeBytes"), 4096),
    ],
)
def test_of_a_mount_that_stays_only_what_is_named_changes(held, options, path, value):
    after = remounted(held, **options)
    expected = copy.deepcopy(held)
    *way, last = path
    place = at(expected, *way)
    place[last] = value
    assert stripped(after) == stripped(expected)
    assert remounted(after, **options) is after


def test_another_driver_is_not_told_what_the_one_before_was():
    """A password of a share, for one."""
    after = remounted(NFS, driver="rexray", driver_options={"size": "10"})["VolumeOptions"]
    assert after["DriverConfig"] == {"Name": "rexray", "Options": {"size": "10"}}
    assert after["Labels"] == NFS["VolumeOptions"]["Labels"]


def test_the_last_option_of_a_volume_can_be_taken_away():
    plain = {"Type": "volume", "Source": "a", "Target": "/a"}
    held = {**plain, "VolumeOptions": {"DriverConfig": {"Options": {"o": "ro"}}}}
    assert remounted(held, driver_options={"o": None}) == plain


def test_what_is_empty_and_not_named_stays_when_a_mount_changes():
    """S17: a label without a value is a label."""
    options = {"Labels": {"com.x": "", "com.y": "1"}, "DriverConfig": {"Name": "local", "Options": {"o": ""}}}
    held = {"Type": "volume", "Source": "a", "Target": "/a", "VolumeOptions": options}
    assert remounted(held, readonly=True) == {**held, "ReadOnly": True}


def test_a_mount_that_is_told_as_a_whole_keeps_nothing_else():
    assert remounted(NFS, whole=True, driver="nfs")["VolumeOptions"] == {"DriverConfig": {"Name": "nfs"}}


def test_a_new_update_config_starts_from_dockers_defaults_and_not_from_zero():
    rollback = changed(rollback_config={"order": "start-first"})["RollbackConfig"]
    assert (rollback["Parallelism"], rollback["Order"], rollback["Monitor"]) == (1, "start-first", 5 * SECOND)


def test_a_forced_update_counts_up():
    assert at(changed(force_update=True), "TaskTemplate", "ForceUpdate") == 3


def test_a_new_service_has_one_replica_and_what_is_named():
    spec = service_spec.desired_spec(None, {"name": "shop", "image": "shop:1", "labels": {"a": 1}})
    assert spec == {
        "Name": "shop",
        "Labels": {"a": "1"},
        "Mode": {"Replicated": {"Replicas": 1}},
        "TaskTemplate": {"ContainerSpec": {"Image": "shop:1"}},
    }


def test_a_new_global_service_has_no_count():
    spec = service_spec.desired_spec(None, {"name": "agent", "image": "agent", "mode": "global"})
    assert spec["Mode"] == {"Global": {}}


@pytest.mark.parametrize(
    ("held", "params", "message"),
    [
        (None, {}, "needs an image"),
        (HELD, {"mode": "global"}, "cannot make it global"),
        ({**HELD, "Mode": {"Global": {}}}, {"replicas": 2}, "it has no count of replicas"),
        ({**HELD, "Mode": {"ReplicatedJob": {}}}, {"replicas": 2}, "replicated-job"),
        (HELD, {"constraints": ["node.role"]}, "compares nothing"),
        (HELD, {"endpoint_mode": "dnsrr"}, "mode host"),
        (HELD, {"mounts": [{"type": "bind", "target": "/x"}]}, "needs a source"),
        (HELD, {"limits": {"memory": "lots"}}, "limits.memory"),
        (HELD, {"update_config": {"delay": "soon"}}, "update_config.delay"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(held, params, message):
    with pytest.raises(SwarmError, match=message):
        service_spec.desired_spec(held, {"name": "shop", **params})


def test_changes_name_the_options_that_differ():
    after = changed(image="shop:2", replicas=5, labels={"owner": None}, env={"A": 1})
    assert service_spec.changes(HELD, after) == ["labels", "image", "replicas"]


def test_the_diff_shows_only_what_changes_and_networks_by_name():
    told = service_spec.diff(HELD, changed(networks=["n2"], replicas=5), {"n1": "front", "n2": "back"})
    assert told == {
        "before": {"networks": ["front"], "replicas": 4},
        "after": {"networks": ["back"], "replicas": 5},
    }


def test_the_diff_never_shows_an_environment_variables_value():
    told = service_spec.diff(HELD, changed(env={"A": "secret", "NEW": "secret2"}), {})
    assert told == {
        "before": {"env": {"B": "(hidden)", "A": "(hidden)"}},
        "after": {"env": {"B": "(hidden)", "A": "(hidden, changed)", "NEW": "(hidden)"}},
    }


def test_the_diff_never_shows_an_option_of_the_log_driver():
    told = service_spec.diff(HELD, changed(logging={"driver": "splunk", "options": {"token": "geheim"}}), {})
    assert told == {"before": {}, "after": {"logging": {"Name": "splunk", "Options": {"token": "(hidden)"}}}}


def test_a_diff_tells_no_option_of_a_volume_driver():
    share = {"type": "volume", "source": "s", "target": "/s", "driver_options": {"o": "password=geheim"}}
    after = changed(mounts=[share])
    told = service_spec.diff(HELD, after, {})["after"]["mounts"]
    assert told[0]["VolumeOptions"]["DriverConfig"]["Options"] == {"o": "(hidden)"}
    assert "geheim" in str(after), "only what is shown is hidden"
    assert "geheim" not in str(service_spec.diff(after, HELD, {}))


def test_nothing_changed_is_an_empty_diff():
    assert service_spec.diff(HELD, changed(), {}) == {"before": {}, "after": {}}


# ---------------------------------------------------------------- failing over


@pytest.mark.parametrize("said", [{"failover": "fast"}, {"labels": {"swarmherd.failover": "fast"}}])
def test_what_fails_over_fast_is_replaced_at_once_and_says_so(said):
    spec = changed(**said)
    assert at(spec, "TaskTemplate", "RestartPolicy")["Delay"] == 0
    assert at(spec, "TaskTemplate", "RestartPolicy")["Condition"] == "any"
    assert spec["Labels"] == {**HELD["Labels"], "swarmherd.failover": "fast"}
    assert service_spec.desired_spec(spec, {"name": "shop", **said}) == spec, "a second time nothing changes"


def test_and_again_after_five_seconds_where_it_is_set_back():
    fast = changed(failover="fast")
    spec = service_spec.desired_spec(fast, {"name": "shop", "failover": "normal"})
    assert at(spec, "TaskTemplate", "RestartPolicy")["Delay"] == 5 * SECOND


def test_what_the_task_says_of_restarting_wins_over_the_speed():
    spec = changed(failover="fast", restart_policy={"delay": "2s", "condition": None})
    assert at(spec, "TaskTemplate", "RestartPolicy")["Delay"] == 2 * SECOND


def test_a_task_that_says_nothing_of_failing_over_leaves_it_as_it_is():
    fast = changed(failover="fast")
    assert at(service_spec.desired_spec(fast, {"name": "shop", "replicas": 2}), "TaskTemplate", "RestartPolicy") == at(
        fast, "TaskTemplate", "RestartPolicy"
    )


def test_a_speed_that_is_none_is_refused():
    with pytest.raises(
        SwarmError, match=r"swarmherd\.failover: 'quick' is no speed of failing over; write normal or fast"
    ):
        changed(labels={"swarmherd.failover": "quick"})
