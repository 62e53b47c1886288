#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: stack
short_description: Deploy a Compose file to a Docker Swarm without undoing what was decided since
version_added: 0.1.0
description:
  - Creates and updates the services and networks of a Compose file, named and labelled as C(docker stack deploy) does,
    so that C(docker stack ps), C(docker stack services) and C(docker stack rm) know them.
  - What the autoscaler and the controller decided stays. An existing service keeps its number of replicas (see
    O(scale)), its constraints on labels of Swarmherd (C(node.labels.swarmherd.)) and its own labels that begin with
    C(swarmherd.) and are not in the file.
  - Everything else is as the file says. What the file leaves out has Docker's default, as if the service were new.
  - All mistakes are found before anything is changed. Then everything is written, and only then it is waited for, so
    that services which need each other may stand in any order.
  - Waits until all services have converged. Where an update failed and was rolled back, or stopped, as the file's
    C(update_config.failure_action) says, the module fails with what the tasks said.
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
    details: Values of environment variables and of options of log and volume drivers are not shown.
  idempotent:
    support: full
options:
  name:
    description: The stack's name. Services, networks and volumes are called by it, as V(shop_web).
    type: str
    required: true
  file:
    description:
      - The path of a Compose file on the control node. Relative to the play's or role's folder, or its C(files).
      - It may be encrypted with Ansible Vault, and so may the files that its C(env_file) names, which are looked for
        beside it.
      - Templates of Ansible's have no meaning in it.
    type: str
  compose:
    description:
      - The content of a Compose file, instead of O(file).
      - It is kept out of logs and results.
    type: dict
  variables:
    description:
      - What stands for C($NAME), C(${NAME}), C(${NAME:-default}), C(${NAME:?error}) and C(${NAME:+other}) in the file,
        and for environment variables that it names without a value.
      - The environment of the control node is not asked. A variable without value and default is an error.
    type: dict
  scale:
    description:
      - V(keep) leaves the number of replicas of an existing service as it is, and takes C(deploy.replicas) for a new
        one only.
      - V(file) sets what the file says.
    type: str
    choices: [keep, file]
    default: keep
  fast_failover:
    description:
      - Services whose tasks are replaced at once when they end or their node goes down, by their full names as
        V(shop_web). Names of other stacks are passed over.
      - The label C(swarmherd.failover=fast) below C(deploy.labels) of the file says the same of one service. A
        C(restart_policy) in the file wins.
    type: list
    elements: str
    default: []
  prune:
    description: Remove services of the stack that are not in the file. Without it they stay, and a warning names them.
    type: bool
    default: false
  wait:
    description:
      - Wait until every wanted task runs and no update is under way, also when nothing changed.
      - On a paused node Swarm neither adds nor updates tasks of a global service, so none is waited for there.
    type: bool
    default: true
  wait_timeout:
    description: Seconds to wait at most, for all services together.
    type: int
    default: 300
notes:
  - Of a service it takes C(image), C(command), C(entrypoint), C(environment), C(env_file), C(deploy), C(networks) with
    C(aliases), C(ports), C(volumes), C(tmpfs), C(secrets), C(configs), C(healthcheck), C(stop_grace_period),
    C(stop_signal), C(user), C(working_dir), C(extra_hosts), C(logging), C(labels), C(hostname), C(init), C(read_only),
    C(tty), C(stdin_open), C(cap_add), C(cap_drop), C(dns), C(dns_search) and C(sysctls).
  - C(build), C(container_name), C(depends_on), C(expose), C(links) and C(restart) have no effect in a Swarm; a warning
    says so. Any other key is an error that names it.
  - Secrets and configs are created before, with Docker. One that is not C(external) is called as V(shop_key).
  - Volumes are no objects of a Swarm. Each node makes them when a task starts there.
  - An image's tag is not resolved to a digest. A new image under an old tag changes nothing; give each version a tag of
    its own.
seealso:
  - module: swarmherd.cluster.service
    description: Changes of one service what the task names.
  - module: swarmherd.cluster.service_scale
    description: Changes the number of replicas and nothing else.
  - name: community.docker.docker_stack
    description: Runs docker stack deploy, which sets the replicas and constraints of the file.
    link: https://docs.ansible.com/ansible/latest/collections/community/docker/docker_stack_module.html
"""

EXAMPLES = r"""
- name: Bring out a version of the shop, and leave its scale to the autoscaler
  swarmherd.cluster.stack:
    name: shop
    file: stack.yml
    variables: {TAG: "1.5"}

- name: Deploy what is written here
  swarmherd.cluster.stack:
    name: echo
    compose:
      services:
        server:
          image: registry.example.com/echo:3
          deploy:
            replicas: 2
            update_config: {order: start-first, failure_action: rollback}

- name: Have exactly the services and replicas of the file
  swarmherd.cluster.stack:
    name: shop
    file: stack.yml
    scale: file
    prune: true
"""

RETURN = r"""
stack:
  description: The stack's name.
  returned: once the file was understood
  type: str
  sample: shop
services:
  description:
    - For each service of the file what changed, its C(id), and its replicas before and after.
    - After waiting also C(version), C(running), C(tasks) and C(failures), as the module
      M(swarmherd.cluster.service) tells them, and for one that failed whether it was C(rolled_back).
  returned: once the file was understood
  type: dict
  sample: {shop_web: {changed: true, changes: [image], id: dxht, replicas: {before: 5, after: 5}, running: 5}}
networks:
  description: The networks that were created, or would be in check mode.
  returned: once the file was understood
  type: list
  elements: str
  sample: [shop_default]
pruned:
  description: The services that were removed, or would be in check mode.
  returned: once the file was understood
  type: list
  elements: str
  sample: []
left:
  description: Services of the stack that are not in the file and stayed.
  returned: once the file was understood
  type: list
  elements: str
  sample: [shop_old]
"""

from typing import Any, Mapping

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.swarmherd.cluster.plugins.module_utils._client import Swarm, connection_options
from ansible_collections.swarmherd.cluster.plugins.module_utils._compose import stack
from ansible_collections.swarmherd.cluster.plugins.module_utils._errors import SwarmError
from ansible_collections.swarmherd.cluster.plugins.module_utils._runner import run
from ansible_collections.swarmherd.cluster.plugins.module_utils._stack import deploy


def ensure(swarm: Swarm, params: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """The action plugin has read the file, and put what it read into `compose`."""
    try:
        wanted = stack(params["compose"], params["name"], params["fast_failover"])
    except SwarmError as error:
        raise SwarmError(f"{params['file'] or 'compose'}: {error}") from error
    return deploy(swarm, params["name"], wanted, params, check)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "file": {"type": "str"},
            "compose": {"type": "dict", "no_log": True},
            "variables": {"type": "dict", "no_log": True},
            "scale": {"type": "str", "choices": ["keep", "file"], "default": "keep"},
            "fast_failover": {"type": "list", "elements": "str", "default": []},
            "prune": {"type": "bool", "default": False},
            "wait": {"type": "bool", "default": True},
            "wait_timeout": {"type": "int", "default": 300},
            **connection_options(),
        },
        supports_check_mode=True,
    )
    run(module, ensure, hidden=["compose", "variables"])


if __name__ == "__main__":
    main()
