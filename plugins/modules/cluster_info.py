#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_info
short_description: Read the nodes, services and tasks of a Docker Swarm
version_added: 0.1.0
description:
  - Reads what the managers of a Swarm know, and changes nothing. Runs on any manager.
  - Values of environment variables are never part of the result.
author:
  - Swarmherd contributors (@swarmherd)
extends_documentation_fragment:
  - swarmherd.cluster.docker
  - swarmherd.cluster.attributes
  - swarmherd.cluster.attributes.info
options:
  nodes:
    description: Whether to list the nodes.
    type: bool
    default: true
  node_filters:
    description: Only these nodes, with Docker's own filters, as C(role) or C(name).
    type: dict
    default: {}
  services:
    description: Whether to list the services.
    type: bool
    default: true
  service_filters:
    description: Only these services, with Docker's own filters, as C(name) or C(label).
    type: dict
    default: {}
  tasks:
    description: Whether to list the tasks. The running tasks of each service are counted in any case.
    type: bool
    default: false
  task_filters:
    description: Only these tasks, with Docker's own filters, as C(service), C(node) or C(desired-state).
    type: dict
    default: {}
  join_tokens:
    description:
      - Whether to read the tokens that let other hosts join.
      - They are secrets. Set C(no_log=true) on the task.
    type: bool
    default: false
seealso:
  - module: swarmherd.cluster.service_scale
  - module: swarmherd.cluster.node_bootstrap
    description: Takes the join tokens.
  - plugin: swarmherd.cluster.swarm
    plugin_type: inventory
    description: Makes hosts of the nodes.
"""

EXAMPLES = r"""
- name: Look at the cluster
  swarmherd.cluster.cluster_info:
  register: cluster

- name: Say what does not run as it should
  ansible.builtin.debug:
    msg: "{{ item.name }} has {{ item.running }} of {{ item.replicas }} replicas"
  loop: "{{ cluster.services | selectattr('mode', 'eq', 'replicated') }}"
  loop_control:
    label: "{{ item.name }}"
  when: item.running < item.replicas

- name: Read the running tasks of one service
  swarmherd.cluster.cluster_info:
    nodes: false
    services: false
    tasks: true
    task_filters:
      service: shop_web
      desired-state: running

- name: Read the join tokens
  swarmherd.cluster.cluster_info:
    nodes: false
    services: false
    join_tokens: true
  no_log: true
  register: swarm
"""

RETURN = r"""
swarm:
  description: The Swarm itself.
  returned: success
  type: dict
  sample: {created_at: "2026-01-10T08:00:00Z", dispatcher_heartbeat_seconds: 5.0, id: u3r0, version: 10}
nodes:
  description: The nodes.
  returned: with O(nodes=true)
  type: list
  elements: dict
  sample:
    - address: 10.0.0.21
      availability: active
      cpus: 2.0
      engine_labels: {}
      engine_version: 20.10.24
      hostname: worker1
      id: txza4smsu8j9co8c42rr4idog
      labels: {disk: ssd}
      leader: false
      memory_bytes: 4109926400
      reachability: ""
      role: worker
      state: ready
      version: 27
services:
  description: The services. C(replicas) is null for those that have no count.
  returned: with O(services=true)
  type: list
  elements: dict
  sample:
    - constraints: []
      created_at: "2026-01-10T08:00:00Z"
      endpoint_mode: dnsrr
      id: dxhptlrwt1kvymbckn4xmi7vt
      image: registry.example.com/shop:1.4
      labels: {swarmherd.scale.max: "10"}
      limits: {cpus: 0.5, memory_bytes: 268435456}
      mode: replicated
      name: shop_web
      networks: [shop]
      ports: []
      replicas: 3
      reservations: {cpus: null, memory_bytes: null}
      running: 3
      update_state: none
      updated_at: "2026-01-10T08:00:00Z"
      version: 1302
tasks:
  description: The tasks, whatever their state.
  returned: with O(tasks=true)
  type: list
  elements: dict
  sample:
    - created_at: "2026-01-10T08:00:00Z"
      desired_state: running
      error: ""
      id: k3xqkzs0cl0bsnf0nz2nj4ve6
      node: worker1
      node_id: txza4smsu8j9co8c42rr4idog
      service: shop_web
      slot: 1
      state: running
      state_at: "2026-01-10T08:00:02Z"
join_tokens:
  description: The tokens that let other hosts join, by role. Secrets.
  returned: with O(join_tokens=true)
  type: dict
  sample: {manager: SWMTKN-1-…, worker: SWMTKN-1-…}
