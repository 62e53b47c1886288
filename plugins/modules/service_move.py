#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: service_move
short_description: Move tasks of a Docker Swarm service off a node
version_added: 0.1.0
description:
  - Moves the tasks of one service off one node, or exactly one task, and restarts nothing else.
  - Swarm never moves a running task by itself, and its own tools can only empty a node or restart a whole service.
  - Waits until the tasks run elsewhere, verifies where they landed, and undoes everything that it set on nodes.
  - What it sets on a node says so in a label, in the same update. A run that was killed leaves it there, and the next
    run for any service finds and clears it, once the killed one cannot be alive any more; a run for the same service
    and O(state=cleared) clear it at once. What a person paused or drained has no such label and stays.
  - Runs on any manager. The playbook C(swarmherd.cluster.enact.move) does all the steps.
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
    details: With O(expected_version) a second run finds what the first one left, which can be a conflict.
options:
  name:
    description:
      - The service, by name or id.
      - With O(state=cleared) it may be left out, and means all services then, those that move at this moment included.
    type: str
    aliases: [service]
  node:
    description:
      - The node to leave, by hostname or id. Not for O(state=cleared).
      - If not given, it is the one that O(task) is on.
    type: str
    aliases: [hostname]
  task:
    description:
      - The task to move, by id or the beginning of one.
      - If not given, all tasks of the service on that node are moved, which O(method=pause_and_stop) does only where
        it is one. A task that does not run there is none to move, and no error.
    type: str
    default: ""
  method:
    description:
      - V(deny_label) gives the service the constraint C(node.labels.swarmherd.deny.SERVICE != yes), and the node that
        label until the move is over. It moves all tasks of the service on that node. Swarm does not wait for the old
        container to stop, so old and new may overlap. It is refused for a single replica whose updates are stop-first.
        The constraint stays, since it holds on every node without the label, and writing it restarts nothing. From a
        paused node Swarm takes nothing away by label.
      - V(pause_and_stop) moves exactly one task, and nothing runs twice. The node is paused, so that Swarm chooses
        another one, the task's container is stopped by M(swarmherd.cluster.task_stop) on that node, and the node is set
        active again. These are three steps, O(state=prepared), the stop, and O(state=moved).
      - V(stop) restarts exactly one task, in the same three steps. Its own node is not paused, and it may come back
        there. What has a volume of its node is stopped only where O(avoid_nodes) leaves that node alone.
    type: str
    choices: [deny_label, pause_and_stop, stop]
    default: deny_label
  state:
    description:
      - V(moved) moves by deny label. With O(method=pause_and_stop) and O(method=stop) it is the last step, waits for
        the task that was stopped and undoes the pause.
      - V(prepared) does what has to be done before a task is stopped or drained at a load balancer. It pauses nodes and
        gives the service its constraint, but moves nothing, and tells in RV(to_move) what is to be stopped.
      - V(cleared) undoes what an interrupted move left.
    type: str
    choices: [moved, prepared, cleared]
    default: moved
  before:
    description:
      - For O(state=moved) with O(method=pause_and_stop) or O(method=stop), C(before) of RV(tasks) as O(state=prepared)
        told it.
    type: list
    elements: dict
  allowed_nodes:
    description: Nodes where landing is fine, by id or hostname. Empty means any but the node to leave.
    type: list
    elements: str
    default: []
  avoid_nodes:
    description:
      - Nodes that are paused as well while tasks move, by id or hostname, so that Swarm chooses among the rest.
      - Other services that scale or restart at that moment find no place there either.
    type: list
    elements: str
    default: []
  force:
    description:
      - Move also what is being updated, lacks running tasks, has a volume or path of its node, a restart condition
        other than V(any), or, with O(method=deny_label), a single replica that is updated stop-first.
      - Its data does not follow a task.
    type: bool
    default: false
  expected_version:
    description:
      - The version index of the service that the move was decided on.
      - When the service has another version, nothing is moved and the module fails with RV(ignore:conflict=true).
    type: int
  wait_timeout:
    description:
      - Seconds to wait at most until the tasks run elsewhere. The restart delay of the service, 5 seconds if it names
        none, is part of it.
    type: int
    default: 60
  drain_timeout:
    description:
      - With O(state=prepared), seconds that a load balancer may be drained for before the tasks are stopped. What is
        set on nodes counts as that of a move under way for so much longer.
    type: int
    default: 0
