# SPDX-License-Identifier: GPL-3.0-or-later
"""An engine's API on loopback, with as much of a Swarm as the modules' adapter needs to be tried against."""

from __future__ import annotations

import json
import re
import socketserver
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Dict
from urllib.parse import parse_qs, urlsplit

import pytest
from ansible.module_utils.testing import patch_module_args

Document = Dict[str, Any]


class Engine:
    """Holds documents and hands them out. `before_write` runs before a write is looked at: another writer's turn."""

    def __init__(self) -> None:
        self.services: list[Document] = []
        self.nodes: list[Document] = []
        self.tasks: list[Document] = []
        self.networks: list[Document] = []
        self.hidden_networks: list[Document] = []
        """Those of the Swarm that Docker does not list, and gives to whoever asks for the scope `swarm`."""
        self.containers: list[Document] = []
        self.node_id = "id-n1"
        self.member: Document = {}
        """What else the engine says of its membership."""
        self.secrets: list[Document] = []
        self.writes: list[Document] = []
        self.before_write: Callable[[], None] = lambda: None
        self.after_write: Callable[[], None] = lambda: None
        self.rollbacks = 0
        self.refuses = ""
        self.after_rollback: Callable[[], None] = lambda: None
        self.failure: tuple[int, str] | None = None
        self.url = ""

    def get(self, path: str) -> tuple[int, Any]:
        if self.failure:
            return self.failure[0], {"message": self.failure[1]}
        if path == "/version":
            return 200, {"ApiVersion": "1.41"}
        if path == "/info":
            return 200, {"Swarm": {"NodeID": self.node_id, **self.member}}
        if path == "/swarm":
            dispatcher = {"HeartbeatPeriod": 5_000_000_000}
            made = {"ID": "swarm", "CreatedAt": "2026-01-01T00:00:00Z", "Version": {"Index": 5}}
            tokens = {"Worker": "for-workers", "Manager": "for-managers"}
            return 200, {**made, "Spec": {"Dispatcher": dispatcher}, "JoinTokens": tokens}
        lists = {
            "/containers/json": self.containers,
            "/nodes": self.nodes,
            "/tasks": self.tasks,
            "/services": self.services,
            "/networks": self.networks,
            "/secrets": self.secrets,
        }
        if path in lists:
            return 200, lists[path]
        return self._one(path)

    def _one(self, path: str) -> tuple[int, Any]:
        kind, name = path.strip("/").split("/")[:2]
        for found in {"services": self.services, "nodes": self.nodes}.get(kind, []):
            if found["ID"].startswith(name) or found["Spec"].get("Name") == name:
                return 200, found
        return 404, {"message": f"{kind} {name} not found"}

    def stop(self, path: str) -> tuple[int, Any]:
        for container in self.containers:
            if path == f"/containers/{container['Id']}/stop":
                container["State"] = "exited"
                self.after_write()
                return 204, None
        return 404, {"message": "No such container"}

    def create(self, path: str, document: Document) -> tuple[int, Any]:
        """A new service or network, whose id is made of its name."""
        self.writes.append(document)
        if path == "/networks/create":
            made = {**document, "Id": f"id-{document['Name']}"}
            self.networks.append(made)
            return 201, {"Id": made["Id"]}
        made = {
            "ID": f"id-{document['Name']}",
            "Version": {"Index": 1},
            "Spec": document,
            "CreatedAt": "",
            "UpdatedAt": "",
        }
        self.services.append(made)
        self.after_write()
        return 201, {"ID": made["ID"]}

    def remove(self, path: str) -> tuple[int, Any]:
        status, found = self._one(path)
        if status == 200:
            self.services.remove(found)
            self.after_write()
        return status, found if status != 200 else None

    def write(self, path: str, version: int, spec: Document) -> tuple[int, Any]:
        self.before_write()
        status, found = self._one(path)
        if status == 200 and found["Version"]["Index"] != version:
            return 500, {"message": "rpc error: code = Unknown desc = update out of sequence"}
        if status == 200:
            found["Spec"], found["Version"] = spec, {"Index": version + 1}
            self.writes.append(spec)
            self.after_write()
            return 200, {"Warnings": None}
        return status, found

    def rollback(self, path: str, version: int) -> tuple[int, Any]:
        """Docker exchanges the two specifications, whatever was sent."""
        self.before_write()
        status, found = self._one(path)
        if status == 200 and found["Version"]["Index"] != version:
            return 500, {"message": "rpc error: code = Unknown desc = update out of sequence"}
        if self.refuses:
            return 400, {"message": self.refuses}
        if status == 200:
            found["Spec"], found["PreviousSpec"] = found["PreviousSpec"], found["Spec"]
            found["Version"], self.rollbacks = {"Index": version + 1}, self.rollbacks + 1
            self.after_rollback()
            return 200, {"Warnings": None}
        return status, found


