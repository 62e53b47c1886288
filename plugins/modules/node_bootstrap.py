#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_bootstrap
short_description: Make hosts members of a Docker Swarm
version_added: 0.1.0
description:
  - Run on a host, initialises a Swarm there, lets the host join one as worker or manager, or lets it leave.
  - Run on a manager with O(node), looks after another node, as only managers can. It waits until the node is ready,
    promotes or demotes it, and removes entries that its host left behind when it was a member before; or it removes
    the node from the list.
  - Addresses are tried before Docker relies on them.
  - A demotion, departure or removal after which less than a majority of the managers would be reachable is refused.
author:
  - Swarmherd contributors (@swarmherd)
extends_documentation_fragment:
  - swarmherd.cluster.docker
  - swarmherd.cluster.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  state:
    description:
      - With V(present) the host is a member. It joins where O(remote_addrs) are given, else a new Swarm is
        initialised.
      - With V(absent) it leaves. A manager is demoted before it leaves.
      - With V(absent) and O(node) the node is removed from the list, once it is seen down.
    type: str
    choices: [present, absent]
    default: present
  node:
    description:
      - Another node to look after, by hostname or id. The module then runs on a manager.
      - If not given, it is the host itself that the module runs on.
    type: str
  role:
    description:
      - The role that the node has.
      - If not given, the host that initialises a Swarm is a manager, one that joins has the role of its token, and a
        member keeps the role that it has.
      - A worker cannot promote itself. For that run the module on a manager, with O(node).
    type: str
    choices: [manager, worker]
  remote_addrs:
    description: Addresses of managers of the Swarm to join, with or without port.
    type: list
    elements: str
    default: []
  join_token:
    description: The token for the role to join as, from M(swarmherd.cluster.cluster_info).
    type: str
  advertise_addr:
    description:
      - The address, or interface, at which the other nodes reach this one. It must be this host's own.
      - A name is resolved on this host, to the first of its own addresses that is not of the loopback.
      - If not given, Docker chooses, and refuses where there are several.
    type: str
  listen_addr:
    description: The address at which managers listen.
    type: str
    default: 0.0.0.0:2377
  data_path_addr:
    description: The address, or interface, for the traffic between containers. If not given, the advertised one.
    type: str
  default_addr_pool:
    description: Networks that overlay networks get their subnets from. Only a new Swarm takes them.
    type: list
    elements: str
  subnet_size:
    description: The prefix length of those subnets. Only a new Swarm takes it.
    type: int
  dispatcher_heartbeat:
    description:
      - How often nodes report to the managers, as V(5s). A node that misses three is down.
      - Docker's own default is 5 seconds.
    type: str
  failover:
    description:
      - How soon a dead node is seen down, where O(dispatcher_heartbeat) does not say it. V(normal) is Docker's own
        heartbeat, V(fast) one of 1 second in a Swarm of up to 20 nodes, 2 seconds up to 100, and 3 seconds beyond.
      - A short heartbeat takes short blips for failures as well, and costs the managers work.
      - If not given, the heartbeat stays as it is.
    type: str
    choices: [normal, fast]
  cluster_size:
    description: How many nodes the Swarm is going to have, for O(failover). If not given, as many as it has.
    type: int
  remove_ghosts:
    description:
      - Remove entries that are down, have the same hostname as the node, and are older than it. Where the host was
        reinstalled or left and joined again, these are its former self.
      - Happens only on a manager. Switch it off where several hosts share a hostname.
    type: bool
    default: true
  force:
    description:
      - Do it although the managers lose their majority, or the Swarm its last manager, or the node to remove is up.
      - The Swarm may be lost with that.
    type: bool
    default: false
  wait_timeout:
    description: Seconds to wait at most, for each of becoming ready, changing roles and leaving.
    type: int
    default: 120
seealso:
  - module: swarmherd.cluster.cluster_info
    description: Reads the join tokens and the nodes.
  - module: swarmherd.cluster.node_labels
  - name: community.docker.docker_swarm
    description: The module of community.docker.
    link: https://docs.ansible.com/ansible/latest/collections/community/docker/docker_swarm_module.html
