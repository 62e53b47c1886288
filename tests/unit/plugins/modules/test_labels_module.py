# SPDX-License-Identifier: GPL-3.0-or-later
"""node_labels where labels stand for more than themselves."""

from __future__ import annotations

from ansible_collections.swarmherd.cluster.plugins.modules import node_labels

MARK = {"swarmherd.paused": "shop.4102444800", "swarmherd.anchor.db": "yes"}


def test_exact_keeps_what_moves_and_anchors_rest_upon_unless_it_is_named(run_module, engine, make_node):
    engine.nodes.append(make_node("n1", availability="pause", labels={"disk": "hdd", **MARK}))
    wanted = {"node": "n1", "labels": {"rack": 7}, "state": "exact"}
    assert run_module(node_labels.main, **wanted)["labels"]["after"] == {"rack": "7", **MARK}
    assert not run_module(node_labels.main, **wanted)["changed"]
    named = {**wanted, "labels": {"swarmherd.anchor.db": "no"}, "remove": ["swarmherd.paused"]}
    assert run_module(node_labels.main, **named)["labels"]["after"] == {"swarmherd.anchor.db": "no"}
