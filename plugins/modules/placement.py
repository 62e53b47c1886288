#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: placement
short_description: Say on which nodes a Docker Swarm service may run
version_added: 0.1.0
description:
  - Sets constraints, spread preferences, the most replicas per node, and the service that another one follows.
  - Everything else of the service stays as it is. A task whose node still matches is not restarted; Swarm replaces the
    others, and RV(evicted) tells them, in check mode as well.
  - Labels of nodes are set before the constraints that need them, so that no task is evicted in between.
  - Every write carries the version that was read. When somebody else wrote the service in the meantime, the module
    reads again and applies its own change, or fails with a conflict where the task says what it expects to find.
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
    support: partial
    details: With O(expected_version) a second run finds what the first one left, which is a conflict.
options:
  name:
    description: The service, by name or id.
    type: str
    required: true
    aliases: [service]
  constraints:
    description:
      - Constraints to have, as C(node.labels.disk == ssd) or C(node.role != manager). Others stay.
      - One that Swarm would not take, or that no node could ever match, is refused.
    type: list
    elements: str
    default: []
  remove_constraints:
    description: Constraints to take away, however they are spaced. One that is not there is no error.
    type: list
    elements: str
    default: []
  preferences:
    description:
      - Labels to spread tasks over, the most important one first, as V(node.labels.zone). An empty list takes all
        preferences away; if not given they stay.
      - Swarm asks them only for new tasks.
    type: list
    elements: str
  max_replicas_per_node:
    description: How many tasks of the service a node may have. V(0) means any number.
    type: int
  follows:
    description:
      - The service beside which this one runs, its anchor. The constraint
        C(node.labels.swarmherd.anchor.ANCHOR == yes) says so, and replaces one for another anchor.
      - If no node bears that label, the one where the anchor runs gets it before. If the anchor is not seen running on
        exactly one node, nothing is changed.
      - An empty string ends following. The label stays on its node, where others may need it.
    type: str
  node_labels:
    description:
      - Labels to set on nodes before anything else, a dictionary by hostname or id. Other labels stay.
      - Mind that other services may have constraints on them.
    type: dict
    default: {}
  force:
    description: Set it also where no node is left to the service. All its tasks are pending then.
    type: bool
    default: false
  expected_version:
    description:
      - The version index of the service that the change was decided on.
      - When the service has another version, nothing is changed and the module fails with RV(ignore:conflict=true).
    type: int
  wait:
    description: Wait until all wanted tasks run. Jobs are not waited for.
    type: bool
    default: true
  wait_timeout:
    description: Seconds to wait at most.
    type: int
    default: 120
notes:
  - A conflict fails with the keys RV(ignore:conflict=true) and RV(ignore:found), a dictionary with the C(replicas)
    and the C(version) that the service was found with.
  - C(swarmherd.cluster.enact.relabel) moves an anchor's label from one node to another.
seealso:
  - module: swarmherd.cluster.service
    description: Changes anything else of a service.
  - module: swarmherd.cluster.node_labels
    description: Sets labels of a node, and takes them away.
"""

EXAMPLES = r"""
- name: The shop runs on quick disks, at most two on a node
  swarmherd.cluster.placement:
    name: shop_web
    constraints: [node.labels.disk == ssd]
    max_replicas_per_node: 2

- name: Spread it over the zones
  swarmherd.cluster.placement:
    name: shop_web
    preferences: [node.labels.zone]

- name: Tie it to nodes that get their label on the way
  swarmherd.cluster.placement:
    name: shop_web
    node_labels:
      worker1: {tier: front}
      worker2: {tier: front}
    constraints: [node.labels.tier == front]

- name: The API runs where its database runs
  swarmherd.cluster.placement:
    name: shop_api
    follows: shop_db
"""

RETURN = r"""
service:
  description: The service's name.
  returned: success
  type: str
  sample: shop_api
placement:
  description: The placement before and after, with the labels of nodes that this module sets.
  returned: success
  type: dict
  sample:
    before: {constraints: [], preferences: [], max_replicas_per_node: 0, follows: "", node_labels: {}}
    after: {constraints: [node.role == worker], preferences: [], max_replicas_per_node: 0, follows: "", node_labels: {}}
evicted:
  description: Ids of the tasks whose nodes do not match any more.
  returned: success
  type: list
  elements: str
  sample: []
version:
  description: The version index that this module's own write left, or that was found where nothing was written.
  returned: success
  type: int
  sample: 1302
tasks:
  description: The tasks that Swarm means to keep running, C(before) and C(after).
  returned: success
  type: dict
  sample:
    before: [{id: k3xq, name: shop_api.1, slot: 1, node: worker1, node_id: wcym, state: running}]
    after: [{id: k3xq, name: shop_api.1, slot: 1, node: worker1, node_id: wcym, state: running}]
