# SPDX-License-Identifier: GPL-3.0-or-later
"""What the attributes of our modules mean."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in check mode and tells what would change without changing it.
  diff_mode:
    description: Tells what changes, or would change in check mode, when run in diff mode.
  idempotent:
    description: Run a second time with the same options, nothing having changed in between, it changes nothing.
  action_group:
    description: One C(module_defaults) entry for C(group/swarmherd.cluster.swarm) sets options for all modules of this
      collection, those of the connection above all.
    support: full
    membership:
      - swarmherd.cluster.swarm
"""

    # For modules that only read; goes with the fragment above.
    INFO = r"""
options: {}
attributes:
  check_mode:
    support: full
    details: This module changes nothing.
  diff_mode:
    support: N/A
    details: This module changes nothing.
  idempotent:
    support: full
    details: This module changes nothing.
"""
