#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The lab's hosts: as many as the lab was made with, by a rule and not by a list.
#
# NODES (3), MANAGERS (1) and SPARES (0, hosts outside the Swarm) say how many, and LAB_RELEASE (bookworm) of which
# Debian release, when the lab is created; it notes them in build/lab/size.json, so that every later command sees the
# same hosts. LAB_RELEASE may name several, as bookworm,trixie: the nodes are of the first, and the spares take turns.
# LAB_SUBNET and LAB_DIR move the lab elsewhere. LAB_MADE_BY, which `make demo` sets, is noted as well.
#
# A collection's scripts may name /bin/sh or `python` in their first line, and not every host has the latter: the
# shell reads the next line as a command, Python as a string.
"exec" "python3" "$0" "$@"  # fmt: skip

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

LAB = Path(os.environ.get("LAB_DIR") or Path(__file__).resolve().parents[2] / "build" / "lab")
SIZE = LAB / "size.json"
DEFAULTS = {"NODES": 3, "MANAGERS": 1, "SPARES": 0}
RELEASES = ("bookworm", "trixie", "forky")  # what molecule/default/vars/lab.yml can make hosts of
FIRST_ADDRESS = {"manager": 11, "worker": 21, "spare": 41}


def noted() -> dict[str, int | str]:
    """What the lab that stands was made with; nothing when none stands."""
    try:
        return json.loads(SIZE.read_text())
    except FileNotFoundError:
        return {}
    except PermissionError:
        sys.exit(f"{LAB} is another user's: run this as they did, or name another folder with LAB_DIR.")


def size(noted: dict[str, int | str]) -> dict[str, int]:
    """The counts by name, from the environment, else from the lab that stands, else the defaults."""
    try:
        counts = {name: int(os.environ.get(name, noted.get(name, default))) for name, default in DEFAULTS.items()}
    except ValueError as error:
        sys.exit(f"NODES, MANAGERS and SPARES must be whole numbers: {error}")
    if not 1 <= counts["MANAGERS"] <= counts["NODES"] <= 20 or not 0 <= counts["SPARES"] <= 10:
        sys.exit("The lab takes 1 to 20 NODES, at least 1 and at most NODES MANAGERS, and 0 to 10 SPARES.")
    return counts


def releases(noted: dict[str, int | str]) -> list[str]:
    """The hosts' Debian releases, likewise."""
    names = str(os.environ.get("LAB_RELEASE") or noted.get("LAB_RELEASE", RELEASES[0])).split(",")
    if unknown := [name for name in names if name not in RELEASES]:
        sys.exit(
            f"LAB_RELEASE: the lab has no hosts of {', '.join(map(repr, unknown))}, only of {', '.join(RELEASES)}."
        )
    return names


def inventory(counts: dict[str, int], releases: list[str], made_by: str, subnet: str) -> dict[str, object]:
    """Ansible's inventory document: groups of hosts, and each host's address."""
    numbers = {
        "manager": counts["MANAGERS"],
        "worker": counts["NODES"] - counts["MANAGERS"],
        "spare": counts["SPARES"],
    }
    groups = {f"{role}s": [f"{role}{n}" for n in range(1, count + 1)] for role, count in numbers.items()}
    hostvars = {
        f"{role}{n}": {
            "ansible_host": f"{subnet}.{FIRST_ADDRESS[role] + n - 1}",
            "lab_release": releases[(n - 1) % len(releases)] if role == "spare" else releases[0],
        }
        for role, count in numbers.items()
        for n in range(1, count + 1)
    }
    lab_size = {**counts, "LAB_RELEASE": ",".join(releases), "LAB_MADE_BY": made_by}
    return {
        "_meta": {"hostvars": hostvars},
        "all": {"vars": {"lab_dir": str(LAB), "lab_size": lab_size, "lab_subnet": subnet}},
        "swarm": {"children": ["managers", "workers"]},
        **{group: {"hosts": hosts} for group, hosts in groups.items()},
    }


if __name__ == "__main__":
    before = noted()
    made_by = os.environ.get("LAB_MADE_BY") or str(before.get("LAB_MADE_BY", ""))
    hosts = inventory(size(before), releases(before), made_by, os.environ.get("LAB_SUBNET", "10.213.0"))
    print(json.dumps(hosts, indent=2))
