# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether what is waited for can still come. Pure."""

from __future__ import annotations

from swarmherd.enact.goals.goal import called
from swarmherd.model import Action, ClusterView, NodeState

MAY_BE_IN_VAIN = frozenset({"relabel"})
"""The kinds of actions of which that can be said."""


def in_vain(action: Action, view: ClusterView) -> str:
    """Why there is no use in waiting for `action` any more, since the node where it is to land went down; "" else.

    Nothing else is done while an action is waited for, and what took that node down may ask for more than this one.
    Only the last step of a relabel is nothing but waiting. A move clears up after itself on its manager, where its
    module would go on beside the next move: it is left its own time.
    """
    if action.kind not in MAY_BE_IN_VAIN:
        return ""
    node_id = str(action.parameters["swarmherd_node"])
    node = view.node(node_id)
    if node is not None and node.state is not NodeState.DOWN:
        return ""
    return f"{called(view, node_id)} went down"
