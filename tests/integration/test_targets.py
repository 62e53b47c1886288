# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules' integration targets, in ansible-test's layout, on the lab's Swarm over SSH.

Every module of the collection that changes something is run a second time (plugins/callback/second_run.py), and a
change in that run fails the target.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from . import lab as on

pytestmark = pytest.mark.usefixtures("lab", "engines_on_spares")

TARGETS = Path(__file__).parent / "targets"
NAMES = sorted(path.name for path in TARGETS.iterdir() if (path / "tasks").is_dir())
LONG = {"node_availability", "placement", "service_move", "service_rollback", "stack"}
"""Left to --all: half a minute and more each, and what they do is seen in other tests of the quick run as well."""
PLAY = """
- name: Run the target {name}
  hosts: managers[0]
  gather_facts: false
  tasks:
    - name: Run it
      ansible.builtin.import_role:
        name: {name}
"""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in LONG else name for name in NAMES]
)
def test_target(name: str, tmp_path: Path) -> None:
    play = tmp_path / f"{name}.yml"
    play.write_text(PLAY.format(name=name))
    on.playbook(str(play), timeout=400, ANSIBLE_ROLES_PATH=str(TARGETS), **on.SECOND_RUN)