"""

EXAMPLES = r"""
- name: Have a Swarm
  swarmherd.cluster.node_bootstrap:
    advertise_addr: 10.0.0.11
    dispatcher_heartbeat: 2s

- name: Read the tokens that let other hosts join
  swarmherd.cluster.cluster_info:
    join_tokens: true
  register: swarm
  no_log: true

- name: Let a worker join
  swarmherd.cluster.node_bootstrap:
    role: worker
    advertise_addr: 10.0.0.21
    remote_addrs: [10.0.0.11]
    join_token: "{{ hostvars[groups['managers'][0]].swarm.join_tokens.worker }}"

- name: See from a manager that it is there, and remove what it left behind earlier
  swarmherd.cluster.node_bootstrap:
    node: "{{ inventory_hostname }}"
    role: worker
  delegate_to: "{{ groups['managers'][0] }}"

- name: Let a host leave
  swarmherd.cluster.node_bootstrap:
    state: absent

- name: Take it out of the list of nodes
  swarmherd.cluster.node_bootstrap:
    node: "{{ inventory_hostname }}"
    state: absent
  delegate_to: "{{ groups['managers'][0] }}"
"""

RETURN = r"""
actions:
  description: What was done, or would be done in check mode, in order.
  returned: always
  type: list
  elements: str
  sample: [join the Swarm of 10.0.0.11]
node:
  description: The node as it was seen last. Without O(node), on a worker, only its id, role, state and address are
    known.
  returned: success
  type: dict
  sample: {address: 10.0.0.21, id: txza4smsu8j9co8c42rr4idog, role: worker, state: active}
