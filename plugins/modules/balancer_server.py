#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: balancer_server
short_description: Drain servers of an HAProxy backend, and let them serve again
version_added: 0.1.0
description:
  - Sets the state and the weight of servers through HAProxy's runtime socket, on the host where HAProxy runs.
  - Draining waits until the servers have no session any more, or until O(wait_timeout) has passed.
  - A reload forgets what is set here unless HAProxy reads it back from a file. Where there is an O(state_file), it is
    written with every change. The role P(swarmherd.cluster.load_balancer#role) has one, and writes it before a reload.
author:
  - Swarmherd contributors (@swarmherd)
attributes:
  check_mode:
    description: Can run in check mode and tells what would change without changing it.
    support: full
  diff_mode:
    description: Tells what changes, or would change in check mode, when run in diff mode.
    support: full
  idempotent:
    description: Run a second time with the same options, nothing having changed in between, it changes nothing.
    support: full
options:
  backend:
    description: The backend. The role P(swarmherd.cluster.load_balancer#role) calls it like the service.
      Not needed only to write O(state_file).
    type: str
  servers:
    description: The servers by name.
    type: list
    elements: str
    default: []
  addresses:
    description: The servers by the address that they have at this moment. One that no server has is no error.
    type: list
    elements: str
    default: []
  drained:
    description: Also every server that is drained now, whoever drained it; to tidy up after a run that was killed.
    type: bool
    default: false
  gone:
    description:
      - With O(state=ready), wait first until the servers have none of these addresses any more, because their tasks
        have stopped, so that none is sent to in its last moment. What still has one when O(wait_timeout) has passed
        serves again.
    type: list
    elements: str
    default: []
  state:
    description:
      - V(drain) gives a server no new sessions, V(maint) also stops checking it, V(ready) lets it serve again.
      - HAProxy keeps it with the server, whatever address DNS gives that next, so set it V(ready) when all is over.
    type: str
    choices: [ready, drain, maint]
  weight:
    description: The weight, from 0 to 256.
    type: int
  wait:
    description: With O(state=drain), wait until the servers have no session any more.
    type: bool
    default: true
  wait_timeout:
    description: Seconds to wait at most. Sessions that are left then are told in RV(sessions), and are no error.
    type: int
    default: 30
  state_file:
    description:
      - The file from which HAProxy reads the state of its servers when it is reloaded (C(server-state-file)). It counts
        as no change.
      - Without this option C(servers.state) beside the socket is written, where that is there already.
    type: path
  socket:
    description: The runtime socket, with the level C(admin). Usually only C(root) may use it.
    type: path
    default: /run/swarmherd/haproxy/admin.sock
requirements:
  - HAProxy 2.2 or newer
seealso:
  - name: community.general.haproxy
    description: Knows servers by their names alone.
    link: https://docs.ansible.com/ansible/latest/collections/community/general/haproxy_module.html
"""

EXAMPLES = r"""
- name: Send nothing more to a task
  swarmherd.cluster.balancer_server:
    backend: shop_web
    addresses: [10.0.1.5]
    state: drain
    wait_timeout: 20
  register: drained

- name: Let its slot serve again, once its task has stopped
  swarmherd.cluster.balancer_server:
    backend: shop_web
    servers: "{{ drained.servers | map(attribute='name') }}"
    state: ready
    gone: [10.0.1.5]

- name: Keep what was set before HAProxy is reloaded
  swarmherd.cluster.balancer_server:
    state_file: /run/swarmherd/haproxy/servers.state
"""

RETURN = r"""
backend:
  description: The backend.
  returned: success, where one was given
  type: str
  sample: shop_web
servers:
  description: The servers that were meant, as they were found. Where it failed halfway, those that were told already.
  returned: success, where a backend was given, and on failure after an order
  type: list
  elements: dict
  sample: [{name: shop_web-1, address: 10.0.1.5, state: ready, weight: 1}]
sessions:
  description: Sessions that are left, all servers together.
  returned: success, where a backend was given
  type: int
  sample: 0
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Mapping, Sequence

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.swarmherd.cluster.plugins.module_utils import _haproxy
from ansible_collections.swarmherd.cluster.plugins.module_utils._errors import SwarmError, TimedOutError
from ansible_collections.swarmherd.cluster.plugins.module_utils._waiter import wait_for


def set_servers(params: Mapping[str, Any], check: bool) -> dict[str, Any]:
    path, backend = params["socket"], _haproxy.safe(params["backend"], "backend")
    found = _haproxy.servers(_haproxy.ask(path, f"show servers state {backend}"), backend)
    meant = _haproxy.chosen(found, params["servers"], params["addresses"], backend, params["drained"])
    if params["state"] == "ready" and not check:
        wait_until_gone(path, backend, meant, params)
    orders = [(server, order) for server in meant for order in orders_for(server, params)]
    ordered: list[_haproxy.Server] = []
    try:
        if not check:
            for server, order in orders:
                ordered = [*(one for one in ordered if one != server), server]
                give(path, f"set server {backend}/{order}")
            save(params, bool(orders))
        sessions = left(path, backend, meant, params, check)
    except SwarmError as error:
        # Whoever drains servers has to undo what was done of it.
        raise SwarmError(str(error), changed=bool(ordered), servers=[told(server) for server in ordered]) from error
    return {
        "changed": bool(orders),
        "backend": backend,
        "servers": [told(server) for server in meant],
        "sessions": sessions,
        "diff": {
            "before": {server.name: setting(server, {}) for server in meant},
            "after": {server.name: setting(server, params) for server in meant},
        },
    }


def wait_until_gone(path: str, backend: str, meant: Sequence[_haproxy.Server], params: Mapping[str, Any]) -> None:
    """Until none of the servers has one of the addresses, or the bound has passed."""
    names, gone = {server.name for server in meant}, set(params["gone"])

    def look() -> set[str]:
        found = _haproxy.servers(_haproxy.ask(path, f"show servers state {backend}"), backend)
        return {server.address for server in found if server.name in names and not server.free} & gone

    if not names or not gone:
        return
    try:
        wait_for(f"{backend} to lose {', '.join(sorted(gone))}", look, lambda left: not left, params["wait_timeout"])
    except TimedOutError:
        return


def save(params: Mapping[str, Any], changed: bool) -> None:
    """What HAProxy says of all its servers, where it reads it back. Raises a SwarmError where that cannot be done."""
    given = params["state_file"]
    file = Path(given) if given else Path(params["socket"]).parent / "servers.state"
    if not given and not (changed and file.is_file()):
        return
    text = _haproxy.ask(params["socket"], "show servers state")
    new = file.with_name(f"{file.name}.{os.getpid()}.new")  # another run may be saving as well
    try:
        new.write_text(f"{text}\n", encoding="utf-8")
        new.replace(file)
    except OSError as error:
        with suppress(OSError):
            new.unlink()
        raise SwarmError(f"state_file: {file} cannot be written: {error.strerror or error}") from error


def orders_for(server: _haproxy.Server, params: Mapping[str, Any]) -> list[str]:
    """What HAProxy has to be told, after `set server BACKEND/`."""
    name, orders = _haproxy.safe(server.name, "servers"), []
    if params["state"] and params["state"] != server.state:
        orders.append(f"{name} state {params['state']}")
    if params["weight"] is not None and params["weight"] != server.weight:
        orders.append(f"{name} weight {params['weight']}")
    return orders


def give(path: str, command: str) -> None:
    """HAProxy says nothing to a command that it has followed."""
    said = _haproxy.ask(path, command)
    if said:
        raise SwarmError(f"the load balancer refused `{command}`: {said}")


def left(path: str, backend: str, meant: Sequence[_haproxy.Server], params: Mapping[str, Any], check: bool) -> int:
    """Sessions of the servers, once drained servers have none or the bound has passed."""
    names = {server.name for server in meant}

    def look() -> int:
        counts = _haproxy.sessions(path, backend)
        if untold := sorted(names - set(counts)):
            raise SwarmError(f"the load balancer does not tell of the sessions of {', '.join(untold)} in {backend}")
        return sum(counts[name] for name in names)

    if check or not names or params["state"] != "drain" or not params["wait"]:
        return look() if names else 0
    try:
        return wait_for(f"{backend} to have no sessions", look, lambda count: count == 0, params["wait_timeout"])
    except TimedOutError as error:
        return error.last


def told(server: _haproxy.Server) -> dict[str, Any]:
    return {"name": server.name, "address": server.address, "state": server.state, "weight": server.weight}


def setting(server: _haproxy.Server, params: Mapping[str, Any]) -> dict[str, Any]:
    weight = params.get("weight")
    return {"state": params.get("state") or server.state, "weight": server.weight if weight is None else weight}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "backend": {"type": "str"},
            "servers": {"type": "list", "elements": "str", "default": []},
            "addresses": {"type": "list", "elements": "str", "default": []},
            "drained": {"type": "bool", "default": False},
            "gone": {"type": "list", "elements": "str", "default": []},
            "state": {"type": "str", "choices": ["ready", "drain", "maint"]},
            "weight": {"type": "int"},
            "wait": {"type": "bool", "default": True},
            "wait_timeout": {"type": "int", "default": 30},
            "state_file": {"type": "path"},
            "socket": {"type": "path", "default": "/run/swarmherd/haproxy/admin.sock"},
        },
        required_one_of=[("state", "weight", "state_file")],
        required_by={"state": "backend", "weight": "backend"},
        supports_check_mode=True,
    )
    weight = module.params["weight"]
    if weight is not None and not 0 <= weight <= 256:
        module.fail_json(msg=f"weight: {weight} is not between 0 and 256")
    try:
        if module.params["backend"]:
            result = set_servers(module.params, module.check_mode)
        else:
            result = {"changed": False}
            if not module.check_mode:
                save(module.params, changed=False)
    except SwarmError as error:
        # Whoever drained servers must know that they may still be.
        module.fail_json(msg=str(error), not_ready=module.params["state"] == "ready", **error.facts)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
