# SPDX-License-Identifier: GPL-3.0-or-later
"""Docker's JSON documents (API 1.40 and later) as values of the model. Pure: no engine is asked here."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from swarmherd.model import Availability, Node, NodeState, Role, Service, Task, TaskState, UpdateState

NANO = 1e9
NEVER = datetime(1, 1, 1, tzinfo=UTC)
Document = Mapping[str, Any]


def node(document: Document) -> Node:
    spec, description = document["Spec"], document.get("Description") or {}
    resources = description.get("Resources") or {}
    return Node(
        id=document["ID"],
        hostname=description.get("Hostname", ""),
        role=Role(spec["Role"]),
        state=_node_state(document["Status"].get("State", "")),
        availability=Availability(spec["Availability"]),
        address=_address(document),
        labels=MappingProxyType(dict(spec.get("Labels") or {})),
        cpus=resources.get("NanoCPUs", 0) / NANO,
        memory_bytes=resources.get("MemoryBytes", 0),
        engine_version=(description.get("Engine") or {}).get("EngineVersion", ""),
        leader=bool((document.get("ManagerStatus") or {}).get("Leader", False)),
    )


def service(document: Document) -> Service:
    spec = document["Spec"]
    template = spec.get("TaskTemplate") or {}
    resources = template.get("Resources") or {}
    limits, reservations = resources.get("Limits") or {}, resources.get("Reservations") or {}
    return Service(
        id=document["ID"],
        name=spec["Name"],
        version=document["Version"]["Index"],
        replicas=_replicas(spec.get("Mode") or {}),
        updated_at=moment(document.get("UpdatedAt")),
        labels=MappingProxyType(dict(spec.get("Labels") or {})),
        image=(template.get("ContainerSpec") or {}).get("Image", ""),
        update_state=_update_state(document.get("UpdateStatus") or {}),
        cpu_limit=_cores(limits),
        cpu_reservation=_cores(reservations),
        memory_limit_bytes=limits.get("MemoryBytes") or None,
        memory_reservation_bytes=reservations.get("MemoryBytes") or None,
    )


def task(document: Document, service_name: str) -> Task:
    status = document["Status"]
    said = (status.get("Err", ""), status.get("Message", ""))
    return Task(
        id=document["ID"],
        service=service_name,
        slot=document.get("Slot", 0),
        node_id=document.get("NodeID", ""),
        state=TaskState(status["State"]),
        desired=TaskState(document["DesiredState"]),
        created_at=moment(document.get("CreatedAt")),
        state_at=moment(status.get("Timestamp")),
        message=": ".join(word for word in said if word),
    )


def moment(text: str | None) -> datetime:
    """Docker's times, with nanoseconds, in UTC."""
    if not text:
        return NEVER
    at = datetime.fromisoformat(text)
    return at.astimezone(UTC) if at.tzinfo and at.year > 1 else at.replace(tzinfo=UTC)


def _node_state(text: str) -> NodeState:
    try:
        return NodeState(text)
    except ValueError:
        return NodeState.UNKNOWN


def _update_state(status: Document) -> UpdateState:
    """An update state that this version does not know is read as one in progress: nothing touches the service (S6)."""
    text = status.get("State") or UpdateState.NONE.value
    try:
        return UpdateState(text)
    except ValueError:
        return UpdateState.UPDATING


def _replicas(mode: Document) -> int | None:
    replicated = mode.get("Replicated")
    return None if replicated is None else int(replicated.get("Replicas", 0))


def _cores(resources: Document) -> float | None:
    nano = resources.get("NanoCPUs")
    return nano / NANO if nano else None


def _address(document: Document) -> str:
    """A manager may see itself as 0.0.0.0; its manager address is then the one that others reach."""
    address = str(document["Status"].get("Addr", ""))
    if address not in ("", "0.0.0.0", "127.0.0.1"):  # noqa: S104  (compared with, never bound to)
        return address
    return str((document.get("ManagerStatus") or {}).get("Addr", "")).rpartition(":")[0] or address
