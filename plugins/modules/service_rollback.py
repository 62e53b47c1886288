#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: service_rollback
short_description: Roll a Docker Swarm service back to its previous specification
version_added: 0.1.0
description:
  - Puts the previous specification of a service in force again, as C(docker service rollback) does, by the rules of
    the service's own rollback configuration.
  - Docker keeps one previous specification, and exchanges the two; to roll back twice would be to go forward again.
    So a service that was rolled back, and not changed since, is left as it is.
  - A rollback that Swarm has paused is resumed. The specification that it goes to is written once more.
  - Waits until all tasks run, and says which tasks fail and why when they do not.
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
    details: With O(expected_version) a second run finds what the first one left, which is a conflict.
options:
  name:
    description: The service, by name or id.
    type: str
    required: true
    aliases: [service]
  expected_version:
    description:
      - The version index of the service that the rollback was decided on.
      - When the service has another version, nothing is changed and the module fails with RV(ignore:conflict=true)
        and RV(ignore:found), a dictionary with the C(replicas) and C(version) that were found.
    type: int
  wait:
    description:
      - Wait until every wanted task runs and nothing is under way, also when nothing changed.
      - Jobs are not waited for.
    type: bool
    default: true
  wait_timeout:
    description: Seconds to wait at most.
    type: int
    default: 300
seealso:
  - module: swarmherd.cluster.service
    description: Brings the next specification out.
"""

EXAMPLES = r"""
- name: Take the new version of the shop back
  swarmherd.cluster.service_rollback:
    name: shop_web

- name: The same, unless somebody has changed it since
  swarmherd.cluster.service_rollback:
    name: shop_web
    expected_version: 1287
    wait_timeout: 60
"""

RETURN = r"""
service:
  description: The service's name.
  returned: always, once the service was found
  type: str
  sample: shop_web
changes:
  description: The options that changed, or would change in check mode. Empty where a paused rollback is resumed.
  returned: always, except with a conflict
  type: list
  elements: str
  sample: [image]
version:
  description: The version index of the service when it was seen last.
  returned: always, once the service was found
  type: int
  sample: 1302
running:
  description: Tasks of the present specification that run on nodes which are up.
  returned: always, except with a conflict
  type: int
  sample: 3
tasks:
  description: The tasks that Swarm means to keep running, whatever they are doing now.
  returned: always, except with a conflict
  type: list
  elements: dict
  sample: [{at: "2026-01-10T08:00:00Z", error: "", id: k3xq, name: shop_web.1, node: worker1, slot: 1, state: running}]
failures:
  description: For each task that is to run and does not, the one that says why. Same keys as in RV(tasks).
  returned: always, except with a conflict
  type: list
  elements: dict
  sample: []
"""

from typing import Any, Mapping, NamedTuple

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.swarmherd.cluster.plugins.module_utils._client import Document, Swarm, connection_options
from ansible_collections.swarmherd.cluster.plugins.module_utils._conflicts import refuse_unexpected, retried
from ansible_collections.swarmherd.cluster.plugins.module_utils._errors import SwarmError
from ansible_collections.swarmherd.cluster.plugins.module_utils._runner import run
from ansible_collections.swarmherd.cluster.plugins.module_utils._service import SETTLED_LOOKS, ends_by_itself
from ansible_collections.swarmherd.cluster.plugins.module_utils._service_spec import changes, diff
from ansible_collections.swarmherd.cluster.plugins.module_utils._waiter import look_at, wait_until_converged

BACK_ALREADY = ("rollback_started", "rollback_completed")
PAUSED = "rollback_paused"


class Back(NamedTuple):
    """One attempt: the service as it was found, the specification to have, and whether anything is to be written."""

    found: Document
    spec: Document
    wrote: bool


def roll_back(swarm: Swarm, params: Mapping[str, Any], check: bool) -> dict[str, Any]:
    names = {network["Id"]: network["Name"] for network in swarm.networks()}
    done = retried(lambda: write(swarm, params, check), params["expected_version"])
    name = done.found["Spec"]["Name"]
    result = {
        "changed": done.wrote,
        "service": name,
        "changes": changes(done.found["Spec"], done.spec),
        "version": done.found["Version"]["Index"],
        "diff": diff(done.found["Spec"], done.spec, names),
    }
    try:
        return {**result, **watch(swarm, name, done, params, check)}
    except SwarmError as error:
        raise SwarmError(str(error), **{**result, **error.facts}) from error


def write(swarm: Swarm, params: Mapping[str, Any], check: bool) -> Back:
    """Read, decide and write once."""
    found = swarm.service(params["name"])
    refuse_unexpected(found, params["expected_version"])
    state = (found.get("UpdateStatus") or {}).get("State", "")
    if state in BACK_ALREADY:
        return Back(found, found["Spec"], False)
    if state == PAUSED:
        if not check:
            swarm.update_service(found, found["Spec"])
        return Back(found, found["Spec"], True)
    previous = found.get("PreviousSpec")
    if not previous:
        raise SwarmError(
            f"{found['Spec']['Name']} has no previous specification to go back to: it was never changed, or Swarm has"
            " rolled it back itself; bring a sound one out with swarmherd.cluster.service",
            service=found["Spec"]["Name"],
            version=found["Version"]["Index"],
        )
    if not check:
        swarm.rollback_service(found)
    return Back(found, previous, True)


def watch(swarm: Swarm, name: str, done: Back, params: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """What is seen of the service, after waiting for it where that was asked for."""
    if check or not params["wait"] or ends_by_itself(done.spec):
        service, seen = look_at(swarm, done.found["ID"])
    else:
        looks = SETTLED_LOOKS if done.wrote else 1
        service, seen = wait_until_converged(swarm, name, params["wait_timeout"], wrote=False, looks=looks)
    return {"version": service["Version"]["Index"], **seen.seen()}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True, "aliases": ["service"]},
            "expected_version": {"type": "int"},
            "wait": {"type": "bool", "default": True},
            "wait_timeout": {"type": "int", "default": 300},
            **connection_options(),
        },
        supports_check_mode=True,
    )
    run(module, roll_back)


if __name__ == "__main__":
    main()
