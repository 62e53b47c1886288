#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: service
short_description: Create, partially update or remove a Docker Swarm service
version_added: 0.1.0
description:
  - Creates a service, or changes of an existing one what the task names. What is not named stays as it is, whoever
    set it.
  - Of an option that is a list the whole list is set. Of a dictionary the keys that are named are set, a key with the
    value V(null) is removed, and all other keys stay.
  - Compares by meaning with what Docker holds, defaults included, so that nothing restarts without need.
  - Waits until the service has converged, and says which tasks fail and why when it does not.
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
    details:
      - Values of environment variables are not shown, only that they differ.
      - Values of options of log and volume drivers are not shown.
  idempotent:
    support: partial
    details: With O(force_update=true) every run restarts the tasks.
options:
  name:
    description: The service's name.
    type: str
    required: true
  state:
    description: Whether the service is there.
    type: str
    choices: [present, absent]
    default: present
  image:
    description:
      - The image that the tasks run. A new service needs one.
      - A tag without a digest is satisfied by the same tag with one.
    type: str
  command:
    description: The command that replaces the image's entrypoint, as a list of words.
    type: list
    elements: str
  args:
    description: The arguments of the command, or of the image's entrypoint, as a list of words.
    type: list
    elements: str
  env:
    description:
      - Environment variables.
      - Their values are kept out of logs and results. Docker itself shows them to everybody who may read the service,
        so secrets belong into Docker's secrets.
    type: dict
  labels:
    description: Labels of the service. Writing them restarts nothing.
    type: dict
  container_labels:
    description: Labels of the service's containers. Writing them restarts the tasks.
    type: dict
  user:
    description: The user that the processes run as, as V(1000:1000).
    type: str
  workdir:
    description: The folder that the processes start in.
    type: str
  hosts:
    description: Additional host names, from name to address.
    type: dict
  mode:
    description:
      - Whether a number of tasks runs, or one on every node.
      - A new service is V(replicated). Docker cannot change the mode of an existing one.
    type: str
    choices: [replicated, global]
  replicas:
    description:
      - How many tasks of a replicated service run.
      - If not given, an existing service keeps the number it has, so that a deployment does not undo a scaling. A new
        one gets 1.
    type: int
  networks:
    description: The names of all networks that the service is attached to. They must exist.
    type: list
    elements: str
  endpoint_mode:
    description: Whether the service's name leads to one virtual address or to the addresses of the tasks.
    type: str
    choices: [vip, dnsrr]
  publish:
    description: All published ports.
    type: list
    elements: dict
    suboptions:
      target_port:
        description: The port in the container.
        type: int
        required: true
      published_port:
        description: The port outside. If not given, Docker chooses one.
        type: int
      protocol:
        description: The protocol.
        type: str
        choices: [tcp, udp, sctp]
        default: tcp
      mode:
        description: Published by the routing mesh on all nodes, or on the very node that a task runs on.
        type: str
        choices: [ingress, host]
        default: ingress
  mounts:
    description: All mounts. One that stays, by type, source and target, keeps the options that are not named of it.
    type: list
    elements: dict
    suboptions:
      target:
        description: The path in the container.
        type: str
        required: true
      source:
        description: The path on the node, or the volume's name.
        type: str
      type:
        description: The kind of mount.
        type: str
        choices: [bind, volume, tmpfs]
        default: volume
      readonly:
        description: Whether the container can only read.
        type: bool
      propagation:
        description: How mounts below a bind mount propagate.
        type: str
        choices: [private, rprivate, shared, rshared, slave, rslave]
      tmpfs_size:
        description: The largest size of a tmpfs, as V(64M).
        type: str
      driver:
        description: The volume driver.
        type: str
      driver_options:
        description:
          - Options of the volume driver. Those that are named are set, and one without a value is removed.
          - The others stay, unless O(mounts[].driver) names another driver than before.
          - Their values are shown in no diff, result or log.
        type: dict
  constraints:
    description:
      - All placement constraints, as V(node.labels.disk == ssd).
      - Those on labels of Swarmherd (C(node.labels.swarmherd.)) that the service has already stay, unless the list
        names the same label.
    type: list
    elements: str
  placement_preferences:
    description: What the tasks are spread over, most important first, as V(node.labels.rack).
    type: list
    elements: str
  limits:
    description: What a task can use at most.
    type: dict
    suboptions: &resources
      cpus:
        description: Cores. 0 removes the setting.
        type: float
      memory:
        description: Memory, as V(512M). 0 removes the setting.
        type: str
  reservations:
    description: What a node must have free to take a task.
    type: dict
    suboptions: *resources
  restart_policy:
    description: When a task that ended is replaced.
    type: dict
    suboptions:
      condition:
        description: After which ends a task is replaced.
        type: str
        choices: [none, on-failure, any]
      delay:
        description: The time before it is replaced, as V(5s).
        type: str
      max_attempts:
        description: How often at most within the window. 0 is without end.
        type: int
      window:
        description: The time over which attempts are counted. 0 is for ever.
        type: str
  failover:
    description:
      - How soon a task that ended, or whose node went down, is replaced. V(normal) is after 5 seconds, V(fast) at once
        and after whatever end; what O(restart_policy) says wins.
      - The label C(swarmherd.failover) in O(labels) says the same, and is set by this.
      - How soon a node is seen down is for M(swarmherd.cluster.node_bootstrap).
    type: str
    choices: [normal, fast]
  update_config:
    description: How the tasks are replaced by those of a new specification.
    type: dict
    suboptions: &rollout
      parallelism:
        description: How many tasks at once. 0 is all.
        type: int
      delay:
        description: The time between two groups of tasks, as V(10s).
        type: str
      failure_action:
        description: What to do when replaced tasks fail. V(rollback) is for O(update_config) only.
        type: str
        choices: [pause, continue, rollback]
      monitor:
        description: How long a replaced task is watched for failure, as V(5s).
        type: str
      max_failure_ratio:
        description: The share of tasks that may fail, from 0 to 1.
        type: float
      order:
        description: Whether the old task stops before the new one starts, or after.
        type: str
        choices: [stop-first, start-first]
  rollback_config:
    description: How the tasks are replaced when an update is rolled back.
    type: dict
    suboptions: *rollout
  stop_grace_period:
    description: The time between asking a task to stop and killing it, as V(30s).
    type: str
  healthcheck:
    description: How Docker sees whether a container is healthy.
    type: dict
    suboptions:
      test:
        description: The command, as a list of words or as text for a shell. V(NONE) switches the image's own check
          off.
        type: raw
      interval:
        description: The time between two checks, as V(10s).
        type: str
      timeout:
        description: The time after which a check has failed.
        type: str
      start_period:
        description: The time after the start in which failures do not count.
        type: str
      retries:
        description: Failures in a row that make a container unhealthy.
        type: int
  force_update:
    description: Replace all tasks, although nothing changed.
    type: bool
    default: false
  expected_version:
    description:
      - The version index of the service that the change was decided on.
      - When the service has another version, nothing is changed and the module fails with RV(ignore:conflict=true)
        and RV(ignore:found), a dictionary with the C(replicas) and C(version) that were found.
    type: int
  wait:
    description:
      - Wait until every wanted task runs and no update is under way, also when nothing changed.
      - On a paused node Swarm neither adds nor updates tasks of a global service, so none is waited for there.
      - Jobs are not waited for.
    type: bool
    default: true
  wait_timeout:
    description: Seconds to wait at most.
    type: int
    default: 300
