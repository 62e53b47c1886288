# SPDX-License-Identifier: GPL-3.0-or-later
"""The integration targets through `ansible-test integration`, on a lab that stands.

ansible-test's own inventory is one host, `testhost`, and a Swarm has several. So each target has a runme.sh, as
ansible-test lets a target be a script: it runs the target's role with an inventory of its own. That is the lab's, with
everything that its variables need written out, because ansible-test runs in a copy of the collection.
"""

from __future__ import annotations

import subprocess

from tests.certify.ansible_test import ours
from tests.integration import lab

INVENTORY = "tests/integration/cluster.yml"


def prepare() -> None:
    """Engines on the spare hosts too: there a target lets them join and leave."""
    lab.playbook("molecule/docker_engine/converge.yml")


def run(*arguments: str, timeout: float, capture: bool = True) -> subprocess.CompletedProcess[str]:
    """Run the targets, all of them or the named ones. `unsupported` marks those that need a cluster: all do."""
    inventory = lab.run("ansible-inventory", "-i", lab.INVENTORY, "--list", "--yaml", timeout=60).stdout
    return ours().run(
        "integration",
        "--allow-unsupported",
        *arguments,
        timeout=timeout,
        capture=capture,
        also={INVENTORY: inventory},
    )
