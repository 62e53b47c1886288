#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_availability
short_description: Activate, pause or drain a Docker Swarm node
version_added: 0.1.0
description:
  - Sets the availability of a node, and leaves its labels and its role as they are.
  - Draining returns at once in Docker's own tools. This module waits until the node is empty, and says where its tasks
    went.
  - Runs on any manager. Every write carries the version that was read; when somebody else wrote the node in the
    meantime, the module reads and decides again.
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
  node:
    description: The node, by hostname or id.
    type: str
    required: true
    aliases: [hostname, name]
  availability:
    description:
      - V(active) takes tasks, V(pause) takes no new ones, V(drain) gives away those that it has.
      - Containers that do not belong to the Swarm stay in any case.
    type: str
    choices: [active, pause, drain]
    required: true
  wait:
    description: With O(availability=drain), wait until no task is left on the node.
    type: bool
    default: true
  wait_timeout:
    description: Seconds to wait at most.
    type: int
    default: 300
  force:
    description:
      - Drain a manager that the others cannot do without.
      - A drained manager stays a manager, but what follows a drain, a reboot or a removal, takes it away.
    type: bool
    default: false
  cordon_until:
    description:
      - With O(availability=pause), marks the pause as a cordon that is to last until then, in seconds since 1970. A
        node that goes down again and again is kept from new tasks like that.
      - Nothing ends it by itself. O(only_cordoned) does.
      - A node that somebody has paused or drained is left as it is, and the module fails.
    type: int
  only_cordoned:
    description:
      - With O(availability=active), ends a cordon and nothing else. A node that somebody has paused or drained stays as
        it is; only the label of the cordon goes.
    type: bool
    default: false
  expected_version:
    description:
      - The version index of the node that the change was decided on.
      - When the node has another version, nothing is changed and the module fails with RV(ignore:conflict=true) and
        RV(ignore:found), a dictionary with the C(availability) and C(version) that were found.
    type: int
notes:
  - A node that a move has paused (M(swarmherd.cluster.service_move)) bears a label that says so. This module takes the
    label away when it sets the availability, which is somebody's will from then on. The same holds for the label of a
    cordon, C(swarmherd.cordoned), but where O(cordon_until) sets it.
seealso:
  - module: swarmherd.cluster.service_move
    description: Moves one service's tasks, or a single one.
  - name: community.docker.docker_node
    description: Sets the availability, and does not wait.
    link: https://docs.ansible.com/ansible/latest/collections/community/docker/docker_node_module.html
"""

EXAMPLES = r"""
- name: Empty a node before its host is rebooted
  swarmherd.cluster.node_availability:
    node: worker1
    availability: drain
    wait_timeout: 120

- name: Let it take tasks again
  swarmherd.cluster.node_availability:
    node: worker1
    availability: active

- name: Keep new tasks for ten minutes off a node that goes down again and again
  swarmherd.cluster.node_availability:
    node: worker1
    availability: pause
    cordon_until: "{{ now(utc=true).timestamp() | int + 600 }}"

- name: End that, but no pause of somebody's
  swarmherd.cluster.node_availability:
    node: worker1
    availability: active
    only_cordoned: true
"""

RETURN = r"""
node:
  description: The node that was meant.
  returned: success
  type: dict
  sample: {hostname: worker1, id: wcymqrgucjk70k7wrr8pbwrnc}
availability:
  description: The availability before and after.
  returned: success, and where the node did not become empty
  type: dict
  sample: {before: active, after: drain}
set_by:
  description:
    - Who had set the availability that was found. C(move) if the node bears the label of a move, C(cordon) that of a
      cordon, C(somebody) if it was paused or drained without one, empty if it was active.
    - A pause or drain of somebody's that this module ends or replaces is told as a warning, too.
  returned: success
  type: str
  sample: somebody
tasks:
  description:
    - The tasks that ran on the node C(before), and C(after), those that Swarm runs in their places, wherever that is.
    - A task that has no node yet has an empty C(node).
  returned: success, and where the node did not become empty
  type: dict
  sample:
    before: [{id: k3xq, name: shop_web.1, slot: 1, node: worker1, node_id: wcym, state: running}]
    after: [{id: p8wz, name: shop_web.1, slot: 1, node: worker2, node_id: x2ab, state: running}]
version:
  description: The version index of the node after the change, or as it was found where nothing changed.
  returned: success
  type: int
  sample: 212
