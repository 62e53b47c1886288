# SPDX-License-Identifier: GPL-3.0-or-later
"""Docker's JSON documents (API 1.40 and later) as values of the model. Pure: no engine is asked here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from ipaddress import ip_address
from types import MappingProxyType
from typing import Any

from swarmherd.model import Availability, Node, NodeState, Role, Service, Task, TaskNeeds, TaskState, UpdateState

NANO = 1e9
LOCAL = "local"
"""The volume driver whose volumes stay on their node."""
MONITOR_SECONDS = 5.0
"""How long Swarm watches a task that it has replaced, unless it is told."""
KNOWN = frozenset(TaskState)
ENDED_BADLY = (TaskState.FAILED, TaskState.REJECTED)
NEVER = datetime(1, 1, 1, tzinfo=UTC)
Document = Mapping[str, Any]


def node(document: Document, attached: int = 0) -> Node:
    spec, description = document["Spec"], document.get("Description") or {}
    resources, engine = description.get("Resources") or {}, description.get("Engine") or {}
    platform, plugins = description.get("Platform") or {}, engine.get("Plugins")
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
        engine_version=engine.get("EngineVersion", ""),
        leader=bool((document.get("ManagerStatus") or {}).get("Leader", False)),
        os=platform.get("OS", ""),
        arch=platform.get("Architecture", ""),
        engine_labels=MappingProxyType(dict(engine.get("Labels") or {})),
        plugins=None if plugins is None else frozenset(_plugin(plugin["Name"]) for plugin in plugins),
        attached=attached,
        version=(document.get("Version") or {}).get("Index"),
    )


def service(document: Document) -> Service:
    spec = document["Spec"]
    template = spec.get("TaskTemplate") or {}
    resources = template.get("Resources") or {}
    limits, reservations = resources.get("Limits") or {}, resources.get("Reservations") or {}
    container, placement = template.get("ContainerSpec") or {}, template.get("Placement") or {}
    mounts, mode = container.get("Mounts") or [], spec.get("Mode") or {}
    return Service(
        id=document["ID"],
        name=spec["Name"],
        version=document["Version"]["Index"],
        replicas=_replicas(mode),
        updated_at=moment(document.get("UpdatedAt")),
        labels=MappingProxyType(dict(spec.get("Labels") or {})),
        image=container.get("Image", ""),
        update_state=_update_state(document.get("UpdateStatus") or {}),
        cpu_limit=_cores(limits),
        cpu_reservation=_cores(reservations),
        memory_limit_bytes=limits.get("MemoryBytes") or None,
        memory_reservation_bytes=reservations.get("MemoryBytes") or None,
        constraints=tuple(placement.get("Constraints") or ()),
        platforms=tuple((p.get("OS", ""), p.get("Architecture", "")) for p in placement.get("Platforms") or ()),
        plugins=_drivers(template, mounts),
        host_ports=_host_ports(spec.get("EndpointSpec") or {}),
        max_per_node=placement.get("MaxReplicas", 0),
        local_data=any(_is_local(mount) for mount in mounts),
        start_first=(spec.get("UpdateConfig") or {}).get("Order") == "start-first",
        restarts=(template.get("RestartPolicy") or {}).get("Condition", "any") == "any",
        spread_over=_spread(placement.get("Preferences") or ()),
        more_filters=_more_filters(reservations, mounts),
        template=_template(template),
        job="ReplicatedJob" in mode or "GlobalJob" in mode,
        **_update(document),
    )


def task(document: Document, service_name: str) -> Task:
    status = document["Status"]
    (state, desired), spec = _task_states(document), document.get("Spec")
    said = (status.get("Err", ""), status.get("Message", ""))
    return Task(
        id=document["ID"],
        service=service_name,
        slot=document.get("Slot", 0),
        node_id=document.get("NodeID", ""),
        state=state,
        desired=desired,
        created_at=moment(document.get("CreatedAt")),
        state_at=moment(status.get("Timestamp")),
        message=": ".join(word for word in said if word),
        container=(status.get("ContainerStatus") or {}).get("ContainerID", ""),
        needs=_needs(document),
        host_ports=_task_ports(status),
        template=_template(spec or {}) if state in ENDED_BADLY else "",
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


def _task_states(document: Document) -> tuple[TaskState, TaskState]:
    """What it is and is to be. What this version does not know is read as a task on its way: then nothing touches the
    service (S6), unless the task is to end, which is no matter of the service's."""
    state, desired = document["Status"]["State"], document["DesiredState"]
    if desired not in KNOWN:
        return TaskState.PREPARING, TaskState.RUNNING
    return TaskState(state) if state in KNOWN else TaskState.PREPARING, TaskState(desired)