seealso:
  - module: swarmherd.cluster.service_scale
    description: Changes the number of replicas and nothing else.
  - module: swarmherd.cluster.cluster_info
    description: Reads the services.
  - name: community.docker.docker_swarm_service
    description: Sets a whole service, the options that are not named included.
    link: https://docs.ansible.com/ansible/latest/collections/community/docker/docker_swarm_service_module.html
"""

EXAMPLES = r"""
- name: Run the shop
  swarmherd.cluster.service:
    name: shop_web
    image: registry.example.com/shop:1.4
    replicas: 3
    networks: [shop]
    endpoint_mode: dnsrr
    env:
      SHOP_CURRENCY: EUR
    labels:
      swarmherd.scale.min: 2
      swarmherd.scale.max: 10
    limits: {cpus: 0.5, memory: 256M}
    update_config: {order: start-first, failure_action: rollback}

- name: Bring out a new version, and leave everything else, the number of replicas included
  swarmherd.cluster.service:
    name: shop_web
    image: registry.example.com/shop:1.5

- name: Replace tasks of a node that died without a pause
  swarmherd.cluster.service:
    name: shop_web
    failover: fast

- name: Take one label away
  swarmherd.cluster.service:
    name: shop_web
    labels:
      swarmherd.scale.max: null

- name: Run an agent on every node that has a fast disk
  swarmherd.cluster.service:
    name: agent
    image: registry.example.com/agent:7
    mode: global
    constraints: [node.labels.disk == ssd]
    mounts:
      - {type: bind, source: /var/log, target: /host/log, readonly: true}