"""

from typing import Any, Mapping, Sequence

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.swarmherd.cluster.plugins.module_utils import _drains, _marks, _nodes
from ansible_collections.swarmherd.cluster.plugins.module_utils._client import Document, Swarm, connection_options
from ansible_collections.swarmherd.cluster.plugins.module_utils._conflicts import retried
from ansible_collections.swarmherd.cluster.plugins.module_utils._errors import SwarmError, TimedOutError
from ansible_collections.swarmherd.cluster.plugins.module_utils._runner import run
from ansible_collections.swarmherd.cluster.plugins.module_utils._waiter import wait_for


def set_availability(swarm: Swarm, params: Mapping[str, Any], check: bool) -> dict[str, Any]:
    refuse_contradictions(params)
    nodes, services = swarm.nodes(), swarm.services()
    node_id = _nodes.find(nodes, params["node"])["ID"]
    before = _drains.tasks_on(node_id, swarm.tasks({"node": node_id}), services, nodes)
    result = retried(lambda: write(swarm, params, node_id, check), params["expected_version"])
    if params["availability"] == "drain" and params["wait"] and not check:
        after = wait_until_empty(swarm, node_id, before, services, params, result["availability"])
    else:
        after = before if check else successors(swarm, before, services)
    return {**result, "tasks": {"before": before, "after": after}}


def write(swarm: Swarm, params: Mapping[str, Any], node_id: str, check: bool) -> dict[str, Any]:
    """Read, decide and write once."""
    nodes = swarm.nodes()
    node = _nodes.find(nodes, node_id)
    found, wanted = node["Spec"].get("Availability", "active"), params["availability"]
    refuse_unexpected(node, params["expected_version"], found)
    if wanted == "drain" and found != "drain" and not params["force"]:
        refuse_without_majority(nodes, node)
    spec = wanted_spec(node, params, found)
    wanted = spec.get("Availability", "active")
    changed = spec != node["Spec"]
    version = node["Version"]["Index"]
    if changed and not check:
        swarm.update_node(node, spec)
        version = _nodes.find(swarm.nodes(), node_id)["Version"]["Index"]
    by, name = _drains.set_by(node), _nodes.hostname(node)
    result = {
        "changed": changed,
        "node": {"id": node_id, "hostname": name},
        "availability": {"before": found, "after": wanted},
        "set_by": by,
        "version": version,
        "diff": {"before": _drains.shown(node), "after": _drains.shown({**node, "Spec": spec})},
    }
    if by == "somebody" and found != wanted:
        result["warnings"] = [f"{name} was on {found}, which no move had set: somebody did that on purpose"]
    return result


def wanted_spec(node: Document, params: Mapping[str, Any], found: str) -> dict[str, Any]:
    """A cordon touches no other pause, whoever set it; whatever else is set is somebody's will, and no cordon."""
    if params["only_cordoned"] and not _marks.is_cordoned(node):
        return _marks.without_cordon(node["Spec"])
    cleaned = _marks.cleaned(node, lambda mark: mark.kind == "pause")
    if params["cordon_until"] is not None:
        if found != "active" and not _marks.is_cordoned(node):
            raise SwarmError(
                f"conflict: {_nodes.hostname(node)} is on {found}, which is no cordon of ours; nothing was changed",
                conflict=True,
                found={"availability": found, "version": node["Version"]["Index"]},
            )
        return _marks.cordoned(cleaned, params["cordon_until"])
    return {**_marks.without_cordon(cleaned), "Availability": params["availability"]}


def refuse_contradictions(params: Mapping[str, Any]) -> None:
    if params["cordon_until"] is not None and params["availability"] != "pause":
        raise SwarmError("cordon_until: a cordon is a pause; write availability: pause with it")
    if params["only_cordoned"] and params["availability"] != "active":
        raise SwarmError("only_cordoned: it ends a cordon; write availability: active with it")


def refuse_unexpected(node: Document, expected_version: int | None, availability: str) -> None:
    found = node["Version"]["Index"]
    if expected_version is None or expected_version == found:
        return
    raise SwarmError(
        f"conflict: {_nodes.hostname(node)} was changed by somebody else: version {expected_version} was expected"
        f" and {found} found; nothing was changed",
        conflict=True,
        found={"availability": availability, "version": found},
    )


def refuse_without_majority(nodes: Sequence[Document], node: Document) -> None:
    problem = _nodes.majority_problem(nodes, node)
    if problem:
        raise SwarmError(f"refused: {problem}; force: true drains it all the same, and leaves it a manager")


def wait_until_empty(
    swarm: Swarm,
    node_id: str,
    before: Sequence[Mapping[str, Any]],
    services: Sequence[Document],
    params: Mapping[str, Any],
    availability: Mapping[str, str],
) -> list[dict[str, Any]]:
    """Wait until the node has no task that is alive, and tell what runs in their places."""

    def look() -> list[dict[str, Any]]:
        nodes = swarm.nodes()
        now = _nodes.only(nodes, node_id)
        if now is None:
            return []
        if now["Spec"].get("Availability") != "drain":
            raise SwarmError(f"conflict: somebody else ended the drain of {_nodes.hostname(now)}", conflict=True)
        return _drains.tasks_on(node_id, swarm.tasks({"node": node_id}), services, nodes)

    try:
        wait_for(f"{params['node']} to be empty", look, lambda left: not left, params["wait_timeout"], _drains.sentence)
    except TimedOutError as error:
        tasks = {"before": list(before), "after": successors(swarm, before, services), "left": error.last}
        raise SwarmError(f"{error}; it stays drained", availability=dict(availability), tasks=tasks) from error
    return successors(swarm, before, services)


def successors(swarm: Swarm, before: Sequence[Mapping[str, Any]], services: Sequence[Document]) -> list[dict[str, Any]]:
    return _drains.successors(before, swarm.tasks(), services, swarm.nodes()) if before else []


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "node": {"type": "str", "required": True, "aliases": ["hostname", "name"]},
            "availability": {"type": "str", "choices": ["active", "pause", "drain"], "required": True},
            "wait": {"type": "bool", "default": True},
            "wait_timeout": {"type": "int", "default": 300},
            "force": {"type": "bool", "default": False},
            "cordon_until": {"type": "int"},
            "only_cordoned": {"type": "bool", "default": False},
            "expected_version": {"type": "int"},
            **connection_options(),
        },
        supports_check_mode=True,
    )
    run(module, set_availability)


if __name__ == "__main__":
    main()
