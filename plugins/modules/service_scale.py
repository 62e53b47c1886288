#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: service_scale
short_description: Set the number of replicas of a Docker Swarm service
version_added: 0.1.0
description:
  - Sets the replicas of a service in replicated mode and leaves everything else of it as it is.
  - Every write carries the version that was read. When somebody else wrote the service in the meantime, the module
    reads again and applies its own change, or fails with a conflict where the task says what it expects to find.
  - Waits until the replicas run, and says which tasks fail and why when they do not.
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
    details: With O(expected_replicas) or O(expected_version) a second run finds what the first one left, which is a
      conflict.
options:
  name:
    description: The service, by name or id.
    type: str
    required: true
    aliases: [service]
  replicas:
    description: How many replicas to have.
    type: int
    required: true
  expected_replicas:
    description:
      - The number of replicas that the change was decided on.
      - When the service has another number, nothing is changed and the module fails with RV(ignore:conflict=true).
    type: int
  expected_version:
    description:
      - The version index of the service that the change was decided on.
      - When the service has another version, nothing is changed and the module fails with RV(ignore:conflict=true).
    type: int
  expected_leaving:
    description:
      - The ids of the tasks that are expected to go, such as those that were drained at a load balancer.
      - When others may go by now, nothing is changed and the module fails with RV(ignore:conflict=true).
    type: list
    elements: str
  wait:
    description: Wait until all replicas run on nodes that are up.
    type: bool
    default: true
  wait_timeout:
    description: Seconds to wait at most.
    type: int
    default: 120
notes:
  - A conflict fails with the keys RV(ignore:conflict=true) and RV(ignore:found), a dictionary with the C(replicas)
    and the C(version) that the service was found with.
seealso:
  - module: swarmherd.cluster.service
    description: Changes anything else of a service, and keeps its replicas.
  - module: swarmherd.cluster.cluster_info
    description: Reads the replicas and the version to expect.
  - name: community.docker.docker_swarm_service
    description: Sets a whole service, the options that are not named included.
    link: https://docs.ansible.com/ansible/latest/collections/community/docker/docker_swarm_service_module.html
"""

EXAMPLES = r"""
- name: Have five replicas of the shop
  swarmherd.cluster.service_scale:
    name: shop_web
    replicas: 5

- name: Go from three to four, unless somebody else was here first
  swarmherd.cluster.service_scale:
    name: shop_web
    replicas: 4
    expected_replicas: 3
    expected_version: 1287
    wait_timeout: 60

- name: Do nothing where somebody else was first, and fail with everything else
  swarmherd.cluster.service_scale:
    name: shop_web
    replicas: 4
    expected_replicas: 3
  register: scaled
  failed_when: scaled is failed and not scaled.conflict | default(false)

- name: Scale from here, through the manager's SSH service
  swarmherd.cluster.service_scale:
    name: shop_web
    replicas: 5
    docker_host: ssh://root@10.0.0.11
  delegate_to: localhost

- name: Set the connection once for all modules of a play
  hosts: localhost
  module_defaults:
    group/swarmherd.cluster.swarm:
      docker_host: tcp://10.0.0.11:2376
      validate_certs: true
      ca_path: /etc/docker/ca.pem
      client_cert: /etc/docker/cert.pem
      client_key: /etc/docker/key.pem
  tasks:
    - name: Close the shop
      swarmherd.cluster.service_scale:
        name: shop_web
        replicas: 0
"""

RETURN = r"""
leaving:
  description:
    - Which C(tasks) Swarm stops when there are fewer replicas, each with its C(addresses). Where C(certain)
      is false they may be fewer of these, and C(why) says so.
  returned: always, except with a conflict
  type: dict
  sample: {certain: true, tasks: [{id: k3xq, name: shop_web.4, node: worker1, addresses: [10.0.1.5]}], why: ""}
service:
  description: The service's name.
  returned: always, once the service was found
  type: str
  sample: shop_web
replicas:
  description: The replicas before and after.
  returned: always, once the service was found
  type: dict
  sample: {before: 3, after: 4}
version:
  description: The version index that this module's own write left, or that was found where nothing was written.
  returned: always, once the service was found
  type: int
  sample: 1302
running:
  description: Tasks of the present specification that run on nodes which are up.
  returned: always, except with a conflict
  type: int
  sample: 4
tasks:
  description: The tasks that Swarm means to keep running, whatever they are doing now.
  returned: always, except with a conflict
  type: list
  elements: dict
  sample: [{at: "2026-01-10T08:00:00Z", error: "", id: k3xq, name: shop_web.1, node: worker1, slot: 1, state: running}]
