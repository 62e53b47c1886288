# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a Swarm through the first of its managers that answers. Nothing here changes anything."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import docker
import requests
from docker.errors import APIError, DockerException
from docker.tls import TLSConfig

from swarmherd import breaker
from swarmherd.breaker import Breakers
from swarmherd.model import Node, Service, Task
from swarmherd.observe import swarm_objects
from swarmherd.observe.bounded import AnswerTooLarge, BoundedAnswers
from swarmherd.observe.connection import Connection, Tls
from swarmherd.observe.errors import DockerError, NotManagerError, UnreachableError, UnusableAnswerError
from swarmherd.observe.tunnel import Tunnel

T = TypeVar("T")
Document = dict[str, str]
ODD = (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)
"""What is raised for an answer of another shape than an engine's."""


@dataclass(frozen=True, slots=True)
class SwarmState:
    """What one manager said in one go."""

    manager: str
    """The inventory's name of the manager that answered."""
    nodes: tuple[Node, ...]
    services: tuple[Service, ...]
    tasks: tuple[Task, ...]


class EngineClient(BoundedAnswers, docker.APIClient):
    """The SDK's low-level client with bounded answers. Its own methods carry no types: these do."""

    max_bytes = 256 * 1024 * 1024
    """Of tasks, a few KiB each, Swarm lists those that ended too: with its own settings five for each that runs."""

    def __init__(self, url: str, seconds: float, tls: TLSConfig | bool) -> None:
        """Asks for the engine's version already, so the time that it has is known before."""
        self.max_seconds = seconds
        super().__init__(base_url=url, version="auto", timeout=math.ceil(seconds), tls=tls)

    def list_of(self, what: str, filters: Document | None = None) -> list[dict[str, Any]]:
        """`nodes`, `services` or `tasks`, as Docker's JSON documents. Raises TypeError for what is no list."""
        found = getattr(self, what)(filters=filters)
        if not isinstance(found, list):
            raise TypeError(f"the {what} are no list")
        return found


class Engine:
    """One engine, connected on first use; every call raises a DockerError of one sentence."""

    def __init__(
        self, connection: Connection, timeout_seconds: float, client: type[EngineClient] = EngineClient
    ) -> None:
        self.connection = connection
        self._kind = client
        self._timeout = timeout_seconds
        self.tunnel: Tunnel | None = None
        self._client: EngineClient | None = None

    def call(self, ask: Callable[[EngineClient], T]) -> T:
        """`ask`'s answer. A failed call closes the connection: the next one opens it afresh."""
        try:
            return ask(self._connected())
        except Exception as error:
            explained = self._explained(error)
            self.close()
            raise explained from error

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
        if self.tunnel is not None:
            self.tunnel.close()
        self._client = self.tunnel = None

    def _connected(self) -> EngineClient:
        if self._client is None or (self.tunnel is not None and not self.tunnel.alive):
            self.close()
            self._client = self._connect()
        return self._client

    def _connect(self) -> EngineClient:
        url = self.connection.url
        if self.connection.ssh is not None:
            self.tunnel = Tunnel(self.connection.ssh, self._timeout)
            url = self.tunnel.url
        return self._kind(url, self._timeout, _tls(self.connection.tls))

    def _explained(self, error: Exception) -> DockerError:
        where = str(self.connection)
        # The SDK wraps what befalls its question for the version.
        if isinstance(error, DockerException) and not isinstance(error, APIError):
            error = error.__cause__ if isinstance(error.__cause__, Exception) else error
        if isinstance(error, UnreachableError):
            return UnreachableError(f"{where}: {error}")
        if isinstance(error, APIError):
            return _refused(where, error)
        if isinstance(error, AnswerTooLarge):
            remedy = "docker swarm update --task-history-limit 1 has Swarm list fewer tasks that ended"
            return UnusableAnswerError(f"{where}: {error}; {remedy}")
        if isinstance(error, requests.JSONDecodeError):
            return _of_another(where, "no JSON")
        if isinstance(error, ODD) and not isinstance(error, requests.RequestException):
            return _of_another(where, f"{type(error).__name__} {error}")
        if isinstance(error, requests.Timeout):
            return UnreachableError(f"{where}: no answer within {self._timeout:g} s")
        if isinstance(error, requests.RequestException | DockerException | OSError):
            said = self.tunnel.last_words() if self.tunnel is not None else ""
            return UnreachableError(f"{where}: {_short(error)}{f'; ssh says: {said}' if said else ''}")
        raise error


