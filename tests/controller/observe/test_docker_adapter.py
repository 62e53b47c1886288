# SPDX-License-Identifier: GPL-3.0-or-later
"""Docker's documents become the model's values; each way of not answering is one sentence."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from swarmherd.model import NodeState, Role, TaskNeeds, TaskState, UpdateState
from swarmherd.observe.connection import Connection, Tls
from swarmherd.observe.docker import Docker, EngineClient, _tls
from swarmherd.observe.errors import DockerError, NotManagerError, UnreachableError, UnusableAnswerError
from swarmherd.observe.swarm_objects import moment, node, service, task

from tests.controller.conftest import Engine, as_json

NFS = {"Type": "volume", "Source": "shared", "VolumeOptions": {"DriverConfig": {"Name": "nfs"}}}
HOST_PORT = {"PublishedPort": 5432, "TargetPort": 5432, "PublishMode": "host"}


def docker(*urls: str, seconds: float = 2) -> Docker:
    return Docker([Connection(f"m{i}", url=url) for i, url in enumerate(urls, 1)], seconds)


def test_what_a_manager_says_is_read_into_the_model(engine: Engine) -> None:
    engine.labels = {"swarmherd.scale.max": "4"}
    with docker(engine.url) as one:
        state = one.read()
    (node,), (web,) = state.nodes, state.services
    assert state.manager == "m1"
    assert (node.hostname, node.role, node.state, node.cpus) == ("n1", Role.MANAGER, NodeState.READY, 2.0)
    assert (node.address, node.leader, dict(node.labels)) == ("10.0.0.1", True, {"zone": "a"})
    assert (web.name, web.version, web.replicas, web.image) == ("web", 100, 2, "shop:1")
    assert (web.cpu_limit, web.cpu_reservation) == (0.5, None)
    assert (web.memory_limit_bytes, web.memory_reservation_bytes) == (None, 1024)
    assert web.updated_at == datetime(2026, 1, 1, 0, 0, 0, 123456, UTC)
    assert dict(web.labels) == {"swarmherd.scale.max": "4"}
    assert [(t.id, t.service, t.slot, t.state) for t in state.tasks] == [
        ("web-1", "web", 1, TaskState.RUNNING),
        ("web-2", "web", 2, TaskState.RUNNING),
    ]


def test_containers_attached_to_an_overlay_by_hand_are_counted_on_their_node_and_are_no_service_s_tasks(
    engine: Engine,
) -> None:
    engine.attached = 2
    with docker(engine.url) as one:
        state = one.read()
    assert [node.attached for node in state.nodes] == [2]
    assert len(state.tasks) == 2


def test_the_error_of_a_task_stands_before_its_message(engine: Engine) -> None:
    engine.task_state, engine.task_error = "rejected", "No such image"
    with docker(engine.url) as one:
        assert one.read().tasks[0].message == "No such image: started"


def test_one_service_is_read_by_its_exact_name(engine: Engine) -> None:
    engine.replicas = {"web": 1, "web_admin": 3}
    with docker(engine.url) as one:
        state = one.read_service("web")
        assert [s.name for s in state.services] == ["web"]
        assert [t.id for t in state.tasks] == ["web-1"]
        engine.replicas = {"web_admin": 3}
        engine.asked.clear()
        gone = one.read_service("web")
    assert (gone.services, gone.tasks) == ((), ())
    assert engine.asked.count("/tasks") == 1, "of the attachments alone"


def test_an_answer_as_long_as_that_of_a_large_swarm_with_its_history_is_read(engine: Engine) -> None:
    engine.broken["/tasks"] = (200, "application/json", b"[" + b" " * 33 * 2**20 + b"]")
    with docker(engine.url, seconds=30) as one:
        assert one.read().tasks == ()


def test_one_that_is_too_long_says_what_makes_it_shorter(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EngineClient, "max_bytes", 100)
    with docker(engine.url) as one, pytest.raises(UnusableAnswerError, match=r"larger than 100 bytes; .*history-limit"):
        one.read()


def test_an_engine_with_a_certificate_is_always_verified(tmp_path: Path) -> None:
    """Without a CA of its own by those of the system."""
    files = [tmp_path / name for name in ("ca", "cert", "key")]
    for file in files:
        file.touch()
    ca, cert, key = map(str, files)
    known = [_tls(Tls(*given)) for given in ((ca, cert, key), ("", cert, key), (ca, "", ""))]
    assert [(one.verify, one.ca_cert) for one in known if one] == [(True, ca), (True, None), (True, ca)]
    assert _tls(Tls()) is False


def test_an_update_state_from_the_future_counts_as_an_update_in_progress() -> None:
    document = {"ID": "x", "Version": {"Index": 1}, "Spec": {"Name": "web"}, "UpdateStatus": {"State": "pondering"}}
    assert service(document).update_state is UpdateState.UPDATING
    assert service(document).replicas is None


@pytest.mark.parametrize(
    ("state", "desired", "read"),
    [
        ("running", "running", (TaskState.RUNNING, TaskState.RUNNING)),
        ("pondering", "running", (TaskState.PREPARING, TaskState.RUNNING)),
        ("pondering", "shutdown", (TaskState.PREPARING, TaskState.SHUTDOWN)),
        ("running", "elsewhere", (TaskState.PREPARING, TaskState.RUNNING)),
    ],
)
def test_a_task_state_from_the_future_counts_as_a_task_on_its_way(
    state: str, desired: str, read: tuple[TaskState, TaskState]
) -> None:
    found = task({"ID": "t", "Status": {"State": state}, "DesiredState": desired}, "web")
    assert (found.state, found.desired) == read


@pytest.mark.parametrize(
    ("own", "of_manager", "address"),
    [
        ("10.0.0.9", "10.0.0.1:2377", "10.0.0.9"),
        ("0.0.0.0", "10.0.0.1:2377", "10.0.0.1"),  # noqa: S104  (what a manager says of itself; nothing is bound)
        ("127.0.0.1", "[fd00::1]:2377", "fd00::1"),
        ("::", "[fd00::1]:2377", "fd00::1"),
        ("::1", "[fd00::1]:2377", "fd00::1"),
        ("[fd00::9]", "", "fd00::9"),
        ("", "m1.example.org:2377", "m1.example.org"),
        ("::1", "", "::1"),
    ],
)
def test_a_node_has_an_address_that_others_reach(own: str, of_manager: str, address: str) -> None:
    said = {"Spec": {"Role": "manager", "Availability": "active"}, "Status": {"Addr": own}}
    assert node({"ID": "n", **said, "ManagerStatus": {"Addr": of_manager}}).address == address


@pytest.mark.parametrize(
    ("mode", "replicas", "job"),
    [
        ({"Replicated": {"Replicas": 2}}, 2, False),
        ({"Global": {}}, None, False),
        ({"ReplicatedJob": {"MaxConcurrent": 1, "TotalCompletions": 1}}, None, True),
        ({"GlobalJob": {}}, None, True),
    ],
)
def test_a_job_is_told_from_a_service_in_global_mode(mode: dict[str, object], replicas: int | None, job: bool) -> None:
    read = service({"ID": "x", "Version": {"Index": 1}, "Spec": {"Name": "web", "Mode": mode}})
    assert (read.replicas, read.job) == (replicas, job)


def test_what_placing_needs_is_read_from_a_service() -> None:
    spec = {
        "Name": "db",
        "TaskTemplate": {
            "ContainerSpec": {"Mounts": [{"Type": "volume", "Source": "data"}, NFS]},
            "Placement": {
                "Constraints": ["node.labels.disk==ssd"],
                "Platforms": [{"OS": "linux", "Architecture": "amd64"}, {"OS": "linux"}],
                "MaxReplicas": 2,
            },
            "RestartPolicy": {"Condition": "none"},
        },
        "UpdateConfig": {"Order": "start-first"},
        "EndpointSpec": {"Ports": [HOST_PORT, {"PublishedPort": 80, "PublishMode": "ingress"}]},
    }
    db = service({"ID": "x", "Version": {"Index": 1}, "Spec": spec})
    assert (db.constraints, db.platforms) == (("node.labels.disk==ssd",), (("linux", "amd64"), ("linux", "")))
    assert (db.plugins, db.host_ports, db.max_per_node) == ({"nfs"}, {5432}, 2)
    assert (db.local_data, db.start_first, db.restarts) == (True, True, False)


@pytest.mark.parametrize(
    ("mount", "local"),
    [({"Type": "tmpfs"}, False), ({"Type": "bind", "Source": "/srv"}, True), ({"Type": "volume"}, True), (NFS, False)],
)
def test_data_that_stays_on_its_node_is_seen(mount: dict[str, object], local: bool) -> None:
    spec = {"Name": "db", "TaskTemplate": {"ContainerSpec": {"Mounts": [mount]}}}
    assert service({"ID": "x", "Version": {"Index": 1}, "Spec": spec}).local_data is local


def test_drivers_of_volumes_and_of_the_log_are_asked_of_a_node_and_latest_is_no_tag_at_all() -> None:
    spec = {
        "Name": "db",
        "TaskTemplate": {"ContainerSpec": {"Mounts": [NFS]}, "LogDriver": {"Name": "loki:latest"}},
    }
    assert service({"ID": "x", "Version": {"Index": 1}, "Spec": spec}).plugins == {"nfs", "loki"}
    spec["TaskTemplate"] = {"LogDriver": {"Name": "none"}}
    assert service({"ID": "x", "Version": {"Index": 1}, "Spec": spec}).plugins == set()
    description = {"Engine": {"Plugins": [{"Type": "Log", "Name": "loki:latest"}, {"Type": "Volume", "Name": "nfs"}]}}
    said = {"Spec": {"Role": "worker", "Availability": "active"}, "Description": description, "Status": {}}
    assert node({"ID": "n", **said}).plugins == {"nfs", "loki"}


def test_what_swarm_spreads_a_service_over_is_read_in_its_order() -> None:
    preferences = [{"Spread": {"SpreadDescriptor": f"node.labels.{label}"}} for label in ("zone", "rack")]
    spec = {"Name": "web", "TaskTemplate": {"Placement": {"Preferences": [*preferences, {"Pack": {}}]}}}
    web = service({"ID": "x", "Version": {"Index": 1}, "Spec": spec})
    assert web.spread_over == ("node.labels.zone", "node.labels.rack")


@pytest.mark.parametrize(
    ("template", "more"),
    [
        ({}, False),
        ({"Resources": {"Reservations": {"GenericResources": [{"DiscreteResourceSpec": {"Kind": "gpu"}}]}}}, True),
        ({"ContainerSpec": {"Mounts": [{"Type": "cluster", "Source": "group:fast"}]}}, True),
    ],
)
def test_a_service_that_swarm_filters_nodes_for_by_more_than_is_read_says_so(
    template: dict[str, object], more: bool
) -> None:
    document = {"ID": "x", "Version": {"Index": 1}, "Spec": {"Name": "web", "TaskTemplate": template}}
    assert service(document).more_filters is more


def test_a_task_says_what_its_own_specification_reserves() -> None:
    status = {"State": "running", "Timestamp": "2026-01-01T00:00:01.5Z"}
    document = {"ID": "t", "Status": status, "DesiredState": "running"}
    assert task(document, "web").needs is None
    reserving = {"Resources": {"Reservations": {"NanoCPUs": 250000000, "MemoryBytes": 64}}}
    assert task({**document, "Spec": reserving}, "web").needs == TaskNeeds(0.25, 64)
    assert task({**document, "Spec": {}}, "web").needs == TaskNeeds()


RUNS = {"Image": "shop:1", "Env": ["A=1"], "Isolation": "default"}
FAILED = {"ID": "t", "Status": {"State": "failed"}, "DesiredState": "shutdown"}


def made_from(template: dict[str, object]) -> str:
    document = {"ID": "s", "Version": {"Index": 1}, "Spec": {"Name": "web", "TaskTemplate": template}}
    return service(document).template


def test_what_a_failed_task_was_made_from_is_told_apart_from_what_its_service_is_now() -> None:
    now, failed = made_from({"ContainerSpec": RUNS}), {**FAILED, "Spec": {"ContainerSpec": RUNS}}
    assert task(failed, "web").template == now != ""
    for other in ({**RUNS, "Image": "shop:2"}, {**RUNS, "Env": ["A=2"]}):
        assert made_from({"ContainerSpec": other}) != now
    assert made_from({"ContainerSpec": RUNS, "Resources": {"Limits": {"MemoryBytes": 9}}}) != now


def test_a_constraint_or_a_forced_update_makes_nothing_else_of_a_service() -> None:
    """Else every move by a label would forgive a crash loop (S24)."""
    more = {"Placement": {"Constraints": ["node.role==worker"]}, "ForceUpdate": 2, "Resources": {}}
    assert made_from({"ContainerSpec": RUNS, **more}) == made_from({"ContainerSpec": RUNS})


def test_what_a_task_was_made_from_is_unknown_where_docker_does_not_say_and_not_asked_of_what_runs() -> None:
    running = {**FAILED, "Status": {"State": "running"}, "Spec": {"ContainerSpec": RUNS}}
    assert [task(one, "web").template for one in (FAILED, running)] == ["", ""]


def test_docker_times_may_have_nine_digits_or_none() -> None:
    assert moment("2026-01-01T00:00:00.123456789Z") == datetime(2026, 1, 1, 0, 0, 0, 123456, UTC)
    assert moment("2026-01-01T02:00:00+02:00") == datetime(2026, 1, 1, tzinfo=UTC)
    assert moment("0001-01-01T00:00:00Z") == moment(None)


def not_a_manager(engine: Engine) -> None:
    engine.broken["/services"] = as_json({"message": "This node is not a swarm manager."}, 503)


def forbidden(engine: Engine) -> None:
    engine.broken["/nodes"] = as_json({"message": "authorization denied by plugin"}, 403)


def html(engine: Engine) -> None:
    engine.broken["/tasks"] = (200, "text/html", b"<html></html>")


def another_shape(engine: Engine) -> None:
    engine.broken["/services"] = as_json([{"ID": "x"}])


def another_server(engine: Engine) -> None:
    engine.broken["/version"] = (200, "text/html", b"<html>Please log in</html>")


def another_page(engine: Engine) -> None:
    engine.broken["/version"] = (404, "text/html", b"<html>Nothing here</html>")


def another_version(engine: Engine) -> None:
    engine.broken["/version"] = as_json({"status": "ok"})


def empty_object(engine: Engine) -> None:
    engine.broken["/services"] = as_json({})


def no_nodes(engine: Engine) -> None:
    engine.broken["/nodes"] = as_json([])


def without_end(engine: Engine) -> None:
    engine.broken["/services"] = (200, "application/json", b"[" * 100_000)


@pytest.mark.parametrize(
    ("break_it", "kind", "words"),
    [
        (
            another_server,
            UnusableAnswerError,
            "the answer is not Docker's (no JSON); is this the address of an engine?",
        ),
        (another_page, UnusableAnswerError, "the answer is not Docker's (HTTP 404 and a page)"),
        (another_version, UnusableAnswerError, "the answer is not Docker's (KeyError 'ApiVersion')"),
        (empty_object, UnusableAnswerError, "the answer is not Docker's (TypeError the services are no list)"),
        (no_nodes, UnusableAnswerError, "the answer is not Docker's (ValueError a Swarm without a node)"),
        (without_end, UnusableAnswerError, "the answer is not Docker's (RecursionError"),
        (not_a_manager, NotManagerError, "not a swarm manager"),
        (forbidden, UnusableAnswerError, "authorization denied"),
        (html, UnusableAnswerError, "the answer is not Docker's (no JSON)"),
        (another_shape, UnusableAnswerError, "not Docker's"),
    ],
)
def test_a_bad_answer_is_one_sentence_that_names_the_manager(
    engine: Engine, break_it: Callable[[Engine], None], kind: type[DockerError], words: str
) -> None:
    break_it(engine)
    with docker(engine.url) as one, pytest.raises(kind) as raised:
        one.read()
    assert words in str(raised.value)
    assert "m1" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_nobody_there_is_unreachable() -> None:
    with docker("tcp://127.0.0.1:1") as one, pytest.raises(UnreachableError, match="refused"):
        one.read()


def test_the_next_manager_is_asked_when_the_first_is_none(engine: Engine) -> None:
    with docker("tcp://127.0.0.1:1", engine.url) as one:
        assert one.read().manager == "m2"
        assert one.manager() == "m2"


def test_a_dead_manager_costs_its_timeout_once_and_not_in_each_cycle(engine: Engine) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        one = docker(f"tcp://127.0.0.1:{silent.getsockname()[1]}", engine.url, seconds=1)
        assert one.read().manager == "m2"
        started = time.monotonic()
        assert one.read().manager == "m2"
        assert time.monotonic() - started < 0.8
        one.close()


def test_playbooks_run_only_on_an_active_manager(engine: Engine) -> None:
    engine.control_available = False
    with docker(engine.url) as one, pytest.raises(UnreachableError, match="no manager"):
        one.manager()


def test_a_hanging_engine_is_late_within_its_timeout() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        with docker(f"tcp://127.0.0.1:{silent.getsockname()[1]}", seconds=1) as one, pytest.raises(UnreachableError):
            one.read()
        assert time.monotonic() - started < 5


def test_after_a_failure_the_next_cycle_connects_anew(engine: Engine) -> None:
    with docker(engine.url) as one:
        one.read()
        engine.broken["/nodes"] = (500, "text/plain", b"oops")
        with pytest.raises(UnusableAnswerError, match="oops"):
            one.read()
        engine.broken.clear()
        assert one.read().services[0].name == "web"