notes:
  - A conflict fails with the keys RV(ignore:conflict=true) and RV(ignore:found), a dictionary with the C(replicas)
    and the C(version) that the service was found with. Somebody who changes the service while it moves is a conflict.
  - The first move by deny label writes the service, so that C(docker service rollback) goes back to the service without
    that constraint, and not to what was deployed before. O(method=pause_and_stop) never writes the service.
  - A moved task counts as one restart towards C(max_attempts) of the restart policy.
  - Whether the node that Swarm chooses has enough unreserved CPU and memory is left to Swarm. Where no node has, the
    move fails at its bound, and the service gets its task back on the node that it left.
  - The names of the labels are C(swarmherd.paused), C(swarmherd.deny.SERVICE) and C(swarmherd.deny-until.SERVICE).
seealso:
  - module: swarmherd.cluster.task_stop
    description: Stops the container of the task, on its node.
  - module: swarmherd.cluster.node_availability
    description: Empties a node of everything.
  - module: swarmherd.cluster.placement
    description: Says where a service may run for good.
"""

EXAMPLES = r"""
- name: Send the shop off a hot node
  swarmherd.cluster.service_move:
    name: shop_web
    node: worker1

- name: See what would move
  swarmherd.cluster.service_move:
    name: shop_web
    node: worker1
  check_mode: true
  diff: true

- name: Move one task of what must not run twice, as swarmherd.cluster.enact.move does
  block:
    - name: Pause its node
      swarmherd.cluster.service_move:
        name: queue
        node: worker1
        method: pause_and_stop
        state: prepared
      register: prepared

    - name: Stop its container
      swarmherd.cluster.task_stop:
        task: "{{ prepared.to_move[0].id }}"
        stop_timeout: "{{ prepared.stop_grace_period }}"
      delegate_to: worker1

    - name: See that it runs elsewhere, and end the pause
      swarmherd.cluster.service_move:
        name: queue
        node: worker1
        method: pause_and_stop
        task: "{{ prepared.to_move[0].id }}"
        before: "{{ prepared.tasks.before }}"
        expected_version: "{{ prepared.version }}"
  rescue:
    - name: End the pause
      swarmherd.cluster.service_move:
        name: queue
        state: cleared

- name: Undo what interrupted moves left, of any service
  swarmherd.cluster.service_move:
    state: cleared
"""

RETURN = r"""
service:
  description: The service's name.
  returned: success
  type: str
  sample: shop_web
version:
  description: The version index of the service as this module left or found it.
  returned: success, except with O(state=cleared)
  type: int
  sample: 1302
node:
  description: The node to leave, with its C(id), C(hostname) and C(address).
  returned: success, except with O(state=cleared)
  type: dict
  sample: {id: wcymqrgucjk70k7wrr8pbwrnc, hostname: worker1, address: 10.0.0.21}
tasks:
  description:
    - All tasks of the service that Swarm means to keep running, C(before) and C(after).
    - With O(state=prepared) and in check mode both are the same.
  returned: success, and where a task did not land
  type: dict
  sample:
    before: [{id: k3xq, name: shop_web.1, slot: 1, node: worker1, node_id: wcym, state: running, addresses: [10.0.1.5]}]
    after: [{id: p8wz, name: shop_web.1, slot: 1, node: worker2, node_id: x2ab, state: running, addresses: [10.0.1.9]}]
to_move:
  description: The tasks that are to move, with the same keys. Empty where nothing of the service is on the node.
  returned: success, except with O(state=cleared)
  type: list
  elements: dict
  sample: [{id: k3xq, name: shop_web.1, slot: 1, node: worker1, node_id: wcym, state: running, addresses: [10.0.1.5]}]
moved:
  description: For each task that moved, the ids C(before) and C(after), and the nodes C(from) and C(to).
  returned: with O(state=moved), except in check mode
  type: list
  elements: dict
  sample: [{name: shop_web.1, slot: 1, before: k3xq, after: p8wz, from: worker1, to: worker2, state: running}]
restarted:
  description: Ids of other tasks of the service that are gone as well. Not by this module's doing.
  returned: with O(state=moved), except in check mode
  type: list
  elements: str
  sample: []
cleared:
  description: What earlier moves had left on nodes. Its C(kind) is V(pause) or V(deny).
  returned: success
  type: list
  elements: dict
  sample: [{node: worker1, kind: pause, service: queue}]
stop_grace_period:
  description: Seconds that the service gives its containers to stop.
  returned: success, except with O(state=cleared)
  type: int
  sample: 10