- name: Remove a service
  swarmherd.cluster.service:
    name: shop_web
    state: absent
"""

RETURN = r"""
service:
  description: The service's name.
  returned: always
  type: str
  sample: shop_web
id:
  description: The service's id.
  returned: when the service is there
  type: str
  sample: dxhptlrwt1kvymbckn4xmi7vt
changes:
  description: The options that changed, or would change in check mode.
  returned: always
  type: list
  elements: str
  sample: [image, limits]
replicas:
  description: The replicas before and after. Null for services that have no count.
  returned: when the service is there, or would be in check mode
  type: dict
  sample: {before: 3, after: 3}
version:
  description: The version index of the service when it was seen last.
  returned: when the service is there
  type: int
  sample: 1302
running:
  description: Tasks of the present specification that run on nodes which are up.
  returned: when the service is there
  type: int
  sample: 3
tasks:
  description: The tasks that Swarm means to keep running, whatever they are doing now.
  returned: when the service is there
  type: list
  elements: dict
  sample: [{at: "2026-01-10T08:00:00Z", error: "", id: k3xq, name: shop_web.1, node: worker1, slot: 1, state: running}]
failures:
  description: For each task that is to run and does not, the one that says why. Same keys as in RV(tasks).
  returned: when the service is there
  type: list
  elements: dict
  sample: []
"""

from typing import Any, Mapping

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.swarmherd.cluster.plugins.module_utils._client import Swarm, connection_options
from ansible_collections.swarmherd.cluster.plugins.module_utils._conflicts import retried
from ansible_collections.swarmherd.cluster.plugins.module_utils._errors import SwarmError
from ansible_collections.swarmherd.cluster.plugins.module_utils._runner import run
from ansible_collections.swarmherd.cluster.plugins.module_utils._service import network_ids, remove, watch, write
from ansible_collections.swarmherd.cluster.plugins.module_utils._service_options import service_options


def ensure(swarm: Swarm, params: Mapping[str, Any], check: bool) -> dict[str, Any]:
    names = {network["Id"]: network["Name"] for network in swarm.networks()}
    step, wanted = (remove if params["state"] == "absent" else write), dict(params)
    if step is write and params["networks"] is not None:
        ids = network_ids(swarm, params["networks"])
        names.update({identity: name for name, identity in ids.items()})
        wanted["networks"] = list(ids.values())
    written = retried(lambda: step(swarm, wanted, check), params["expected_version"])
    result = {"service": params["name"], **written.told(names)}
    if written.service is None:
        return result
    try:
        return {**result, **watch(swarm, written, params, check)}
    except SwarmError as error:
        raise SwarmError(str(error), **{**result, **error.facts}) from error


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "force_update": {"type": "bool", "default": False},
            "expected_version": {"type": "int"},
            "wait": {"type": "bool", "default": True},
            "wait_timeout": {"type": "int", "default": 300},
            **service_options(),
            **connection_options(),
        },
        supports_check_mode=True,
    )
    run(module, ensure, hidden=["env", "mounts.driver_options"])


if __name__ == "__main__":
    main()
