# SPDX-License-Identifier: GPL-3.0-or-later
"""Docker's own events of one manager, as hints that a look may be worth while. What is decided rests on looking alone.

Every manager tells of the Swarm's services and nodes; of containers, each engine tells its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import requests
from docker.errors import DockerException
from docker.types import CancellableStream
from urllib3.exceptions import HTTPError, ReadTimeoutError

from swarmherd.observe.connection import Connection
from swarmherd.observe.docker import Engine, EngineClient
from swarmherd.observe.errors import UnreachableError

QUIET_SECONDS = 60.0
"""A stream without a word for so long is opened anew: the other side may be gone without having said so."""
SERVICE = "com.docker.swarm.service.name"
OF_THE_SWARM = ("create", "update", "remove")
OF_CONTAINERS = {"die": "ended", "oom": "ran out of memory", "health_status": "changed its health"}
FILTERS = {"type": ["service", "node", "container"], "event": [*OF_THE_SWARM, *OF_CONTAINERS]}


class _Client(EngineClient):
    """Every answer is bounded in size and time, as ever, but for that of the events, which has no end."""

    quiet_seconds = QUIET_SECONDS

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        if "/events" not in (request.path_url or "").partition("?")[0]:
            return super().send(request, **kwargs)
        kwargs["timeout"] = (self.max_seconds, self.quiet_seconds)
        response = requests.Session.send(self, request, **kwargs)
        response.raise_for_status()  # the SDK takes any answer for a stream
        return response


class EventStream:
    """One manager's events. It is read by one thread, and may be closed by another."""

    def __init__(self, connection: Connection, timeout_seconds: float, quiet_seconds: float = QUIET_SECONDS) -> None:
        self._engine = Engine(connection, timeout_seconds, _Client)
        self._quiet = quiet_seconds
        self._stream: CancellableStream[Any] | None = None

    def open(self) -> None:
        """Raises DockerError."""
        self._stream = self._engine.call(self._opened)

    def said(self) -> Iterator[str]:
        """Each event that matters, in words; ends after a long silence. Raises DockerError where the stream breaks."""
        try:
            for event in self._stream or ():
                if words := relevant(event):
                    yield words
        except ReadTimeoutError:
            return
        except (HTTPError, requests.RequestException, OSError, ValueError, AttributeError) as error:
            # AttributeError: what is left of a connection that another thread closes under our hands
            raise UnreachableError(f"{self._engine.connection}: {type(error).__name__} {error}") from error
        raise UnreachableError(f"{self._engine.connection}: the stream of events ended")

    def close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            with suppress(DockerException, OSError, AttributeError):
                stream.close()
        self._engine.close()

    def _opened(self, client: EngineClient) -> CancellableStream[Any]:
        if isinstance(client, _Client):
            client.quiet_seconds = self._quiet
        return client.events(decode=True, filters=FILTERS)


def relevant(event: Mapping[str, Any]) -> str:
    """What happened, in words; empty where it is nothing of a Swarm's."""
    kind, action = event.get("Type"), str(event.get("Action", ""))
    told: Mapping[str, str] = (event.get("Actor") or {}).get("Attributes") or {}
    if kind in ("service", "node") and action in OF_THE_SWARM:
        state = f" to {told['state.new']}" if "state.new" in told else ""
        return f"Docker says {kind} {told.get('name', '')} {action}{state}"
    what = OF_CONTAINERS.get(action.partition(":")[0])
    if kind == "container" and what and SERVICE in told:
        return f"Docker says a container of {told[SERVICE]} {what}"
    return ""
