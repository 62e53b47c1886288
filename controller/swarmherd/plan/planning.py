# SPDX-License-Identifier: GPL-3.0-or-later
"""From decisions to actions: what may be done in this cycle, and in which order.

Guards shrink or veto, and each that does appends its sentence to the reasons of what was decided. The mode is not
looked at: whether actions are run or only recorded is the enactor's matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from swarmherd.decide.backoff import backing_off
from swarmherd.decide.words import count
from swarmherd.model import (
    Arrangement,
    Balance,
    ClusterView,
    Decision,
    Direction,
    Following,
    Memory,
    Move,
    Pause,
    Plan,
    Service,
)
from swarmherd.plan.actions import moving, relabelling, releasing, scaling
from swarmherd.plan.claims import Claims, touched_by_following, touched_by_move
from swarmherd.policy import Policy, RebalanceKeys

_ORDER = {Direction.UP: 0, Direction.DOWN: 1, Direction.NONE: 2}
"""The safe way first: more replicas, then fewer."""


def plan(
    decisions: Iterable[Decision],
    view: ClusterView,
    policy: Policy,
    memory: Memory,
    now: datetime,
    new_id: Callable[[], str],
    arrangement: Arrangement | None = None,
) -> Plan:
    """Labels of anchors first, then scaling, ups before downs and by name, then moves.

    At most one action per service and per node, and `policy.actions_per_cycle` in all. Services whose actions failed
    wait (S13). Every decision is in the plan's, with what planning made of it.
    """
    planner = _Planner(view, policy, memory, now, new_id)
    arrangement = arrangement or Arrangement()
    following = tuple(planner.follow(one) for one in arrangement.following)
    told = tuple(sorted(map(planner.scale, sorted(decisions, key=_urgency)), key=lambda d: d.service))
    balances = tuple(planner.balance(one) for one in arrangement.balances)
    arranged = replace(arrangement, following=following, balances=balances)
    return Plan(view.cluster, now, tuple(planner.claims.actions), told, arranged)


def _urgency(decision: Decision) -> tuple[int, str, int]:
    """Ups first, then downs; of two decisions about one service the larger count wins."""
    return _ORDER[decision.direction], decision.service, -(decision.then or 0)


class _Planner:
    """The plan of one cycle, as it grows."""

    def __init__(
        self, view: ClusterView, policy: Policy, memory: Memory, now: datetime, new_id: Callable[[], str]
    ) -> None:
        self._view, self._policy, self._memory, self._now, self._new_id = view, policy, memory, now, new_id
        self._services = {service.name: service for service in view.services}
        self.claims = Claims()

    def follow(self, one: Following) -> Following:
        if not one.acts or (one.relabel and one.anchor not in self._services):
            return one
        services, nodes = touched_by_following(one)
        # What follows is judged with its anchor's failures where it is decided; here budgets and pauses hold it.
        if why := self._paused(services) or self._taken(services, nodes) or self._spent():
            reason = f"leave the label of {one.anchor} as it is, because {why}"
            return replace(one, relabel=False, release=False, reasons=(*one.reasons, reason))
        action = releasing if one.release else relabelling
        self.claims.add(action(self._view.cluster, self._new_id(), one), services, nodes)
        return one

    def scale(self, decision: Decision) -> Decision:
        service = self._services.get(decision.service)
        if decision.direction is Direction.NONE or service is None:
            return decision
        if why := self._taken({service.name}, set()) or self._backing_off(service) or self._spent():
            reason = f"leave {decision.service} at {decision.now}, because {why}"
            return replace(decision, then=decision.now, reasons=(*decision.reasons, reason))
        self.claims.add(scaling(self._view.cluster, self._new_id(), decision, service), {service.name}, set())
        return decision

    def balance(self, one: Balance) -> Balance:
        return replace(one, moves=tuple(map(self._move, one.moves)))

    def _move(self, move: Move) -> Move:
        service = self._services.get(move.service)
        services, nodes = touched_by_move(move)
        if service is None:
            why: str | None = "there is no such service"
        else:
            why = self._paused(services) or self._taken(services, nodes) or self._backing_off(service)
            why = why or self._moves_spent() or self._spent()
        if why or service is None:
            held = f"leave {move.service} on {self._hostname(move.source)}, because {why}"
            return replace(move, held=True, reasons=(*move.reasons, held))
        action = moving(self._view.cluster, self._new_id(), move, service, self._policy)
        self.claims.add(action, services, nodes)
        return move

    def _hostname(self, node_id: str) -> str:
        node = self._view.node(node_id)
        return node_id if node is None else node.hostname

    def _taken(self, services: set[str], nodes: set[str]) -> str | None:
        if self.claims.services & services:
            return "another action for it is planned already"
        if shared := self.claims.nodes & nodes:
            return f"another action concerns {self._hostname(min(shared))} already"
        return None

    def _paused(self, services: set[str]) -> str | None:
        """S19: a kill switch for everything, or for any service that is concerned."""
        return next((_said(p) for p in self._memory.pauses if _stops_moves(p) and p.service in ("", *services)), None)

    def _backing_off(self, service: Service) -> str | None:
        return backing_off(service, self._policy, self._memory, self._now)

    def _spent(self) -> str | None:
        most = self._policy.actions_per_cycle
        used = len(self.claims.actions) >= most
        return f"the cycle's budget of {count(most, 'action')} is used up" if used else None

    def _moves_spent(self) -> str | None:
        """S11."""
        keys = self._policy.rebalance or RebalanceKeys()
        if self.claims.moves >= keys.moves_at_once:
            return f"the budget of {count(keys.moves_at_once, 'move')} at once is used up"
        hour = self._now - timedelta(hours=1)
        past = sum(at > hour for service in self._memory.services.values() for at in service.moves)
        if past + self.claims.moves >= keys.moves_per_hour:
            return f"the budget of {count(keys.moves_per_hour, 'move')} per hour is used up"
        return None


def _stops_moves(pause: Pause) -> bool:
    return pause.direction is Direction.NONE


def _said(pause: Pause) -> str:
    return f"{pause.who} paused {pause.service or 'everything'}: {pause.why}"
