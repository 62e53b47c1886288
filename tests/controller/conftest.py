# SPDX-License-Identifier: GPL-3.0-or-later
"""Real servers on loopback that speak as Docker and Prometheus do, and inventories that point to them."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import structlog
from hypothesis import settings
from swarmherd.running import Runner

from tests.controller import postgres

# The same cases in every run: a failure that comes and goes teaches nothing.
settings.register_profile("swarmherd", derandomize=True, deadline=None, max_examples=150)
settings.load_profile("swarmherd")

Answer = tuple[int, str, bytes]


@pytest.fixture(scope="session")
def postgresql() -> Iterator[postgres.Server]:
    """One server for the whole session; its tests are skipped, saying why, where there can be none."""
    pytest.importorskip("psycopg", reason="the driver psycopg is not installed (controller's extra postgresql)")
    with ExitStack() as stack:
        try:
            one = stack.enter_context(postgres.server())
        except postgres.MissingError as error:
            pytest.skip(str(error))
        yield one


@pytest.fixture(params=["sqlite", "postgresql"])
def state_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database, of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'deep' / 'state.db'}"
    server: postgres.Server = request.getfixturevalue("postgresql")
    return server.database()


class Loopback:
    """An HTTP server whose answers are a function of the path and its parameters."""

    def __init__(self, answer: Callable[[str, dict[str, str]], Answer]) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                parts = urlsplit(self.path)
                text = "&".join((parts.query, self.rfile.read(size).decode()))
                parameters = {key: values[0] for key, values in parse_qs(text).items()}
                status, kind, body = answer(parts.path, parameters)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET  # noqa: N815  (http.server's name)

            def log_message(self, *_: object) -> None:
                """Says nothing: the tests do."""

            def handle(self) -> None:
                try:
                    super().handle()
                except (BrokenPipeError, ConnectionResetError):  # the client no longer waits, as some tests mean it to
                    self.close_connection = True

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def as_json(document: Any, status: int = 200) -> Answer:
    return status, "application/json", json.dumps(document).encode()


class FakeNode:
    """A node of the loopback Swarm."""

    def __init__(self, hostname: str, address: str) -> None:
        self.hostname = hostname
        self.address = address
        self.state = "ready"
        self.availability = "active"
        self.labels = {"zone": "a"}


class Engine:
    """A manager of a Swarm of one node, in the shape of the documents that Engine 20.10 sends.

    `nodes` takes further ones. What the playbooks of moves, drains and anchors do is done here at `/test/…`, well or,
    by `move_ends`, badly.
    """

    def __init__(self) -> None:
        self.replicas: dict[str, int] = {"web": 2}
        self.labels: dict[str, str] = {}
        self.version = 100
        self.task_state = "running"
        self.task_error = ""
        self.room = 100
        """Tasks of a service that find a node; the others stay pending."""
        self.attached = 0
        """Containers attached to an overlay network by hand, which are tasks only for who asks for such."""
        self.control_available = True
        self.broken: dict[str, Answer] = {}
        """Answers that stand in for the right ones, by the path's end."""
        self.asked: list[str] = []
        self.nodes = {"node1": FakeNode("n1", "0.0.0.0")}  # noqa: S104  (what a manager says of itself)
        self.constraints: dict[str, list[str]] = {}
        """By service."""
        self.tasks_moved: dict[tuple[str, int], list[str]] = {}
        """By service and slot: the nodes that its tasks have been on, the present one last; node1 unless told."""
        self.move_ends = "well"
        """`stuck`: the label is set and nothing moves. `untidy`: all moves, and the label stays."""
        self.moves_asked: list[dict[str, str]] = []
        self.undrained: list[str] = []
        """Backends whose drained servers were told to serve again."""
        self.updates: dict[str, str] = {}
        """By service: the state of its last update."""
        self.resources: dict[str, Any] = {"Limits": {"NanoCPUs": 500000000}, "Reservations": {"MemoryBytes": 1024}}
        """Of every service."""
        self.memory_bytes = 2**30
        """Of every node."""
        self.ports: dict[str, int] = {}
        """By service: the port of the node that its port 8080 is published at."""
        self._loopback = Loopback(self._answer)
        self.url = f"tcp://127.0.0.1:{self._loopback.port}"
        self.http_url = self._loopback.url

    def close(self) -> None:
        self._loopback.close()

    def _answer(self, path: str, parameters: dict[str, str]) -> Answer:
        name = re.sub(r"^/v[0-9.]+", "", path)
        self.asked.append(name)
        if name in self.broken:
            return self.broken[name]
        if name == "/test/scale" and parameters.get("state") == "cleared":
            self.undrained.append(parameters["backend"])
            return as_json({"version": self.version})
        if name == "/test/scale":
            self.replicas[parameters["service"]] = int(parameters["replicas"])
            self.version += 1
            return as_json({"version": self.version})
        if name in {f"/test/{kind}" for kind in KINDS if kind != "scale"}:
            self.moves_asked.append(parameters)
            getattr(self, name.replace("/test/", "_do_"))(**parameters)
            return as_json({"version": self.version})
        documents = {
            "/version": {"ApiVersion": "1.41", "MinAPIVersion": "1.12", "Version": "20.10.24"},
            "/info": self._info(),
            "/nodes": [self._node(node_id) for node_id in self.nodes],
            "/services": [self._service(s) for s in self.replicas],
            "/tasks": self._attachments() if "attachment" in parameters.get("filters", "") else self._all_tasks(),
            "/networks": [{"Name": "swarmherd", "Driver": "overlay", "Scope": "swarm", "Attachable": True}],
            "/images/json": [],
        }
        return as_json(documents[name]) if name in documents else as_json({"message": "page not found"}, 404)

    def _info(self) -> dict[str, Any]:
        swarm = {"LocalNodeState": "active", "ControlAvailable": self.control_available, "NodeID": "node1"}
        now = time.strftime("%Y-%m-%dT%H:%M:%S.000000000Z", time.gmtime())
        return {"Swarm": swarm, "SystemTime": now, "ServerVersion": "20.10.24", "Name": "n1"}

    def add_nodes(self, *hostnames: str) -> None:
        """`n2` gets the id node2 and the address 10.0.0.2, and so on."""
        for hostname in hostnames:
            number = hostname.removeprefix("n")
            self.nodes[f"node{number}"] = FakeNode(hostname, f"10.0.0.{number}")

    def _do_move(self, service: str, node: str, to: str, state: str = "", task: str = "") -> None:
        label = f"swarmherd.deny.{service}"
        if state == "cleared":
            for one in self.nodes.values():
                one.labels.pop(label, None)
            return
        if self.move_ends != "stuck":
            for slot in range(1, self.replicas[service] + 1):
                past = self.tasks_moved.setdefault((service, slot), ["node1"])
                if past[-1] == node and task in ("", self._task_id(service, slot, len(past) - 1)):
                    past.append(to)
        if self.move_ends != "well":
            self.nodes[node].labels[label] = "yes"
        self.version += 1

    def _do_restart(self, service: str, task: str, node: str, state: str = "") -> None:
        """Another task stands in the slot, on the same node."""
        if self.move_ends != "stuck":
            self._do_move(service, node, node, state, task)

    def _do_rollback(self, service: str) -> None:
        """Rolled back at once, unless it is stuck: then the rollback is paused as well."""
        self.version += 1
        self.updates[service] = "rollback_paused" if self.move_ends == "stuck" else "rollback_completed"

    def _do_resources(self, service: str, reservations: str, limits: str) -> None:
        """Brought out at once. Where it is stuck one task finds no place, until the next write."""
        self.version += 1
        self.updates[service], self.room = ("paused", 1) if self.move_ends == "stuck" else ("completed", 100)
        self.move_ends = "well"
        for kind, text in (("Reservations", reservations), ("Limits", limits)):
            amounts = json.loads(text)
            self.resources[kind] = {
                "NanoCPUs": round(1e9 * float(amounts.get("cpus", 0))),
                "MemoryBytes": int(amounts.get("memory", 0)),
            }

    def _do_drain(self, node: str, availability: str) -> None:
        self.nodes[node].availability = availability
        elsewhere = next(one for one in self.nodes if one != node)
        if availability == "drain" and self.move_ends != "stuck":
            for service in self.replicas:
                self._do_move(service, node, elsewhere)

    def _do_relabel(self, anchor: str, node: str, old: str = "", services: str = "") -> None:
        """The dependents follow at once, unless they are stuck."""
        label = f"swarmherd.anchor.{anchor}"
        self.nodes[node].labels[label] = "yes"
        for service in filter(None, services.split(",")):
            bound = self.constraints.setdefault(service, [])
            if f"node.labels.{label}==yes" not in bound:
                bound.append(f"node.labels.{label}==yes")
                self._do_move(service, "node1", node)
        for one in filter(None, old.split(",")):
            self.nodes[one].labels.pop(label, None)
            for service, constraints in self.constraints.items():
                if f"node.labels.{label}==yes" in constraints and self.move_ends != "stuck":
                    self._do_move(service, one, node)

    def _do_release(self, anchor: str, services: str, old: str = "") -> None:
        """The constraint goes; the label stays where the engine is stuck."""
        label = f"swarmherd.anchor.{anchor}"
        for service in services.split(","):
            self.constraints[service] = [c for c in self.constraints[service] if c != f"node.labels.{label}==yes"]
        for one in filter(None, old.split(",") if self.move_ends != "stuck" else ()):
            self.nodes[one].labels.pop(label, None)

    def _node(self, node_id: str) -> dict[str, Any]:
        node, manager = self.nodes[node_id], node_id == "node1"
        leading = {"Leader": True, "Reachability": "reachable", "Addr": "10.0.0.1:2377"}
        return {
            "ID": node_id,
            "Version": {"Index": 9},
            "Spec": {
                "Labels": node.labels,
                "Role": "manager" if manager else "worker",
                "Availability": node.availability,
            },
            "Description": {
                "Hostname": node.hostname,
                "Resources": {"NanoCPUs": 2000000000, "MemoryBytes": self.memory_bytes},
                "Engine": {"EngineVersion": "20.10.24"},
            },
            "Status": {"State": node.state, "Addr": node.address},
            **({"ManagerStatus": leading} if manager else {}),
        }

    def _service(self, name: str) -> dict[str, Any]:
        return {
            "ID": f"id-{name}",
            "Version": {"Index": self.version},
            "CreatedAt": "2026-01-01T00:00:00.123456789Z",
            "UpdatedAt": "2026-01-01T00:00:00.123456789Z",
            "Spec": {
                "Name": name,
                "Labels": self.labels,
                "TaskTemplate": {
                    "ContainerSpec": {"Image": "shop:1"},
                    "Resources": self.resources,
                    "Placement": {"Constraints": self.constraints.get(name, [])},
                },
                "Mode": {"Replicated": {"Replicas": self.replicas[name]}},
            },
            **(self._update(name) if name in self.updates else {}),
        }

    def _update(self, name: str) -> dict[str, Any]:
        status = {"State": self.updates[name], "StartedAt": "2026-01-01T00:00:00Z", "Message": "so it is"}
        return {"PreviousSpec": {"Name": name}, "UpdateStatus": status}

    def _all_tasks(self) -> list[dict[str, Any]]:
        slots = ((service, slot) for service, count in self.replicas.items() for slot in range(1, count + 1))
        return [task for service, slot in slots for task in self._tasks(service, slot)]

    def _attachments(self) -> list[dict[str, Any]]:
        spec, status = {"NetworkAttachmentSpec": {"ContainerID": "c"}}, {"State": "running"}
        task = {"ID": "a", "NodeID": "node1", "Spec": spec, "Status": status, "DesiredState": "running"}
        ended = {**task, "Status": {"State": "complete"}}
        return [*[task] * self.attached, ended]

    @staticmethod
    def _task_id(service: str, slot: int, moves: int) -> str:
        return f"{service}-{slot}" + (f"-moved{moves}" if moves else "")

    def _tasks(self, service: str, slot: int) -> list[dict[str, Any]]:
        """The present task of a slot, and those that left a node."""
        past = self.tasks_moved.get((service, slot), ["node1"])
        state, error = (self.task_state, self.task_error) if slot <= self.room else ("pending", "no suitable node")
        states = [("shutdown", "", "shutdown")] * (len(past) - 1) + [(state, error, "running")]
        return [
            {
                "ID": self._task_id(service, slot, number),
                "CreatedAt": f"2026-01-01T00:00:{number:02}Z",
                "ServiceID": f"id-{service}",
                "Slot": slot,
                "NodeID": "" if now == "pending" else node,
                "Status": {"Timestamp": "2026-01-01T00:00:01.5Z", "State": now, "Message": "started"}
                | ({"Err": said} if said else {})
                | self._port(service),
                "DesiredState": wanted,
            }
            for number, (node, (now, said, wanted)) in enumerate(zip(past, states, strict=True))
        ]

    def _port(self, service: str) -> dict[str, Any]:
        if service not in self.ports:
            return {}
        port = {"Protocol": "tcp", "TargetPort": 8080, "PublishedPort": self.ports[service], "PublishMode": "host"}
        return {"PortStatus": {"Ports": [port]}}


