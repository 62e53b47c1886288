# SPDX-License-Identifier: GPL-3.0-or-later
"""What no longer follows an anchor is let go: it loses its constraint, and the label goes when nobody needs it.

Only what is ours is undone (S4, S19): a service that was seen bound while the policy said that it follows, which is
remembered. What a person bound by hand stays bound. The constraint goes first, which restarts nothing and leaves the
service more nodes than before; then, where no other service is bound to it, the label, which evicts nobody.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from swarmherd.decide.backoff import waiting
from swarmherd.decide.scene import FOLLOWING, Scene
from swarmherd.model import AnchorMemory, ClusterView, Following, Memory, Service
from swarmherd.policy import anchor_constraint, anchor_label


def constrained(service: Service, anchor: str) -> bool:
    wanted = anchor_constraint(anchor).casefold()
    return any("".join(text.split()).casefold() == wanted for text in service.constraints)


def labelled_with(view: ClusterView, anchor: str) -> tuple[str, ...]:
    """The ids of the nodes that carry the anchor's label, in order of their names."""
    label = anchor_label(anchor)
    found = [node for node in view.nodes if node.labels.get(label, "").casefold() == "yes"]
    return tuple(node.id for node in sorted(found, key=lambda node: (node.hostname, node.id)))


def release(scene: Scene, here: Following) -> Following | None:
    """What is to be undone of this anchor's bonds, or why it waits; None where there is nothing."""
    past = scene.memory.anchors.get(here.anchor)
    if past is None:
        return None
    bound = {service.name: service for service in _bound(scene.view, here.anchor)}
    freed = {name: bound[name].version for name in past.bound if name in bound and name not in here.dependents}
    needed = here.dependents or bound.keys() - freed.keys()
    unlabelled = () if needed else here.labelled
    if not freed and not unlabelled:
        return None
    what = _said(scene, here.anchor, tuple(freed), unlabelled)
    if why := _objection(scene, here.anchor, [bound[name] for name in freed]):
        return replace(here, reasons=(f"do not {what} yet, because {why}",))
    return replace(here, release=True, freed=freed, unlabelled=unlabelled, reasons=(what,))


def remember_anchors(memory: Memory, view: ClusterView, following: Iterable[Following]) -> Memory:
    """The memory after a look at who is bound to whom. It ends with the last bond and the last label."""
    found = ((one.anchor, _seen(memory.anchors.get(one.anchor), view, one)) for one in following)
    return replace(memory, anchors={anchor: seen for anchor, seen in found if seen is not None})


def _seen(past: AnchorMemory | None, view: ClusterView, here: Following) -> AnchorMemory | None:
    ours = {*here.dependents, *(past.bound if past else ())}
    bound = tuple(sorted(service.name for service in _bound(view, here.anchor) if service.name in ours))
    kept = bound or (here.labelled and (past is not None or here.dependents))
    return AnchorMemory(bound) if kept else None


def _bound(view: ClusterView, anchor: str) -> list[Service]:
    return [service for service in view.services if constrained(service, anchor)]


def _said(scene: Scene, anchor: str, freed: tuple[str, ...], unlabelled: tuple[str, ...]) -> str:
    words = [f"let {', '.join(freed)} go from {anchor}"] if freed else []
    words += [f"take the label of {anchor} off {scene.hostnames(unlabelled)}"] if unlabelled else []
    why = f"the policy says no longer that {'they follow' if len(freed) > 1 else 'it follows'}" if freed else ""
    return f"{' and '.join(words)}, because {why or f'nobody is bound to {anchor} any more'}"


def _objection(scene: Scene, anchor: str, freed: list[Service]) -> str | None:
    if not scene.policy.enabled:
        return "the policy is switched off (swarmherd_policy.enabled)"
    for service in freed:
        if service.name in scene.wishes.problems:
            return f"what the labels of {service.name} want cannot be read"
        if why := scene.objection(service, FOLLOWING):
            return f"{service.name} is left alone: {why}"
    return waiting(scene.memory.of(anchor), scene.policy, scene.now)