class _Handler(BaseHTTPRequestHandler):
    engine: Engine

    def do_GET(self) -> None:
        asked = parse_qs(urlsplit(self.path).query)
        found = [net for net in self.engine.hidden_networks if self._path() == f"/networks/{net['Name']}"]
        if found and asked.get("scope") == ["swarm"]:
            self._answer(200, found[0])
        else:
            self._answer(*self.engine.get(self._path()))

    def do_POST(self) -> None:
        spec = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        if self._path().startswith("/containers/"):
            self._answer(*self.engine.stop(self._path()))
        elif self._path().endswith("/create"):
            self._answer(*self.engine.create(self._path(), spec))
        else:
            asked = parse_qs(urlsplit(self.path).query)
            version = int(asked["version"][0])
            if asked.get("rollback") == ["previous"]:
                self._answer(*self.engine.rollback(self._path(), version))
            else:
                self._answer(*self.engine.write(self._path(), version, spec))

    def do_DELETE(self) -> None:
        self._answer(*self.engine.remove(self._path()))

    def _path(self) -> str:
        return re.sub(r"^/v[0-9.]+", "", urlsplit(self.path).path)

    def _answer(self, status: int, document: Any) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        """Keep the tests' output clean."""


@pytest.fixture
def engine() -> Iterator[Engine]:
    with served_engine() as held:
        yield held


@contextmanager
def served_engine() -> Iterator[Engine]:
    held = Engine()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"engine": held}))
    held.url = f"tcp://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield held
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def run_module(engine: Engine, capsys: pytest.CaptureFixture[str]) -> Callable[..., Document]:
    """Run a module's `main` against the engine and give its result, as Ansible would read it."""

    def run(main: Callable[[], None], **args: Any) -> Document:
        with patch_module_args({"docker_host": engine.url, **args}), pytest.raises(SystemExit):
            main()
        result = json.loads(capsys.readouterr().out)
        return (
            {**result, "warnings": [_sentence(warning) for warning in result["warnings"]]}
            if "warnings" in result
            else result
        )

    return run


def _sentence(warning: Any) -> str:
    """What people read of a warning: from ansible-core 2.19 on a module hands it over with where it arose."""
    return warning if isinstance(warning, str) else warning["event"]["msg"]


@pytest.fixture
def make_node() -> Callable[..., Document]:
    def make(name: str, **changes: Any) -> Document:
        role = changes.get("role", "worker")
        node = {
            "ID": changes.get("id", f"id-{name}"),
            "CreatedAt": changes.get("created_at", "2026-01-01T00:00:00Z"),
            "Version": {"Index": 7},
            "Spec": {
                "Role": role,
                "Availability": changes.get("availability", "active"),
                "Labels": changes.get("labels", {}),
            },
            "Description": {"Hostname": name, "Resources": {"NanoCPUs": 2_000_000_000, "MemoryBytes": 1024}},
            "Status": {"State": changes.get("state", "ready"), "Addr": changes.get("address", "10.0.0.1")},
        }
        if role == "manager":
            node["ManagerStatus"] = {"Reachability": changes.get("reachability", "reachable"), "Addr": "10.0.0.1:2377"}
        return node

    return make