class Metrics:
    """A Prometheus that answers every query with one number, unless told otherwise."""

    def __init__(self) -> None:
        self.value = "50"
        self.up_age_seconds = 1.0
        self.version = ""
        self.answer: Callable[[dict[str, str]], Answer] = self.series
        self.asked: list[dict[str, str]] = []
        self._loopback = Loopback(self._answer)
        self.url = self._loopback.url

    def close(self) -> None:
        self._loopback.close()

    def series(self, parameters: dict[str, str]) -> Answer:
        return vector([({}, self.value)], float(parameters.get("time", time.time())))

    def _answer(self, path: str, parameters: dict[str, str]) -> Answer:
        self.asked.append(parameters)
        at = float(parameters.get("time", time.time()))
        if path == "/api/v1/status/buildinfo":
            known = as_json({"status": "success", "data": {"version": self.version}})
            return known if self.version else as_json({}, 404)
        if path == "/api/v1/query" and parameters.get("query") == "max(timestamp(up))":
            return vector([({}, str(at - self.up_age_seconds))], at)
        if parameters.get("query") == "time()":
            return as_json({"status": "success", "data": {"resultType": "scalar", "result": [at, str(at)]}})
        return self.answer(parameters)


def vector(series: list[tuple[dict[str, str], str]], at: float, **more: Any) -> Answer:
    result = [{"metric": labels, "value": [at, value]} for labels, value in series]
    return as_json({"status": "success", "data": {"resultType": "vector", "result": result}, **more})