class Docker:
    """The managers of one Swarm, asked in the inventory's order until one answers as an active manager.

    The one that answered last is asked first: a dead one then costs one timeout, and not one per cycle. Those on hosts
    that are known to be `silent`, by the inventory's names, come last.
    """

    def __init__(
        self,
        managers: Sequence[Connection],
        timeout_seconds: float,
        silent: Callable[[], Container[str]] = frozenset,
    ) -> None:
        self._silent = silent
        self.engines = tuple(Engine(connection, timeout_seconds) for connection in managers)
        self._answered: Engine | None = None

    def __enter__(self) -> Docker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self, breakers: Breakers | None = None) -> SwarmState:
        """Nodes, services and tasks, all from the same manager. Raises DockerError.

        With `breakers` a manager that failed too often is passed over for a while.
        """

        def ask(one: Engine) -> SwarmState:
            return one.call(lambda client: _swarm(client, one.connection.name))

        return self._first(ask if breakers is None else partial(_guarded, ask, breakers))

    def read_service(self, name: str) -> SwarmState:
        """The same with one service and its tasks only; `services` is empty when there is none of that name."""
        return self._first(lambda engine: engine.call(lambda client: _swarm(client, engine.connection.name, name)))

    def ask(self, question: Callable[[EngineClient], T]) -> tuple[str, T]:
        """A question of the caller's own to the first manager that answers: its name and the answer."""
        return self._first(lambda engine: (engine.connection.name, engine.call(question)))

    def manager(self) -> str:
        """The inventory's name of a manager that answers now: playbooks run there. Raises DockerError."""
        return self._first(lambda engine: engine.call(lambda client: _manager(client, engine.connection.name)))

    def close(self) -> None:
        for engine in self.engines:
            engine.close()

    def _first(self, ask: Callable[[Engine], T]) -> T:
        problems = []
        silent = self._silent()
        for engine in sorted(self.engines, key=lambda e: (e.connection.name in silent, e is not self._answered)):
            try:
                answer = ask(engine)
            except DockerError as error:
                problems.append(error)
            else:
                self._answered = engine
                return answer
        if len(problems) == 1:
            raise problems[0]
        raise UnreachableError("no manager answers: " + "; ".join(str(problem) for problem in problems))


def _guarded(ask: Callable[[Engine], T], breakers: Breakers, one: Engine) -> T:
    """Only what costs time counts as a failure: an engine that answers, with an error even, costs none."""
    name = breaker.engine(one.connection.name)
    if why := breakers.why_not(name):
        raise UnreachableError(f"{one.connection} is not asked: {why}")
    try:
        answer = ask(one)
    except UnreachableError as error:
        breakers.failed(name, str(error))
        raise
    except DockerError:
        breakers.succeeded(name)
        raise
    breakers.succeeded(name)
    return answer


def _swarm(client: EngineClient, manager: str, only: str | None = None) -> SwarmState:
    # Docker's name filter matches prefixes, so the exact name is looked for here.
    services = [swarm_objects.service(d) for d in client.list_of("services", {"name": only} if only else None)]
    services = [s for s in services if only is None or s.name == only]
    names = {s.id: s.name for s in services}
    tasks = client.list_of("tasks", None if only is None else {"service": only}) if services else []
    attached = _attached(client)
    nodes = client.list_of("nodes")
    if not nodes:
        raise ValueError("a Swarm without a node")
    return SwarmState(
        manager=manager,
        nodes=tuple(swarm_objects.node(d, attached[d["ID"]]) for d in nodes),
        services=tuple(services),
        # A task whose service is gone is on its way out, and nothing of ours.
        tasks=tuple(swarm_objects.task(d, names[d["ServiceID"]]) for d in tasks if d.get("ServiceID") in names),
    )


def _attached(client: EngineClient) -> Counter[str]:
    """By node id: what `docker run --network` attached to an overlay. Only who asks for such tasks is told of them."""
    found = client.list_of("tasks", {"runtime": "attachment"})
    return Counter(
        d.get("NodeID", "")
        for d in found
        if "NetworkAttachmentSpec" in (d.get("Spec") or {}) and d["Status"]["State"] == "running"
    )


def _manager(client: EngineClient, name: str) -> str:
    swarm = client.info()["Swarm"]
    if not swarm.get("ControlAvailable"):
        raise UnreachableError(f"is no manager of a Swarm (its Swarm state is {swarm.get('LocalNodeState')})")
    return name


def _tls(tls: Tls) -> TLSConfig | bool:
    if not (tls.ca or tls.cert):
        return False
    pair = (tls.cert, tls.key) if tls.cert and tls.key else None
    # Without a CA of its own the engine is known by those of the system, as any server is.
    return TLSConfig(client_cert=pair, ca_cert=tls.ca or None, verify=True)


def _refused(where: str, error: APIError) -> DockerError:
    said = str(error.explanation or error).strip()[:300]
    if said.startswith("<"):
        return _of_another(where, f"HTTP {error.status_code} and a page")
    if error.status_code == requests.codes.service_unavailable:
        return NotManagerError(f"{where}: {said}")
    return UnusableAnswerError(f"{where}: {said}")


def _of_another(where: str, said: str) -> DockerError:
    return UnusableAnswerError(f"{where}: the answer is not Docker's ({said}); is this the address of an engine?")


def _short(error: BaseException) -> str:
    """The innermost cause: the outer ones of urllib3 are long and say less."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return str(getattr(error, "strerror", None) or error)[:300]