"""

from typing import Any, Mapping, Sequence

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.swarmherd.cluster.plugins.module_utils import _marks, _move_steps, _moves, _nodes
from ansible_collections.swarmherd.cluster.plugins.module_utils._client import Document, Swarm, connection_options
from ansible_collections.swarmherd.cluster.plugins.module_utils._conflicts import refuse_unexpected
from ansible_collections.swarmherd.cluster.plugins.module_utils._errors import SwarmError
from ansible_collections.swarmherd.cluster.plugins.module_utils._runner import run
from ansible_collections.swarmherd.cluster.plugins.module_utils._service_spec import value_at


def move(swarm: Swarm, params: Mapping[str, Any], check: bool) -> dict[str, Any]:
    if params["state"] == "cleared":
        return clear_leftovers(swarm, params, check)
    if params["state"] == "moved" and params["method"] in _moves.ONE_BY_ONE:
        return finish(swarm, params, check)
    decided = decide(swarm, params, check)
    cleared = _move_steps.clear(swarm, swarm.nodes(), decided.drop, check)
    if not decided.moving:
        return {**told(decided, decided.service, cleared), "changed": bool(cleared), "diff": same(decided)}
    act = prepare if params["state"] == "prepared" else move_by_label
    return act(swarm, decided, cleared, params, check)


def decide(swarm: Swarm, params: Mapping[str, Any], check: bool) -> _move_steps.Move:
    """What is refused leaves nothing of an earlier run behind either."""
    try:
        return _move_steps.decide(swarm, params)
    except SwarmError:
        clear_leftovers(swarm, params, check)
        raise


def clear_leftovers(swarm: Swarm, params: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """Undo what interrupted moves left: those of one service, and those that nobody can be behind any more."""
    service = swarm.find_service(params["name"]) if params["name"] else None
    name = service["Spec"]["Name"] if service else params["name"]
    wanted = _marks.leftover(name, _move_steps.time.time())
    nodes = swarm.nodes()
    cleared = _move_steps.clear(swarm, nodes, lambda _node, mark: wanted(mark), check)
    after = [{**node, "Spec": _marks.cleaned(node, wanted)} for node in nodes]
    touched = {node["ID"] for node in nodes if any(map(wanted, _marks.marks(node)))}
    return {
        "changed": bool(cleared),
        "service": name or "",
        "cleared": cleared,
        "diff": {
            "before": {"nodes": _move_steps.shown_nodes(nodes, touched)},
            "after": {"nodes": _move_steps.shown_nodes(after, touched)},
        },
    }


def prepare(
    swarm: Swarm, decided: _move_steps.Move, cleared: list[dict[str, str]], params: Mapping[str, Any], check: bool
) -> dict[str, Any]:
    """Pause what is to be paused, and give the service the constraint where the method needs it; move nothing."""
    service = decided.service
    denying = params["method"] == _moves.DENY_LABEL
    if not check:
        try:
            _move_steps.pause(swarm, decided)
            service = _move_steps.constrain(swarm, params) if denying else service
        except SwarmError:
            _move_steps.clear_own(swarm, decided.name)
            raise
    diff = prepared_diff(decided, denying)
    changed = bool(cleared) or diff["before"] != diff["after"]
    return {**told(decided, service, cleared), "changed": changed, "diff": diff}


def move_by_label(
    swarm: Swarm, decided: _move_steps.Move, cleared: list[dict[str, str]], params: Mapping[str, Any], check: bool
) -> dict[str, Any]:
    diff = moved_diff(decided)
    if check:
        return {**told(decided, decided.service, cleared), "changed": True, "diff": diff}
    with _move_steps.undone_afterwards(swarm, decided.name):
        _move_steps.pause(swarm, decided)
        service = _move_steps.constrain(swarm, params)
        _move_steps.deny(swarm, decided)
        seen = _move_steps.wait_for_landing(swarm, service, decided.before, decided.moving_ids, params["wait_timeout"])
    verify(seen, decided.before, decided.source["ID"], decided.allowed)
    return {
        **told(decided, service, cleared),
        **_move_steps.facts(decided.before, seen),
        "restarted": _moves.restarted(decided.before, decided.moving_ids, seen),
        "changed": True,
        "diff": diff,
    }


def finish(swarm: Swarm, params: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """After the task was stopped: wait for its successor, end the pauses, verify where it landed."""
    before = params["before"]
    old = [one for one in before or [] if one.get("id") == params["task"]]
    if not old or not {"slot", "node", "node_id", "name", "created_at"} <= set(old[0]):
        raise SwarmError(
            f"before: with method {params['method']} a task is moved in three steps: state prepared, task_stop on"
            " its node, and state moved with task and before as the first one told them; the playbook"
            " swarmherd.cluster.enact.move does them"
        )
    service, nodes = swarm.service(params["name"]), swarm.nodes()
    name = service["Spec"]["Name"]
    ours = [node for node in nodes if any(mark.service == name for mark in _marks.marks(node))]
    result: dict[str, Any] = {
        "service": name,
        "version": service["Version"]["Index"],
        "node": {"id": old[0]["node_id"], "hostname": old[0]["node"], "address": ""},
        "to_move": old,
        "cleared": [],
        "stop_grace_period": _move_steps.grace_seconds(service),
        "changed": bool(ours),
        "diff": {
            "before": {"nodes": _move_steps.shown_nodes(nodes, [node["ID"] for node in ours])},
            "after": {"nodes": _move_steps.shown_nodes(unmarked(nodes, name), [node["ID"] for node in ours])},
        },
    }
    if check:
        return {**result, "tasks": {"before": before, "after": before}}
    again = params["method"] == _moves.STOP
    with _move_steps.undone_afterwards(swarm, name):
        refuse_unexpected(service, params["expected_version"])
        seen = _move_steps.wait_for_landing(
            swarm, service, before, [old[0]["id"]], params["wait_timeout"], "again" if again else "elsewhere"
        )
    allowed = _move_steps.ids(nodes, params["allowed_nodes"])
    verify(seen, before, "" if again else old[0]["node_id"], allowed)
    return {
        **result,
        **_move_steps.facts(before, seen),
        "restarted": _moves.restarted(before, [old[0]["id"]], seen),
    }


def verify(seen: _moves.Landing, before: Sequence[Mapping[str, Any]], source: str, allowed: Sequence[str]) -> None:
    try:
        _moves.refuse_wrong_landing(seen, source, allowed)
    except SwarmError as error:
        raise SwarmError(str(error), **_move_steps.facts(before, seen)) from error


def unmarked(nodes: Sequence[Document], service: str) -> list[Document]:
    return [{**node, "Spec": _marks.cleaned(node, lambda mark: mark.service == service)} for node in nodes]


def told(decided: _move_steps.Move, service: Document, cleared: list[dict[str, str]]) -> dict[str, Any]:
    ids = set(decided.moving_ids)
    return {
        "service": decided.name,
        "version": service["Version"]["Index"],
        "node": {
            "id": decided.source["ID"],
            "hostname": _nodes.hostname(decided.source),
            "address": _nodes.address(decided.source),
        },
        "tasks": {"before": list(decided.before), "after": list(decided.before)},
        "to_move": [one for one in decided.before if one["id"] in ids],
        "cleared": cleared,
        "stop_grace_period": _move_steps.grace_seconds(service),
    }


def same(decided: _move_steps.Move) -> dict[str, Any]:
    there = {"tasks": {_nodes.hostname(decided.source): []}}
    return {"before": there, "after": there}


def moved_diff(decided: _move_steps.Move) -> dict[str, Any]:
    """Where the tasks go is Swarm's to choose, so the diff tells the node that they leave."""
    where = _nodes.hostname(decided.source)
    names = [one["name"] for one in decided.before if one["id"] in set(decided.moving_ids)]
    before, after = constraints_diff(decided)
    return {"before": {"tasks": {where: names}, **before}, "after": {"tasks": {where: []}, **after}}


