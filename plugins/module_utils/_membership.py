# SPDX-License-Identifier: GPL-3.0-or-later
"""Who belongs to a Swarm and in which role: from what is found and wanted to the steps between. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Collection, Mapping, NamedTuple, Sequence

from . import _nodes
from ._errors import SwarmError

Document = Mapping[str, Any]

MANAGER_PORT = 2377


FAST_HEARTBEATS = ((20, "1s"), (100, "2s"))
"""Up to how many nodes which heartbeat is fast: each costs the managers work, and a busy node misses short ones."""
FAST_BEYOND, NORMAL_HEARTBEAT = "3s", "5s"
"""The fast heartbeat of larger Swarms, and Docker's own default."""


def heartbeat(failover: str | None, nodes: int) -> str | None:
    """The dispatcher heartbeat for a speed of failing over in a Swarm of so many nodes; None leaves it as it is."""
    if failover is None:
        return None
    if failover == "normal":
        return NORMAL_HEARTBEAT
    return next((text for most, text in FAST_HEARTBEATS if nodes <= most), FAST_BEYOND)


class Step(NamedTuple):
    """One change. `node` is the entry that it is about, where it is about one."""

    kind: str
    """`init`, `join`, `heartbeat`, `demote`, `promote`, `leave`, `remove`."""
    sentence: str
    node: Document | None = None


@dataclass(frozen=True)
class Membership:
    """What an engine says of itself. `state` is Swarm's own word: inactive, pending, active, error or locked."""

    state: str
    manager: bool
    node_id: str
    address: str
    managers: Sequence[str]
    """Addresses of the managers that it knows, each with its port."""
    error: str

    @property
    def outside(self) -> bool:
        return self.state in ("", "inactive")

    @property
    def role(self) -> str:
        if self.outside:
            return "none"
        return "manager" if self.manager else "worker"


def membership(info: Document) -> Membership:
    swarm = info.get("Swarm") or {}
    return Membership(
        state=swarm.get("LocalNodeState", ""),
        manager=bool(swarm.get("ControlAvailable")),
        node_id=swarm.get("NodeID", ""),
        address=swarm.get("NodeAddr", ""),
        managers=tuple(manager["Addr"] for manager in swarm.get("RemoteManagers") or []),
        error=swarm.get("Error", ""),
    )


def host_port(address: str, port: int = MANAGER_PORT) -> tuple[str, int]:
    """`10.0.0.1`, `10.0.0.1:2377`, `[fe80::1]:2377` or `manager1` as host and port."""
    if address.count(":") > 1 and "]" not in address:
        return address, port
    host, separator, number = address.rpartition(":")
    if not separator or number.endswith("]"):
        return address.strip("[]"), port
    if not number.isdigit():
        raise SwarmError(f"{address!r} is not an address; write HOST or HOST:PORT")
    return host.strip("[]"), int(number)


def host_and_port(address: str) -> str:
    """The same in one text, as Docker takes it."""
    host, port = host_port(address)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def steps_here(
    here: Membership, nodes: Sequence[Document], params: Mapping[str, Any], known: Collection[str], heartbeat: bool
) -> list[Step]:
    """What makes this host a member as wanted. `nodes` is empty where it is no manager.

    `known` are the hosts of `remote_addrs` with their resolved addresses; `heartbeat` is true when it has to be set.
    """
    if here.state == "locked":
        raise SwarmError("the Swarm on this host is locked; unlock it first with docker swarm unlock")
    if here.state == "error":
        raise SwarmError(f"the Swarm on this host is broken: {here.error}; leave it first with state absent")
    if here.outside:
        return [_entry(params)]
    _refuse_other_swarm(here, known)
    steps = _role_steps_here(here, nodes, params)
    if heartbeat:
        steps.append(Step("heartbeat", f"set the dispatcher heartbeat to {params['dispatcher_heartbeat']}"))
    return steps + (ghost_steps(nodes, _own(nodes, here)) if here.manager and params["remove_ghosts"] else [])


def _entry(params: Mapping[str, Any]) -> Step:
    if params["remote_addrs"]:
        if not params["join_token"]:
            raise SwarmError("join_token: a host that joins needs the token that cluster_info gives for its role")
        return Step("join", f"join the Swarm of {', '.join(params['remote_addrs'])}")
    if params["role"] == "worker":
        raise SwarmError("remote_addrs: a worker joins a Swarm that is there; name its managers, and give a join_token")
    return Step("init", "initialise a Swarm")


def _refuse_other_swarm(here: Membership, known: Collection[str]) -> None:
    own = {host_port(manager)[0] for manager in here.managers} | {here.address}
    if known and own and not own & set(known):
        raise SwarmError(
            f"this host is in a Swarm already, whose managers are {', '.join(sorted(own))};"
            " leave it first with state absent, or correct remote_addrs"
        )


def _role_steps_here(here: Membership, nodes: Sequence[Document], params: Mapping[str, Any]) -> list[Step]:
    # Who is about to join, or to come back, has a role only once it is in.
    if params["role"] in (None, here.role) or here.state == "pending":
        return []
    if not here.manager:
        raise SwarmError("role: a worker cannot promote itself; run the task on a manager, with this host as node")
    return role_steps(nodes, _own(nodes, here), params["role"], params["force"])


def role_steps(nodes: Sequence[Document], node: Document, role: str | None, force: bool) -> list[Step]:
    """Promotion or demotion of any node, where its role is another. A lost majority is refused (S23)."""
    if role in (None, _nodes.role(node)):
        return []
    if role == "manager":
        return [Step("promote", f"promote {_nodes.hostname(node)} to manager", node)]
    _refuse_without_majority(nodes, node, force)
    return [Step("demote", f"demote {_nodes.hostname(node)} to worker", node)]


def ghost_steps(nodes: Sequence[Document], node: Document) -> list[Step]:
    """Remove what a host left in the list when it was a member before."""
    steps = []
    for ghost in _nodes.ghosts(nodes, node):
        steps += removal_steps(nodes, ghost, force=False)
    return steps


def removal_steps(nodes: Sequence[Document], node: Document, force: bool) -> list[Step]:
    """Take a node out of the list. Docker removes only workers, so a manager is demoted before."""
    name = f"{_nodes.hostname(node)} ({node['ID']})"
    steps = []
    if _nodes.role(node) == "manager":
        _refuse_without_majority(nodes, node, force)
        steps.append(Step("demote", f"demote {name}, to remove it", node))
    return [*steps, Step("remove", f"remove {name} from the list of nodes", node)]


def leave_steps(here: Membership, nodes: Sequence[Document], force: bool) -> list[Step]:
    """How this host leaves. A manager is demoted before, so that the others do not go on counting it."""
    if here.outside:
        return []
    leave = Step("leave", "leave the Swarm")
    if not here.manager or not nodes:
        return [leave]
    own = _own(nodes, here)
    _refuse_without_majority(nodes, own, force)
    if _nodes.majority_problem(nodes, own):
        return [leave]
    return [Step("demote", f"demote {_nodes.hostname(own)}, to leave", own), leave]


def _own(nodes: Sequence[Document], here: Membership) -> Document:
    return _nodes.find(nodes, here.node_id)


def _refuse_without_majority(nodes: Sequence[Document], node: Document, force: bool) -> None:
    problem = _nodes.majority_problem(nodes, node)
    if problem and not force:
        raise SwarmError(f"refused: {problem}")
