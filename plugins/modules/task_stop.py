#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: task_stop
short_description: Stop the container of one Docker Swarm task
version_added: 0.1.0
description:
  - Stops the container of one task, on the engine of the node where it runs. Managers cannot do that from afar.
  - Swarm replaces the task, as it does one that ended by itself. Where, is Swarm's choice; pause the node before to
    have it choose another one, as M(swarmherd.cluster.service_move) does.
  - Stops nothing but containers of that task, and knows them by the label that Swarm gives them.
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
  task:
    description: The task, by its full id.
    type: str
    required: true
  node:
    description:
      - The id of the node where the task is.
      - When given, the module fails on any other host, and a container that has been removed already is no error.
    type: str
  stop_timeout:
    description: Seconds that the container has to end by itself before it is killed.
    type: int
    default: 10
seealso:
  - module: swarmherd.cluster.service_move
    description: Prepares the stop, and verifies where the task runs afterwards.
"""

EXAMPLES = r"""
- name: Stop a task on its node
  swarmherd.cluster.task_stop:
    task: k3xqw0gk2kxmnl4e8w5u0ztf1
    stop_timeout: 30
  delegate_to: worker1
"""

RETURN = r"""
task:
  description: The task's id.
  returned: success
  type: str
  sample: k3xqw0gk2kxmnl4e8w5u0ztf1
containers:
  description: Ids of its containers on this engine.
  returned: success
  type: list
  elements: str
  sample: [9f2c41d7a6]
stopped:
  description: Ids of those that ran, and were stopped.
  returned: success
  type: list
  elements: str
  sample: [9f2c41d7a6]
"""

import re
from typing import Any, Mapping

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.swarmherd.cluster.plugins.module_utils._client import Swarm, connection_options
from ansible_collections.swarmherd.cluster.plugins.module_utils._errors import NotFoundError, SwarmError
from ansible_collections.swarmherd.cluster.plugins.module_utils._membership import membership
from ansible_collections.swarmherd.cluster.plugins.module_utils._runner import run

ALIVE = ("created", "running", "paused", "restarting")


def stop(swarm: Swarm, params: Mapping[str, Any], check: bool) -> dict[str, Any]:
    task = params["task"]
    if not re.match(r"^[a-z0-9]+$", task):
        raise SwarmError(
            f"task: {task!r} is no id of a task; give it in full, as docker service ps --no-trunc shows it"
        )
    if params["stop_timeout"] < 0:
        raise SwarmError(f"stop_timeout: {params['stop_timeout']} is less than no time")
    refuse_other_node(swarm, params["node"])
    found = swarm.containers_of_task(task)
    if not found and not params["node"]:
        raise SwarmError(f"this engine has no container of the task {task}; run the task on the node where it is")
    alive = [container["Id"] for container in found if container["State"] in ALIVE]
    stopped = [container for container in alive if check or stop_one(swarm, container, params["stop_timeout"])]
    states = {container["Id"][:12]: container["State"] for container in found}
    return {
        "changed": bool(stopped),
        "task": task,
        "containers": [container["Id"] for container in found],
        "stopped": stopped,
        "diff": {
            "before": {"containers": states},
            "after": {"containers": {**states, **{container[:12]: "exited" for container in alive}}},
        },
    }


def stop_one(swarm: Swarm, container_id: str, grace_seconds: int) -> bool:
    try:
        swarm.stop_container(container_id, grace_seconds)
    except NotFoundError:
        return False  # it ended and was removed in the meantime
    return True


def refuse_other_node(swarm: Swarm, node_id: str | None) -> None:
    here = membership(swarm.info()).node_id
    if node_id and node_id != here:
        raise SwarmError(f"node: this engine is the node {here or 'of no Swarm'}, and not {node_id}; run it there")


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "task": {"type": "str", "required": True},
            "node": {"type": "str"},
            "stop_timeout": {"type": "int", "default": 10},
            **connection_options(),
        },
        supports_check_mode=True,
    )
    run(module, stop)


if __name__ == "__main__":
    main()