"""

from typing import Any, Mapping, Sequence

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.swarmherd.cluster.plugins.module_utils import _membership, _nodes
from ansible_collections.swarmherd.cluster.plugins.module_utils._client import Document, Swarm, connection_options
from ansible_collections.swarmherd.cluster.plugins.module_utils._errors import SwarmError
from ansible_collections.swarmherd.cluster.plugins.module_utils._membership import Membership, Step
from ansible_collections.swarmherd.cluster.plugins.module_utils._membership_steps import (
    heartbeat_seconds,
    heartbeat_wanted,
    perform,
)
from ansible_collections.swarmherd.cluster.plugins.module_utils._network import (
    own_address,
    require_reachable,
    resolved,
)
from ansible_collections.swarmherd.cluster.plugins.module_utils._runner import run
from ansible_collections.swarmherd.cluster.plugins.module_utils._waiter import wait_for


def bootstrap(swarm: Swarm, params: Mapping[str, Any], check: bool) -> dict[str, Any]:
    if params["node"]:
        return remove_other(swarm, params, check) if params["state"] == "absent" else settle_other(swarm, params, check)
    return leave_here(swarm, params, check) if params["state"] == "absent" else settle_here(swarm, params, check)


# ---------------------------------------------------------------- this host


def settle_here(swarm: Swarm, params: Mapping[str, Any], check: bool) -> dict[str, Any]:
    found = _membership.membership(swarm.info())
    nodes = swarm.nodes() if found.manager else []
    known = resolved(params["remote_addrs"]) if params["remote_addrs"] else set()
    if params["dispatcher_heartbeat"] is None:
        size = max(params["cluster_size"] or 0, len(nodes), 1)
        params = {**params, "dispatcher_heartbeat": _membership.heartbeat(params["failover"], size)}
    held, wanted = heartbeat_seconds(swarm, found), params["dispatcher_heartbeat"] and heartbeat_wanted(params) / 1e9
    steps = _membership.steps_here(found, nodes, params, known, heartbeat=bool(held and wanted and held != wanted))
    if any(step.kind in ("init", "join") for step in steps):
        params = with_addresses(params)
    if check:
        return told(found, steps, here(swarm), role_after=params["role"], held=held, wanted=wanted)
    perform(swarm, steps, params)
    ready = wait_until_member(swarm, params)
    if params["role"] not in (None, ready.role):
        joined = f"this host has joined as {ready.role} and not as {params['role']}: the join token is of that role"
        raise SwarmError(
            joined if steps else f"this host is a {ready.role}; run the task on a manager, with this host as node",
            changed=bool(steps),
            actions=[step.sentence for step in steps],
        )
    if found.outside and ready.manager and params["remove_ghosts"]:
        ghosts = _membership.ghost_steps(swarm.nodes(), _nodes.find(swarm.nodes(), ready.node_id))
        perform(swarm, ghosts, params)
        steps += ghosts
    return told(found, steps, here(swarm), role_after=ready.role, held=held, wanted=wanted)


def with_addresses(params: Mapping[str, Any]) -> Mapping[str, Any]:
    """The parameters with an address that Docker takes. Raises SwarmError where there is no coming or going by them."""
    advertised = params["advertise_addr"] and own_address(params["advertise_addr"])
    if params["remote_addrs"]:
        require_reachable(params["remote_addrs"])
    return {**params, "advertise_addr": advertised}


def wait_until_member(swarm: Swarm, params: Mapping[str, Any]) -> Membership:
    """Wait until this host is a member, and as a manager sees itself ready. Raises SwarmError with what it saw."""

    def look() -> tuple[Membership, str]:
        seen = _membership.membership(swarm.info())
        if seen.state != "active" or seen.error:
            return seen, f"its state is {seen.state}" + (f" ({seen.error})" if seen.error else "")
        if seen.manager and not _nodes.is_up(_nodes.find(swarm.nodes(), seen.node_id)):
            return seen, "it is a manager, and the managers do not see it ready"
        return seen, ""

    return wait_for("this host to be a member", look, lambda s: not s[1], params["wait_timeout"], lambda s: s[1])[0]


def leave_here(swarm: Swarm, params: Mapping[str, Any], check: bool) -> dict[str, Any]:
    found = _membership.membership(swarm.info())
    steps = _membership.leave_steps(found, nodes_to_leave(swarm, found, params["force"]), params["force"])
    if not check:
        perform(swarm, steps, params)
        wait_for(
            "this host to leave the Swarm",
            lambda: _membership.membership(swarm.info()),
            lambda seen: seen.outside,
            params["wait_timeout"],
            lambda seen: f"its state is {seen.state}",
        )
    return told(found, steps, here(swarm), role_after="none")


def nodes_to_leave(swarm: Swarm, found: Membership, force: bool) -> list[Document]:
    """The nodes, as a manager sees them. Without their majority managers cannot tell: then one leaves by force only."""
    if not found.manager:
        return []
    try:
        return swarm.nodes()
    except SwarmError:
        if force:
            return []
        raise


def here(swarm: Swarm) -> dict[str, Any]:
    seen = _membership.membership(swarm.info())
    if seen.manager:
        return _nodes.told(_nodes.find(swarm.nodes(), seen.node_id))
    return {"id": seen.node_id, "role": seen.role, "state": seen.state, "address": seen.address}


# ---------------------------------------------------------------- another node, from a manager


def settle_other(swarm: Swarm, params: Mapping[str, Any], check: bool) -> dict[str, Any]:
    name = params["node"]
    if not check:
        node = wait_until_ready(swarm, name, params["wait_timeout"])
    else:
        found = _nodes.named(swarm.nodes(), name)
        if not found:
            return {
                "changed": True,
                "actions": [f"wait for {name} to join"],
                "node": {},
                "diff": diff("none", "member"),
            }
        node = found[-1]
    nodes = swarm.nodes()
    steps = _membership.role_steps(nodes, node, params["role"], params["force"])
    if params["remove_ghosts"]:
        steps += _membership.ghost_steps(nodes, node)
    before = _nodes.role(node)
    if not check:
        perform(swarm, steps, params)
        node = _nodes.find(swarm.nodes(), node["ID"])
    return result(steps, _nodes.told(node), before, params["role"] or before)


def wait_until_ready(swarm: Swarm, name: str, timeout_seconds: float) -> Document:
    """Wait until one node of that name is ready. What its host left behind may say the same for a while."""

    def look() -> list[Document]:
        return [node for node in _nodes.named(swarm.nodes(), name) if not _nodes.is_down(node)]

    def tell(living: list[Document]) -> str:
        listed = ", ".join(f"{node['ID']} is {node['Status']['State']}" for node in living)
        return f"of the entries that are not down {listed}" if living else "the managers list no such node that is up"

    def good(living: list[Document]) -> bool:
        return len(living) == 1 and _nodes.is_up(living[0])

    return wait_for(f"one node {name} to be ready", look, good, timeout_seconds, tell)[0]


def remove_other(swarm: Swarm, params: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """Remove every entry of that name: a host that joined several times has several."""
    found = _nodes.named(swarm.nodes(), params["node"])
    if not params["force"] and not check:
        found = wait_until_down(swarm, params["node"], params["wait_timeout"])
    if not found:
        return result([], {}, "none", "none")
    nodes = swarm.nodes()
    steps = [step for node in found for step in _membership.removal_steps(nodes, node, params["force"])]
    if not check:
        perform(swarm, steps, params)
    return result(steps, _nodes.told(found[-1]), _nodes.role(found[-1]), "none")


def wait_until_down(swarm: Swarm, name: str, timeout_seconds: float) -> list[Document]:
    def tell(found: list[Document]) -> str:
        states = " and ".join(node["Status"]["State"] for node in found if not _nodes.is_down(node))
        return f"it is {states}; let it leave first with state absent on it, or use force"

    return wait_for(
        f"{name} to be seen down",
        lambda: _nodes.named(swarm.nodes(), name),
        lambda found: all(_nodes.is_down(node) for node in found),
        timeout_seconds,
        tell,
    )


# ---------------------------------------------------------------- results


def told(
    found: Membership,
    steps: Sequence[Step],
    node: dict[str, Any],
    role_after: str | None,
    held: float | None = None,
    wanted: float | None = None,
) -> dict[str, Any]:
    """The result for this host. `held` and `wanted` are the heartbeat's seconds, where they are known."""
    entered = "manager" if any(step.kind == "init" for step in steps) else "worker"
    after = role_after or (entered if found.outside else found.role)
    answer = result(steps, node, found.role, after)
    if any(step.kind == "heartbeat" for step in steps):
        answer["diff"]["before"]["dispatcher_heartbeat_seconds"] = held
        answer["diff"]["after"]["dispatcher_heartbeat_seconds"] = wanted
    return answer


