# SPDX-License-Identifier: GPL-3.0-or-later
"""An anchor's label has gone to another node, and its dependents run there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from swarmherd.enact.goals.goal import OfCluster, called, complaints, same, some
from swarmherd.model import Availability, ClusterView, Node, NodeState, Outcome, Service, TaskState
from swarmherd.policy import anchor_constraint, anchor_label


def follows(service: Service, anchor: str) -> bool:
    """Whether its constraints hold it to the anchor's label."""
    wanted = anchor_constraint(anchor).casefold()
    return any("".join(text.split()).casefold() == wanted for text in service.constraints)


@dataclass(frozen=True, slots=True)
class Relabel(OfCluster):
    """See `Goal`. `before` is the cluster as it was before it; None where nobody looked."""

    before: ClusterView | None = None

    @property
    def leaves_traces(self) -> bool:
        return True

    @property
    def _anchor(self) -> str:
        return str(self.action.parameters["swarmherd_anchor"])

    @property
    def _node(self) -> str:
        return str(self.action.parameters["swarmherd_node"])

    @property
    def _old(self) -> tuple[str, ...]:
        return tuple(str(node) for node in self.action.parameters.get("swarmherd_old_nodes") or ())

    def landed(self, view: ClusterView) -> bool:
        return not any(self._missing(view))

    def achieved(self, view: ClusterView) -> str:
        names = some(service.name for service in self._dependents(view))
        return f"{self._anchor}'s label is on {called(view, self._node)}" + (
            f", and {names} beside it" if names else ""
        )

    def shortfall(self, view: ClusterView) -> str:
        names = {service.name for service in self._dependents(view)}
        return "; ".join(self._missing(view)) + complaints(task for task in view.tasks if task.service in names)

    def undo(self, view: ClusterView, outcome: Outcome) -> Mapping[str, Any] | None:
        """The old node gets its label back, and then the new one loses it (S4).

        Nothing is set back where the new node has no label yet, and none where the old node is not there and ready:
        dependents cannot run on it, and a label is not taken from the only node that they can run on.
        """
        new, old = view.node(self._node), [n for n in map(view.node, self._old) if n and n.state is NodeState.READY]
        if outcome is Outcome.DONE or new is None or not self._labelled(new) or not old:
            return None
        dependents = [{"name": s.name, "expected_version": s.version} for s in self._dependents(view)]
        return same(
            self.action.parameters,
            {
                "swarmherd_node": old[0].id,
                "swarmherd_old_nodes": [new.id],
                "swarmherd_dependents": dependents,
            },
        )

    def onward(self, view: ClusterView) -> Mapping[str, Any] | None:
        """The same once more, with the versions that are there now: each of its steps is done or still to do.

        Only where the new node has its label, for dependents may be on their way there, and where the anchor for
        certain still runs on it (S4). None as well where somebody else has changed a dependent that is yet to be bound:
        that is decided again (S17).
        """
        new, dependents = view.node(self._node), self._dependents(view)
        if new is None or not self._labelled(new) or not self._is_home(view, new):
            return None
        if any(self._changed(service) and not follows(service, self._anchor) for service in dependents):
            return None
        named = [{"name": service.name, "expected_version": service.version} for service in dependents]
        return same(self.action.parameters, {"swarmherd_dependents": named})

    def _is_home(self, view: ClusterView, new: Node) -> bool:
        """Whether the anchor is seen running on `new`, which takes work, and nowhere else: `decide.follow` asks no
        less before it sets the label."""
        takes_work = new.state is NodeState.READY and new.availability is Availability.ACTIVE
        wanted, up = view.tasks_of(self._anchor), {n.id for n in view.nodes if n.state is NodeState.READY}
        running = [t for t in view.tasks if t.service == self._anchor and t.state is TaskState.RUNNING]
        seen = {task.node_id for task in running if task.node_id in up}
        whole = bool(wanted) and all(task.state is TaskState.RUNNING and task.node_id in up for task in wanted)
        return takes_work and whole and seen == {new.id}

    def cut_short(self, view: ClusterView) -> tuple[Outcome, str]:
        new = view.node(self._node)
        if new is not None and self._labelled(new):
            return Outcome.GIVEN_UP, self.shortfall(view)
        return Outcome.UNDONE, f"nothing of it had happened, {called(view, self._node)} has no label"

    def versions(self, view: ClusterView) -> Mapping[str, int]:
        """Of the dependents that it has bound, and that nobody has changed otherwise meanwhile."""
        before = {service.name: service for service in self._dependents(self.before)} if self.before else {}
        there = [(before[new.name], new) for new in self._dependents(view) if new.name in before]
        return {new.name: new.version for old, new in there if self._has_bound(old, new)}

    def _has_bound(self, old: Service, new: Service) -> bool:
        """Whether it is as it was but for its bond, and for what Swarm itself writes as it follows that."""
        as_before = replace(
            new,
            version=old.version,
            updated_at=old.updated_at,
            constraints=old.constraints,
            update_state=old.update_state,
            update_started_at=old.update_started_at,
            update_message=old.update_message,
            has_previous=old.has_previous,
        )
        return follows(new, self._anchor) and not follows(old, self._anchor) and as_before == old

    def _labelled(self, node: Node) -> bool:
        return node.labels.get(anchor_label(self._anchor), "").casefold() == "yes"

    def _changed(self, service: Service) -> bool:
        """Whether it is at another version than the one that was decided on."""
        named = self.action.parameters.get("swarmherd_dependents") or ()
        expected = {str(one["name"]): one.get("expected_version") for one in named}.get(service.name)
        return expected is not None and expected != service.version

    def _dependents(self, view: ClusterView) -> tuple[Service, ...]:
        """Those that are still there."""
        named = {str(one["name"]) for one in self.action.parameters.get("swarmherd_dependents") or ()}
        return tuple(service for service in view.services if service.name in named)

    def _missing(self, view: ClusterView) -> Iterator[str]:
        new = view.node(self._node)
        if new is None:
            yield f"{self._node} is no longer in the Swarm"
        elif not self._labelled(new):
            yield f"{new.hostname} has no label {anchor_label(self._anchor)}"
        for old in map(view.node, self._old):
            if old is not None and self._labelled(old):
                yield f"{old.hostname} still has the label {anchor_label(self._anchor)}"
        for service in self._dependents(view):
            if not follows(service, self._anchor):
                yield f"{service.name} lacks the constraint"
            beside = sum(task.node_id == self._node for task in view.running(service.name))
            if service.replicas is not None and beside != service.replicas:
                yield f"{beside} of {service.replicas} replicas of {service.name} run on {called(view, self._node)}"
