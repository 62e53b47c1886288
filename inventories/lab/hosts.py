#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The lab's hosts: as many as the lab was made with, by a rule and not by a list.
#
# NODES (3), MANAGERS (1) and SPARES (0, hosts outside the Swarm) say how many when the lab is created; it notes
# them in build/lab/size.json, so that every later command sees the same hosts. LAB_SUBNET moves the lab elsewhere.
#
# A collection's scripts may name /bin/sh or `python` in their first line, and not every host has the latter: the
# shell reads the next line as a command, Python as a string.
"exec" "python3" "$0" "$@"  # fmt: skip

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

LAB = Path(__file__).resolve().parents[2] / "build" / "lab"
SIZE = LAB / "size.json"
DEFAULTS = {"NODES": 3, "MANAGERS": 1, "SPARES": 0}
FIRST_ADDRESS = {"manager": 11, "worker": 21, "spare": 41}


def size() -> dict[str, int]:
    """The counts by name, from the environment, else from the lab that stands, else the defaults."""
    noted = json.loads(SIZE.read_text()) if SIZE.exists() else {}
    try:
        counts = {name: int(os.environ.get(name, noted.get(name, default))) for name, default in DEFAULTS.items()}
    except ValueError as error:
        sys.exit(f"NODES, MANAGERS and SPARES must be whole numbers: {error}")
    if not 1 <= counts["MANAGERS"] <= counts["NODES"] <= 20 or not 0 <= counts["SPARES"] <= 10:
        sys.exit("The lab takes 1 to 20 NODES, at least 1 and at most NODES MANAGERS, and 0 to 10 SPARES.")
    return counts


def inventory(counts: dict[str, int], subnet: str) -> dict[str, object]:
    """Ansible's inventory document: groups of hosts, and each host's address."""
    numbers = {
        "manager": counts["MANAGERS"],
        "worker": counts["NODES"] - counts["MANAGERS"],
        "spare": counts["SPARES"],
    }
    groups = {f"{role}s": [f"{role}{n}" for n in range(1, count + 1)] for role, count in numbers.items()}
    hostvars = {
        f"{role}{n}": {"ansible_host": f"{subnet}.{FIRST_ADDRESS[role] + n - 1}"}
        for role, count in numbers.items()
        for n in range(1, count + 1)
    }
    return {
        "_meta": {"hostvars": hostvars},
        "all": {"vars": {"lab_dir": str(LAB), "lab_size": counts, "lab_subnet": subnet}},
        "swarm": {"children": ["managers", "workers"]},
        **{group: {"hosts": hosts} for group, hosts in groups.items()},
    }


if __name__ == "__main__":
    print(json.dumps(inventory(size(), os.environ.get("LAB_SUBNET", "10.213.0")), indent=2))