def result(steps: Sequence[Step], node: dict[str, Any], before: str, after: str) -> dict[str, Any]:
    shown = diff(before, after)
    ghosts = [step.node["ID"] for step in steps if step.kind == "remove"]
    if ghosts and after != "none":
        shown["before"]["ghosts"], shown["after"]["ghosts"] = ghosts, []
    return {"changed": bool(steps), "actions": [step.sentence for step in steps], "node": node, "diff": shown}


def diff(before: str, after: str) -> dict[str, dict[str, Any]]:
    return {"before": {"role": before}, "after": {"role": after}}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "node": {"type": "str"},
            "role": {"type": "str", "choices": ["manager", "worker"]},
            "remote_addrs": {"type": "list", "elements": "str", "default": []},
            "join_token": {"type": "str", "no_log": True},
            "advertise_addr": {"type": "str"},
            "listen_addr": {"type": "str", "default": "0.0.0.0:2377"},
            "data_path_addr": {"type": "str"},
            "default_addr_pool": {"type": "list", "elements": "str"},
            "subnet_size": {"type": "int"},
            "dispatcher_heartbeat": {"type": "str"},
            "failover": {"type": "str", "choices": ["normal", "fast"]},
            "cluster_size": {"type": "int"},
            "remove_ghosts": {"type": "bool", "default": True},
            "force": {"type": "bool", "default": False},
            "wait_timeout": {"type": "int", "default": 120},
            **connection_options(),
        },
        supports_check_mode=True,
    )
    run(module, bootstrap)


if __name__ == "__main__":
    main()