"""

from operator import not_
from typing import Any, Mapping, NamedTuple, Sequence

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.swarmherd.cluster.plugins.module_utils import _moves, _nodes, _placement
from ansible_collections.swarmherd.cluster.plugins.module_utils._client import Document, Swarm, connection_options
from ansible_collections.swarmherd.cluster.plugins.module_utils._conflicts import (
    refuse_unexpected,
    retried,
    write_node,
)
from ansible_collections.swarmherd.cluster.plugins.module_utils._errors import SwarmError
from ansible_collections.swarmherd.cluster.plugins.module_utils._runner import run
from ansible_collections.swarmherd.cluster.plugins.module_utils._service import ends_by_itself
from ansible_collections.swarmherd.cluster.plugins.module_utils._waiter import bound, wait_for, wait_until_converged


class Decided(NamedTuple):
    """What is to be written, from one reading."""

    service: Document
    spec: Document
    labels: _placement.Labels
    """Of these only what the nodes lack."""
    result: dict


def place(swarm: Swarm, params: Mapping[str, Any], check: bool) -> dict[str, Any]:
    decided, version = retried(lambda: write(swarm, params, check), params["expected_version"])
    result = {**decided.result, "version": version}
    if check:
        return result
    try:
        if params["wait"] and not ends_by_itself(decided.spec):
            seconds_left = bound(params["wait_timeout"])
            wait_for("what is evicted to go", lambda: staying(swarm, decided), not_, seconds_left())
            wrote = decided.spec != decided.service["Spec"]
            wait_until_converged(swarm, result["service"], seconds_left(), wrote)
    except SwarmError as error:
        raise SwarmError(str(error), **{**error.facts, **result}) from error
    return {**result, "tasks": {**result["tasks"], "after": kept(swarm, decided.service)}}


def staying(swarm: Swarm, decided: Decided) -> list[str]:
    """The evicted tasks that Swarm has not let go yet: until it begins, everything looks as if it were over.

    Off a node that is paused or drained nothing is taken by force.
    """
    going = set(decided.result["evicted"])
    active = {node["ID"] for node in swarm.nodes() if node["Spec"]["Availability"] == "active"} if going else set()
    wanted = [task for task in swarm.tasks_of(decided.service) if task["DesiredState"] == "running"] if going else []
    return [task["ID"] for task in wanted if task["ID"] in going and task.get("NodeID") in active]


def write(swarm: Swarm, params: Mapping[str, Any], check: bool) -> tuple[Decided, int]:
    """Read, decide, and write: labels first, then the service."""
    decided = decide(swarm, params)
    service = decided.service
    if check:
        return decided, service["Version"]["Index"]
    for node_id, labels in decided.labels.items():
        label(swarm, node_id, labels)
    if decided.spec == service["Spec"]:
        return decided, service["Version"]["Index"]
    swarm.update_service(service, decided.spec)
    return decided, swarm.service(service["ID"])["Version"]["Index"]


def label(swarm: Swarm, node_id: str, labels: Mapping[str, str]) -> None:
    """Raises a SwarmError where the node has left meanwhile: a service must not be bound to a label that nobody has."""
    written = write_node(swarm, node_id, lambda node: dict(_placement.labelled(node, labels)["Spec"]))
    if not written and _nodes.only(swarm.nodes(), node_id) is None:
        names = ", ".join(sorted(labels))
        raise SwarmError(f"node {node_id} left the Swarm before it got its labels ({names}); the service is unchanged")


def decide(swarm: Swarm, params: Mapping[str, Any]) -> Decided:
    service, nodes = swarm.service(params["name"]), swarm.nodes()
    refuse_unexpected(service, params["expected_version"])
    name, tasks = service["Spec"]["Name"], swarm.tasks_of(service)
    labels = _placement.labels_to_set(nodes, params["node_labels"])
    for node_id, one in anchor_labels(swarm, name, params["follows"], nodes, labels).items():
        labels.setdefault(node_id, {}).update(one)
    after = _placement.with_labels(nodes, labels)
    spec = _placement.desired_spec(service["Spec"], params)
    if spec != service["Spec"] and not params["force"]:
        _placement.refuse_homeless(spec, after)
    before_told, after_told = (
        _placement.shown(service["Spec"], nodes, labels),
        _placement.shown(spec, after, labels),
    )
    held = _moves.kept(service, tasks, nodes)
    result = {
        "changed": before_told != after_told,
        "service": name,
        "placement": {"before": before_told, "after": after_told},
        "evicted": _placement.evicted(spec, tasks, after),
        "tasks": {"before": held, "after": held},
        "diff": {"before": before_told, "after": after_told},
    }
    return Decided(service, spec, labels, result)


def anchor_labels(
    swarm: Swarm, name: str, anchor: str | None, nodes: Sequence[Document], labels: _placement.Labels
) -> _placement.Labels:
    """The label that the anchor's node needs. Raises a SwarmError where the anchor is not there, or follows `name`."""
    if not anchor:
        return {}
    refuse_circle(swarm, name, anchor)
    found = swarm.service(anchor)
    return _placement.anchor_label(found, swarm.tasks_of(found), nodes, labels)


def refuse_circle(swarm: Swarm, name: str, anchor: str) -> None:
    """Go from anchor to anchor. The first has to be there, by its name: an id is nobody's label."""
    way, found = [name], swarm.find_service(anchor)
    if found is None or found["Spec"]["Name"] != anchor:
        raise SwarmError(f"follows: the Swarm has no service called {anchor}")
    while found:
        if anchor in way:
            raise SwarmError(f"follows: {' follows '.join([*way, anchor])}: a service cannot follow itself")
        way.append(anchor)
        anchor = _placement.anchor(found["Spec"])
        found = swarm.find_service(anchor) if anchor else None


def kept(swarm: Swarm, service: Document) -> list[dict[str, Any]]:
    return _moves.kept(service, swarm.tasks_of(service), swarm.nodes())


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True, "aliases": ["service"]},
            "constraints": {"type": "list", "elements": "str", "default": []},
            "remove_constraints": {"type": "list", "elements": "str", "default": []},
            "preferences": {"type": "list", "elements": "str"},
            "max_replicas_per_node": {"type": "int"},
            "follows": {"type": "str"},
            "node_labels": {"type": "dict", "default": {}},
            "force": {"type": "bool", "default": False},
            "expected_version": {"type": "int"},
            "wait": {"type": "bool", "default": True},
            "wait_timeout": {"type": "int", "default": 120},
            **connection_options(),
        },
        supports_check_mode=True,
    )
    run(module, place)


if __name__ == "__main__":
    main()
