# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts our own looks find silent: one of the two witnesses that a failure needs (S9)."""

from __future__ import annotations

from swarmherd.model import ClusterView
from swarmherd.policy import Policy


def silent_nodes(view: ClusterView, policy: Policy) -> frozenset[str]:
    """Ids of the nodes on whose hosts nothing answers. A node that was not looked at is not among them."""
    known = {node.id for node in view.nodes}
    return frozenset(name for name, probe in view.probes.items() if name in known and policy.probe.silent(probe))


def cut_off(view: ClusterView, policy: Policy) -> bool:
    """Whether every host that is looked at is silent: then it is likely we who are cut off (S8)."""
    looked_at = {node.id for node in view.nodes} & set(view.probes)
    return bool(looked_at) and looked_at == silent_nodes(view, policy)