@pytest.fixture
def make_service() -> Callable[..., Document]:
    def make(name: str = "shop", replicas: int | None = 2, **template: Any) -> Document:
        return {
            "ID": f"id-{name}",
            "Version": {"Index": 10},
            "CreatedAt": "2026-01-01T00:00:00Z",
            "UpdatedAt": "2026-01-01T00:00:00Z",
            "Spec": {
                "Name": name,
                "Labels": {},
                "Mode": {"Global": {}} if replicas is None else {"Replicated": {"Replicas": replicas}},
                "TaskTemplate": {"ContainerSpec": {"Image": "shop:1"}, "ForceUpdate": 0, **template},
            },
        }

    return make


@pytest.fixture
def make_task() -> Callable[..., Document]:
    def make(service: Document, slot: int, node: str = "id-n1", state: str = "running", **changes: Any) -> Document:
        return {
            "ID": changes.get("id", f"task-{slot}-{state}"),
            "ServiceID": service["ID"],
            "Slot": slot,
            "NodeID": node,
            "CreatedAt": changes.get("created_at", "2026-01-01T00:00:00Z"),
            "DesiredState": changes.get("desired", "running"),
            "Spec": changes.get("spec", json.loads(json.dumps(service["Spec"]["TaskTemplate"]))),
            "Status": {"State": state, "Timestamp": "2026-01-01T00:00:01Z", "Err": changes.get("error", "")},
        }

    return make


# ---------------------------------------------------------------- a load balancer

SERVER_COLUMNS = "be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_port"
FREE = 0x20
"""The bit of a slot that DNS has no address for."""


class Balancer:
    """One backend of HAProxy, and every command that it was given."""

    def __init__(self) -> None:
        self.servers: dict[str, list[Any]] = {
            "shop-1": ["10.0.1.5", 0, 1],
            "shop-2": ["10.0.1.6", 0, 1],
            "shop-3": ["-", FREE, 1],
        }
        self.sessions = [0]
        self.untold: list[tuple[str, str]] = []
        self.before_state: Callable[[], Any] = lambda: None
        self.refused = ""
        self.told: list[str] = []

    def answer(self, command: str) -> str:
        words = command.split()
        if words[:3] == ["show", "servers", "state"]:
            self.before_state()
            return self.state() if words[3:] in ([], ["shop"]) else "Can't find backend.\n"
        if words[:2] == ["show", "stat"]:
            return self.stat(of_all=words[2:] == ["-1", "4", "-1"])
        self.told.append(command)
        if self.refused and self.refused in command:
            return "No such server.\n"
        server = self.servers[words[2].split("/")[1]]
        if words[3] == "state":
            server[1] = (server[1] & FREE) | {"ready": 0, "drain": 8, "maint": 1}[words[4]]
        else:
            server[2] = int(words[4])
        return "\n"

    def stat(self, of_all: bool) -> str:
        """Servers. Asked for `shop` by name it would tell of the frontend of that name, which has none."""
        left = self.sessions.pop(0) if len(self.sessions) > 1 else self.sessions[0]
        other, untold = ("other", "shop-1", 0, 0, 7), set(self.untold)
        rows = [("shop", "shop-1", 0, 0, left), ("shop", "shop-2", 2, 2, 7), ("shop", "shop-3", 0, 0, 0), other]
        told = [",".join(map(str, row)) for row in rows if of_all and row[:2] not in untold]
        return "\n".join(["# pxname,svname,qcur,qmax,scur", *told, "", ""])

    def state(self) -> str:
        rows = [
            f"3 shop 1 {name} {addr} 2 {admin} {weight} 1 80" for name, (addr, admin, weight) in self.servers.items()
        ]
        return "\n".join(["1", f"# {SERVER_COLUMNS}", *rows, "", ""])


@pytest.fixture
def socket_path() -> Iterator[str]:
    """Paths of sockets are short: not every folder for tests will do."""
    with tempfile.TemporaryDirectory() as folder:
        yield str(Path(folder, "admin.sock"))


@pytest.fixture
def balancer(socket_path: str) -> Iterator[Balancer]:
    held = Balancer()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(held.answer(self.rfile.readline().decode()).encode())

    with socketserver.ThreadingUnixStreamServer(socket_path, Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield held
        server.shutdown()
        thread.join()