@pytest.fixture
def engine() -> Iterator[Engine]:
    one = Engine()
    yield one
    one.close()


@pytest.fixture
def metrics() -> Iterator[Metrics]:
    one = Metrics()
    yield one
    one.close()


@pytest.fixture(autouse=True)
def private_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test touches the state of the person who runs it, nor is touched by it."""
    state = tmp_path / "state"
    monkeypatch.setenv("XDG_STATE_HOME", str(state))
    return state


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """What a command line sets up for its logs, on a standard error that goes with its test, goes with it too."""
    yield
    structlog.reset_defaults()


PLAYBOOK = """
- hosts: "{{ swarmherd_manager }}"
  gather_facts: false
  connection: local
  tasks:
    - ansible.builtin.uri:
        url: "{{ scale_url }}/test/ASKED"
        method: POST
        return_content: true
"""

KINDS = {
    "scale": "scale?service={{ swarmherd_service }}&replicas={{ swarmherd_replicas }}"
    "&state={{ swarmherd_state | default('') }}&backend={{ swarmherd_balancer_backend | default('') }}",
    "move": "move?service={{ swarmherd_service }}&node={{ swarmherd_node }}&state={{ swarmherd_state | default('') }}"
    "&task={{ swarmherd_task }}&to={{ swarmherd_allowed_nodes[0] | default('node2') }}",
    "restart": "restart?service={{ swarmherd_service }}&task={{ swarmherd_task }}&node={{ swarmherd_node }}"
    "&state={{ swarmherd_state | default('') }}",
    "resources": "resources?service={{ swarmherd_service }}&limits={{ swarmherd_limits | to_json | urlencode }}"
    "&reservations={{ swarmherd_reservations | to_json | urlencode }}",
    "rollback": "rollback?service={{ swarmherd_service }}",
    "drain": "drain?node={{ swarmherd_node }}&availability={{ swarmherd_availability }}",
    "release": "release?anchor={{ swarmherd_anchor }}&old={{ swarmherd_old_nodes | join(',') }}"
    "&services={{ swarmherd_dependents | map(attribute='name') | join(',') }}",
    "relabel": "relabel?anchor={{ swarmherd_anchor }}&node={{ swarmherd_node }}"
    "&old={{ swarmherd_old_nodes | join(',') }}"
    "&services={{ swarmherd_dependents | map(attribute='name') | join(',') }}",
}


@pytest.fixture
def collection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A collection whose playbooks act on the loopback engine."""
    root = tmp_path / "ansible_collections" / "swarmherd" / "cluster"
    (root / "playbooks" / "enact").mkdir(parents=True)
    for kind, asked in KINDS.items():
        (root / "playbooks" / "enact" / f"{kind}.yml").write_text(PLAYBOOK.replace("ASKED", asked))
    monkeypatch.setenv("SWARMHERD_COLLECTION", str(root))
    return root


