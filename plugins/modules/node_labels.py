#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_labels
short_description: Set the labels of a Docker Swarm node
version_added: 0.1.0
description:
  - Sets labels of a node of the Swarm, which placement constraints of services can refer to as C(node.labels.KEY).
  - Runs on any manager. Every write carries the version that was read; when somebody else wrote the node in the
    meantime, the module reads and decides again.
  - Mind that services whose constraints no longer match after a label changed lose their tasks on that node.
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
    description:
      - The node, by hostname or id.
      - If several entries have one hostname, the only one that is not down is meant.
    type: str
    required: true
    aliases: [hostname, name]
  labels:
    description: The labels to set. Numbers and booleans become text, V(true) and V(false) in lower case.
    type: dict
    default: {}
  remove:
    description: Labels to remove. One that is not there is no error.
    type: list
    elements: str
    default: []
  state:
    description:
      - With V(merge) other labels stay as they are.
      - With V(exact) the node has the given labels and no others afterwards, but for those that begin with
        C(swarmherd.), which moves, cordons and anchors rest upon. Name them in O(remove) where they are to go.
    type: str
    choices: [merge, exact]
    default: merge
  expected_version:
    description:
      - The version index of the node that the change was decided on.
      - When the node has another version, nothing is changed and the module fails with RV(ignore:conflict=true) and
        RV(ignore:found), a dictionary with the C(labels) and C(version) that were found.
    type: int
seealso:
  - module: swarmherd.cluster.service
    description: Takes placement constraints that refer to labels.
  - module: swarmherd.cluster.cluster_info
    description: Reads the labels of all nodes.
  - name: community.docker.docker_node
    description: The module of community.docker.
    link: https://docs.ansible.com/ansible/latest/collections/community/docker/docker_node_module.html
"""

EXAMPLES = r"""
- name: Say what is in a node
  swarmherd.cluster.node_labels:
    node: worker1
    labels:
      disk: ssd
      rack: 7

- name: From a play over all hosts, through the first manager
  swarmherd.cluster.node_labels:
    node: "{{ inventory_hostname }}"
    labels: "{{ swarm_labels }}"
    state: exact
  delegate_to: "{{ groups['managers'][0] }}"

- name: Take a label away
  swarmherd.cluster.node_labels:
    node: worker1
    remove: [rack]
"""

RETURN = r"""
node:
  description: The node that was meant.
  returned: success
  type: dict
  sample: {hostname: worker1, id: wcymqrgucjk70k7wrr8pbwrnc}
labels:
  description: All labels of the node before and after.
  returned: success
  type: dict
  sample: {before: {disk: hdd}, after: {disk: ssd, rack: "7"}}
version:
  description: The version index of the node after the change, or as it was found where nothing changed.
  returned: success
  type: int
  sample: 212
"""

from typing import Any, Mapping

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.swarmherd.cluster.plugins.module_utils import _nodes
from ansible_collections.swarmherd.cluster.plugins.module_utils._client import Document, Swarm, connection_options
from ansible_collections.swarmherd.cluster.plugins.module_utils._conflicts import retried
from ansible_collections.swarmherd.cluster.plugins.module_utils._errors import SwarmError
from ansible_collections.swarmherd.cluster.plugins.module_utils._runner import run
from ansible_collections.swarmherd.cluster.plugins.module_utils._values import label_text

OURS = "swarmherd."
"""How labels begin that stand for something else: a pause, a cordon, an anchor."""


def label(swarm: Swarm, params: Mapping[str, Any], check: bool) -> dict[str, Any]:
    return retried(lambda: write_labels(swarm, params, check), params["expected_version"])


def write_labels(swarm: Swarm, params: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """Read, decide and write once."""
    node = _nodes.find(swarm.nodes(), params["node"])
    before = dict(node["Spec"].get("Labels") or {})
    refuse_unexpected(node, params["expected_version"], before)
    wanted = {str(key): label_text(value, f"labels.{key}") for key, value in params["labels"].items()}
    after = _nodes.labels_after(before, wanted, params["remove"], exact=params["state"] == "exact")
    after = {
        **{key: value for key, value in before.items() if key.startswith(OURS) and key not in params["remove"]},
        **after,
    }
    version = node["Version"]["Index"]
    if after != before and not check:
        swarm.update_node(node, {**node["Spec"], "Labels": after})
        version = _nodes.find(swarm.nodes(), node["ID"])["Version"]["Index"]
    return {
        "changed": after != before,
        "node": {"id": node["ID"], "hostname": _nodes.hostname(node)},
        "labels": {"before": before, "after": after},
        "version": version,
        "diff": {"before": {"labels": before}, "after": {"labels": after}},
    }


def refuse_unexpected(node: Document, expected_version: Any, labels: Mapping[str, str]) -> None:
    found = node["Version"]["Index"]
    if expected_version is None or expected_version == found:
        return
    raise SwarmError(
        f"conflict: {_nodes.hostname(node)} was changed by somebody else: version {expected_version} was expected"
        f" and {found} found; nothing was changed",
        conflict=True,
        found={"labels": dict(labels), "version": found},
    )


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "node": {"type": "str", "required": True, "aliases": ["hostname", "name"]},
            "labels": {"type": "dict", "default": {}},
            "remove": {"type": "list", "elements": "str", "default": []},
            "state": {"type": "str", "choices": ["merge", "exact"], "default": "merge"},
            "expected_version": {"type": "int"},
            **connection_options(),
        },
        supports_check_mode=True,
    )
    run(module, label)


if __name__ == "__main__":
    main()
