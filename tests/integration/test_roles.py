# SPDX-License-Identifier: GPL-3.0-or-later
"""Each role by its Molecule scenario: converge, idempotence, verify, on the lab's spare hosts."""

from __future__ import annotations

import pytest

from . import lab as on

# `make test` converges all roles but the last, again and in check mode, by provisioning: test_provision.
pytestmark = [pytest.mark.usefixtures("lab"), pytest.mark.slow]

# In this order: the later ones find an engine on the spare hosts.
ROLES = ["docker_engine", "node_exporter", "container_exporter", "prometheus", "load_balancer", "controller"]


@pytest.mark.parametrize("role", ROLES)
def test_role_converges_changes_nothing_again_and_does_its_work(role: str) -> None:
    # What Molecule remembers of a scenario goes with the lab: a fresh host has not been prepared.
    memory = on.ROOT / "build" / "lab" / "molecule" / role
    command = ["molecule", "test", "--scenario-name", role, "--destroy", "never"]
    on.run(*command, timeout=400, MOLECULE_EPHEMERAL_DIRECTORY=str(memory))