@pytest.fixture
def inventory(tmp_path: Path, engine: Engine, metrics: Metrics) -> Path:
    """An inventory of one manager: the loopback engine and Prometheus, `web` scaled by a query with target 10."""
    folder = tmp_path / "inventory"
    (folder / "group_vars" / "all").mkdir(parents=True)
    (folder / "hosts.yml").write_text(f"""
all:
  vars: {{scale_url: "{engine.http_url}", ansible_python_interpreter: "{{{{ ansible_playbook_python }}}}"}}
  children:
    managers:
      hosts:
        m1: {{swarmherd_docker_host: "{engine.url}"}}
""")
    (folder / "group_vars" / "all" / "swarmherd.yml").write_text(f"""
swarmherd_cluster:
  name: loop
  prometheus_url: "{metrics.url}"
  prometheus_timeout_seconds: 1
  docker_timeout_seconds: 3
  playbook_timeout_seconds: 60
  interval_seconds: 2
  events: false
swarmherd_policy:
  mode: enforce
  probe: {{enabled: false}}
  services:
    web:
      scale: {{min: 1, max: 5, metrics: [{{query: 'sum(load)', target: 10}}]}}
""")
    return folder


class _Never:
    """An event that is never set, for a runner in the test's own thread."""

    def is_set(self) -> bool:
        return False


@pytest.fixture
def runner(inventory: Path, collection: Path) -> Iterator[Runner]:  # noqa: ARG001  (the playbook must be there)
    one = Runner(inventory, None, None, _Never())  # type: ignore[arg-type]  # only is_set is asked here
    yield one
    one.close()