failures:
  description: For each replica that does not run, the task that says why. Same keys as in RV(tasks).
  returned: always, except with a conflict
  type: list
  elements: dict
  sample: []
"""

from typing import Any, Mapping

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.swarmherd.cluster.plugins.module_utils._client import Document, Swarm, connection_options
from ansible_collections.swarmherd.cluster.plugins.module_utils._conflicts import refuse_unexpected, retried
from ansible_collections.swarmherd.cluster.plugins.module_utils._errors import SwarmError
from ansible_collections.swarmherd.cluster.plugins.module_utils._moves import told
from ansible_collections.swarmherd.cluster.plugins.module_utils._runner import run
from ansible_collections.swarmherd.cluster.plugins.module_utils._service_spec import desired_spec
from ansible_collections.swarmherd.cluster.plugins.module_utils._tasks import replicas
from ansible_collections.swarmherd.cluster.plugins.module_utils._victims import leaving
from ansible_collections.swarmherd.cluster.plugins.module_utils._waiter import look_at, wait_until_converged


def scale(swarm: Swarm, params: Mapping[str, Any], check: bool) -> dict[str, Any]:
    if params["replicas"] < 0:
        raise SwarmError(f"replicas: {params['replicas']} is less than none")
    service, before, going = retried(lambda: write_replicas(swarm, params, check), params["expected_version"])
    after = params["replicas"]
    result = {
        "changed": after != before,
        "service": service["Spec"]["Name"],
        "replicas": {"before": before, "after": after},
        "leaving": going,
        "version": service["Version"]["Index"],
        "diff": {"before": {"replicas": before}, "after": {"replicas": after}},
    }
    try:
        result.update(watch(swarm, service, params, check))
    except SwarmError as error:
        raise SwarmError(str(error), **{**error.facts, **result}) from error
    return result


def write_replicas(swarm: Swarm, params: Mapping[str, Any], check: bool) -> tuple[Document, int, dict[str, Any]]:
    """Read, decide and write once. Returns the service after that, the replicas before, and which tasks go."""
    service = swarm.service(params["name"])
    before = replicas(service)
    refuse_unexpected(service, params["expected_version"], params["expected_replicas"])
    going = foretold(swarm, service, params)
    spec = desired_spec(service["Spec"], {"replicas": params["replicas"]})
    if check or spec == service["Spec"]:
        return service, before, going
    swarm.update_service(service, spec)
    return swarm.service(service["ID"]), before, going


def foretold(swarm: Swarm, service: Document, params: Mapping[str, Any]) -> dict[str, Any]:
    """Which tasks will go. Raises a SwarmError where they are not the ones that were expected."""
    found = leaving(service, swarm.tasks_of(service), params["replicas"])
    expected, now = params["expected_leaving"], sorted(task["ID"] for task in found.tasks)
    if expected is not None and sorted(expected) != now:
        name = service["Spec"]["Name"]
        raise SwarmError(
            f"conflict: of {name} the tasks {', '.join(sorted(expected)) or 'none'} were expected to go, and now it is "
            f"{', '.join(now) or 'none'}; nothing was changed",
            conflict=True,
            found={"replicas": replicas(service), "version": service["Version"]["Index"]},
            service=name,
        )
    nodes = swarm.nodes() if found.tasks else []
    tasks = [told(task, service["Spec"]["Name"], nodes) for task in found.tasks]
    return {"tasks": tasks, "certain": not found.why, "why": found.why}


def watch(swarm: Swarm, service: Document, params: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """What is seen of the service, after waiting for it where that was asked for."""
    if check or not params["wait"]:
        return look_at(swarm, service["ID"])[1].seen()
    name = service["Spec"]["Name"]
    latest, seen = wait_until_converged(swarm, name, params["wait_timeout"], wrote=False)
    if replicas(latest) != params["replicas"]:
        found = {"replicas": replicas(latest), "version": latest["Version"]["Index"]}
        raise SwarmError(
            f"somebody else set {name} to {found['replicas']} replicas while this task waited for {params['replicas']}",
            conflict=True,
            found=found,
            **seen.seen(),
        )
    return seen.seen()


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True, "aliases": ["service"]},
            "replicas": {"type": "int", "required": True},
            "expected_replicas": {"type": "int"},
            "expected_version": {"type": "int"},
            "expected_leaving": {"type": "list", "elements": "str"},
            "wait": {"type": "bool", "default": True},
            "wait_timeout": {"type": "int", "default": 120},
            **connection_options(),
        },
        supports_check_mode=True,
    )
    run(module, scale)


if __name__ == "__main__":
    main()