"""

from typing import Any, Mapping, Sequence

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.swarmherd.cluster.plugins.module_utils import _nodes, _tasks
from ansible_collections.swarmherd.cluster.plugins.module_utils._client import Document, Swarm, connection_options
from ansible_collections.swarmherd.cluster.plugins.module_utils._runner import run
from ansible_collections.swarmherd.cluster.plugins.module_utils._service_spec import value_at

_TASK = ("Spec", "TaskTemplate")


def read(swarm: Swarm, params: Mapping[str, Any], _check: bool) -> dict[str, Any]:
    found = swarm.swarm()
    result: dict[str, Any] = {"changed": False, "swarm": told_swarm(found)}
    nodes = swarm.nodes()
    if params["nodes"]:
        chosen = swarm.nodes(params["node_filters"]) if params["node_filters"] else nodes
        result["nodes"] = sorted(
            (_nodes.told(node) for node in chosen), key=lambda node: (node["hostname"], node["id"])
        )
    if params["services"]:
        result["services"] = read_services(swarm, params["service_filters"], nodes)
    if params["tasks"]:
        result["tasks"] = read_tasks(swarm, params["task_filters"], nodes)
    if params["join_tokens"]:
        result["join_tokens"] = {"worker": found["JoinTokens"]["Worker"], "manager": found["JoinTokens"]["Manager"]}
    return result


def read_services(swarm: Swarm, filters: Mapping[str, Any], nodes: Sequence[Document]) -> list[dict[str, Any]]:
    tasks = swarm.tasks({"desired-state": "running"})
    networks = {network["Id"]: network["Name"] for network in swarm.networks()}
    services = sorted(swarm.services(dict(filters) or None), key=lambda service: service["Spec"]["Name"])
    told = []
    for service in services:
        own = [task for task in tasks if task["ServiceID"] == service["ID"]]
        told.append({**told_service(service, networks), "running": _tasks.progress(service, own, nodes).running})
    return told


def read_tasks(swarm: Swarm, filters: Mapping[str, Any], nodes: Sequence[Document]) -> list[dict[str, Any]]:
    hostnames = {node["ID"]: _nodes.hostname(node) for node in nodes}
    services = {service["ID"]: service["Spec"]["Name"] for service in swarm.services()}
    tasks = [told_task(task, services, hostnames) for task in swarm.tasks(dict(filters) or None)]
    return sorted(tasks, key=lambda task: (task["service"], task["slot"], task["created_at"], task["id"]))


def told_swarm(swarm: Document) -> dict[str, Any]:
    heartbeat = value_at(swarm, ("Spec", "Dispatcher", "HeartbeatPeriod")) or 0
    return {
        "id": swarm["ID"],
        "created_at": swarm["CreatedAt"],
        "version": swarm["Version"]["Index"],
        "dispatcher_heartbeat_seconds": heartbeat / 1e9,
    }


def told_service(service: Document, networks: Mapping[str, str]) -> dict[str, Any]:
    spec = service["Spec"]
    attached = value_at(service, (*_TASK, "Networks")) or spec.get("Networks") or []
    return {
        "id": service["ID"],
        "name": spec["Name"],
        "version": service["Version"]["Index"],
        "mode": _tasks.mode_name(service),
        "replicas": _tasks.replicas(service),
        "image": value_at(service, (*_TASK, "ContainerSpec", "Image")) or "",
        "labels": dict(spec.get("Labels") or {}),
        "constraints": value_at(service, (*_TASK, "Placement", "Constraints")) or [],
        "limits": told_resources(service, "Limits"),
        "reservations": told_resources(service, "Reservations"),
        "networks": [networks.get(network["Target"], network["Target"]) for network in attached],
        "endpoint_mode": value_at(service, ("Spec", "EndpointSpec", "Mode")) or "vip",
        "ports": [told_port(port) for port in value_at(service, ("Endpoint", "Ports")) or []],
        "update_state": value_at(service, ("UpdateStatus", "State")) or "none",
        "created_at": service["CreatedAt"],
        "updated_at": service["UpdatedAt"],
    }


def told_resources(service: Document, kind: str) -> dict[str, Any]:
    found = value_at(service, (*_TASK, "Resources", kind)) or {}
    cpus = found.get("NanoCPUs")
    return {"cpus": cpus / 1e9 if cpus else None, "memory_bytes": found.get("MemoryBytes") or None}


def told_port(port: Document) -> dict[str, Any]:
    return {
        "target_port": port.get("TargetPort"),
        "published_port": port.get("PublishedPort"),
        "protocol": port.get("Protocol", "tcp"),
        "mode": port.get("PublishMode", "ingress"),
    }


def told_task(task: Document, services: Mapping[str, str], hostnames: Mapping[str, str]) -> dict[str, Any]:
    status = task["Status"]
    service_id, node_id = task.get("ServiceID", ""), task.get("NodeID", "")
    return {
        "id": task["ID"],
        "service": services.get(service_id, service_id),
        "slot": task.get("Slot", 0),
        "node": hostnames.get(node_id, node_id),
        "node_id": node_id,
        "state": status["State"],
        "desired_state": task["DesiredState"],
        "error": status.get("Err", ""),
        "created_at": task["CreatedAt"],
        "state_at": status.get("Timestamp", ""),
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "nodes": {"type": "bool", "default": True},
            "node_filters": {"type": "dict", "default": {}},
            "services": {"type": "bool", "default": True},
            "service_filters": {"type": "dict", "default": {}},
            "tasks": {"type": "bool", "default": False},
            "task_filters": {"type": "dict", "default": {}},
            "join_tokens": {"type": "bool", "default": False},
            **connection_options(),
        },
        supports_check_mode=True,
    )
    run(module, read)


if __name__ == "__main__":
    main()
