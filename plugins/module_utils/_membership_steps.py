# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps by which hosts come into a Swarm, change their role in it, and leave it: what each writes."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from . import _membership, _nodes
from ._client import Document, Swarm
from ._conflicts import retried
from ._errors import SwarmError
from ._membership import Membership, Step
from ._values import nanoseconds
from ._waiter import wait_for

JOINS_ON = "continue in the background"
"""Docker's own join gave up waiting, but the engine goes on trying."""


def perform(swarm: Swarm, steps: Sequence[Step], params: Mapping[str, Any]) -> None:
    """Does one after the other. Raises SwarmError at the first that fails, with `actions`: what is done already."""
    doers = {
        "init": lambda _step: init(swarm, params),
        "join": lambda _step: join(swarm, params),
        "heartbeat": lambda _step: retried(lambda: write_heartbeat(swarm, params)),
        "promote": lambda step: change_role(swarm, step.node, "manager", params["wait_timeout"]),
        "demote": lambda step: change_role(swarm, step.node, "worker", params["wait_timeout"]),
        "leave": lambda _step: swarm.leave(force=params["force"]),
        "remove": lambda step: swarm.remove_node(step.node["ID"], force=params["force"]),
    }
    done: list[str] = []
    for step in steps:
        try:
            doers[step.kind](step)
        except SwarmError as error:
            raise SwarmError(f"{error}", **{**error.facts, "actions": done, "changed": bool(done)}) from error
        done.append(step.sentence)


def init(swarm: Swarm, params: Mapping[str, Any]) -> None:
    spec = None
    if params["dispatcher_heartbeat"]:
        spec = {"Dispatcher": {"HeartbeatPeriod": heartbeat_wanted(params)}}
    swarm.init(
        advertise_addr=params["advertise_addr"],
        listen_addr=params["listen_addr"],
        data_path_addr=params["data_path_addr"],
        default_addr_pool=params["default_addr_pool"],
        subnet_size=params["subnet_size"],
        swarm_spec=spec,
    )


def join(swarm: Swarm, params: Mapping[str, Any]) -> None:
    try:
        swarm.join(
            remote_addrs=[_membership.host_and_port(address) for address in params["remote_addrs"]],
            join_token=params["join_token"],
            listen_addr=params["listen_addr"],
            advertise_addr=params["advertise_addr"],
            data_path_addr=params["data_path_addr"],
        )
    except SwarmError as error:
        if JOINS_ON not in str(error):
            raise


def change_role(swarm: Swarm, node: Document, role: str, timeout_seconds: float) -> None:
    """Promote or demote, and wait until the managers have taken it into, or out of, their number."""

    def write() -> None:
        current = _nodes.find(swarm.nodes(), node["ID"])
        swarm.update_node(current, {**current["Spec"], "Role": role})

    def look() -> str:
        own = _membership.membership(swarm.info())
        if own.node_id == node["ID"]:
            return "" if own.manager == (role == "manager") else f"it is still a {own.role}"
        current = _nodes.find(swarm.nodes(), node["ID"])
        status = current.get("ManagerStatus")
        if role == "worker":
            return "it still counts among the managers" if status else ""
        return "" if status and status.get("Reachability") == "reachable" else "no manager reaches it as one yet"

    retried(write)
    wait_for(f"{_nodes.hostname(node)} to become a {role}", look, lambda problem: not problem, timeout_seconds)


def heartbeat_wanted(params: Mapping[str, Any]) -> int:
    return nanoseconds(params["dispatcher_heartbeat"], "dispatcher_heartbeat")


def heartbeat_seconds(swarm: Swarm, found: Membership) -> float | None:
    """The heartbeat that the Swarm has, or None where this host is no manager and cannot know."""
    return swarm.swarm()["Spec"]["Dispatcher"]["HeartbeatPeriod"] / 1e9 if found.manager else None


def write_heartbeat(swarm: Swarm, params: Mapping[str, Any]) -> None:
    found = swarm.swarm()
    dispatcher = {**found["Spec"]["Dispatcher"], "HeartbeatPeriod": heartbeat_wanted(params)}
    swarm.update_swarm(found, {**found["Spec"], "Dispatcher": dispatcher})