def _update_state(status: Document) -> UpdateState:
    """An update state that this version does not know is read as one in progress: nothing touches the service (S6)."""
    text = status.get("State") or UpdateState.NONE.value
    try:
        return UpdateState(text)
    except ValueError:
        return UpdateState.UPDATING


def _update(document: Document) -> dict[str, Any]:
    """What there is to know of an update: swarmkit's defaults stand for what was never written."""
    status, config = document.get("UpdateStatus") or {}, document["Spec"].get("UpdateConfig") or {}
    rest = (config.get("Delay") or 0) + (config.get("Monitor") or MONITOR_SECONDS * NANO)
    return {
        "update_started_at": moment(status["StartedAt"]) if status.get("StartedAt") else None,
        "update_message": status.get("Message", ""),
        "update_parallelism": config.get("Parallelism", 0) if config else 1,
        "update_pause_seconds": rest / NANO,
        "has_previous": bool(document.get("PreviousSpec")),
    }


def _task_ports(status: Document) -> tuple[tuple[int, int], ...]:
    """Also those that the engine chose itself: of a task it tells the ports that it has."""
    ports = (status.get("PortStatus") or {}).get("Ports") or ()
    tcp = (p for p in ports if p.get("Protocol", "tcp") == "tcp" and p.get("PublishMode") == "host")
    return tuple(sorted((p.get("TargetPort", 0), p["PublishedPort"]) for p in tcp if p.get("PublishedPort")))


def _replicas(mode: Document) -> int | None:
    replicated = mode.get("Replicated")
    return None if replicated is None else int(replicated.get("Replicas", 0))


def _cores(resources: Document) -> float | None:
    nano = resources.get("NanoCPUs")
    return nano / NANO if nano else None


def _volume_driver(mount: Document) -> str:
    return str(((mount.get("VolumeOptions") or {}).get("DriverConfig") or {}).get("Name", ""))


def _is_local(mount: Document) -> bool:
    """A path of the node, or a volume that no driver brings along. A socket or a file of the system is data as well
    as far as can be seen from here; whoever knows better consents in the policy."""
    kind = mount.get("Type", "volume")
    return kind == "bind" or (kind == "volume" and _volume_driver(mount) in ("", LOCAL))


def _spread(preferences: Sequence[Document]) -> tuple[str, ...]:
    return tuple(over for one in preferences if (over := (one.get("Spread") or {}).get("SpreadDescriptor", "")))


def _more_filters(reservations: Document, mounts: Sequence[Document]) -> bool:
    return bool(reservations.get("GenericResources")) or any(mount.get("Type") == "cluster" for mount in mounts)


def _drivers(template: Document, mounts: Sequence[Document]) -> frozenset[str]:
    """Of volumes and of the log: what Swarm asks a node for, where it is named (swarmkit, filter.go)."""
    log = (template.get("LogDriver") or {}).get("Name", "")
    named = {driver for mount in mounts if (driver := _volume_driver(mount)) not in ("", LOCAL)}
    return frozenset(_plugin(name) for name in (named | {log}) - {"", "none"})


def _plugin(name: str) -> str:
    """Swarm takes a plugin of the tag `latest` for one without a tag."""
    return name.removesuffix(":latest")


def _template(spec: Document) -> str:
    """Of a service's template or a task's own specification: Docker tells both in the same words, and a task keeps
    those that it was made from (moby, daemon/cluster/convert). Constraints and forced updates make nothing else of it.
    """
    if not spec.get("ContainerSpec"):
        return ""
    what = {part: spec[part] for part in ("ContainerSpec", "Resources") if spec.get(part)}
    said = json.dumps(what, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(said.encode(), digest_size=8).hexdigest()


def _needs(document: Document) -> TaskNeeds | None:
    if "Spec" not in document:
        return None
    reservations = (document["Spec"].get("Resources") or {}).get("Reservations") or {}
    return TaskNeeds(cpu=_cores(reservations) or 0.0, memory_bytes=reservations.get("MemoryBytes") or 0)


def _host_ports(endpoint: Document) -> frozenset[int]:
    ports = endpoint.get("Ports") or ()
    return frozenset(p["PublishedPort"] for p in ports if p.get("PublishMode") == "host" and p.get("PublishedPort"))


def _address(document: Document) -> str:
    """A manager may see itself as 0.0.0.0 or ::1; its manager address is then the one that others reach."""
    address = str(document["Status"].get("Addr", "")).strip("[]")
    if _is_of_a_host(address):
        return address
    return str((document.get("ManagerStatus") or {}).get("Addr", "")).rpartition(":")[0].strip("[]") or address


def _is_of_a_host(address: str) -> bool:
    """Whether others may reach it there."""
    try:
        ip = ip_address(address)
    except ValueError:  # a name, or nothing
        return bool(address)
    return not (ip.is_unspecified or ip.is_loopback)