def prepared_diff(decided: _move_steps.Move, denying: bool) -> dict[str, Any]:
    before, after = constraints_diff(decided) if denying else ({}, {})
    paused = [_move_steps.paused(node, decided) if node["ID"] in decided.to_pause else node for node in decided.nodes]
    return {
        "before": {"nodes": _move_steps.shown_nodes(decided.nodes, decided.to_pause), **before},
        "after": {"nodes": _move_steps.shown_nodes(paused, decided.to_pause), **after},
    }


def constraints_diff(decided: _move_steps.Move) -> tuple[dict[str, Any], dict[str, Any]]:
    held = value_at(decided.service["Spec"], _move_steps.CONSTRAINTS) or []
    wanted = value_at(_move_steps.denying(decided.service)["Spec"], _move_steps.CONSTRAINTS) or []
    return ({}, {}) if held == wanted else ({"constraints": held}, {"constraints": wanted})


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "aliases": ["service"]},
            "node": {"type": "str", "aliases": ["hostname"]},
            "task": {"type": "str", "default": ""},
            "method": {"type": "str", "choices": ["deny_label", "pause_and_stop", "stop"], "default": "deny_label"},
            "state": {"type": "str", "choices": ["moved", "prepared", "cleared"], "default": "moved"},
            "before": {"type": "list", "elements": "dict"},
            "allowed_nodes": {"type": "list", "elements": "str", "default": []},
            "avoid_nodes": {"type": "list", "elements": "str", "default": []},
            "force": {"type": "bool", "default": False},
            "expected_version": {"type": "int"},
            "wait_timeout": {"type": "int", "default": 60},
            "drain_timeout": {"type": "int", "default": 0},
            **connection_options(),
        },
        required_if=[("state", "moved", ("name",)), ("state", "prepared", ("name",))],
        supports_check_mode=True,
    )
    run(module, move)


if __name__ == "__main__":
    main()
