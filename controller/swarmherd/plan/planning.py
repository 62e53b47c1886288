# SPDX-License-Identifier: GPL-3.0-or-later
"""From decisions to actions: what may be done in this cycle, and in which order.

Guards shrink or veto, and each that does appends its sentence to the reasons of what was decided. The mode is not
looked at: whether actions are run or only recorded is the enactor's matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime

from swarmherd.decide.backoff import backing_off
from swarmherd.decide.budgets import moves_spent
from swarmherd.decide.windows import not_now
from swarmherd.decide.words import count, one_line
from swarmherd.model import (
    EMPTY,
    Action,
    Arrangement,
    Balance,
    ClusterView,
    Decision,
    Direction,
    Following,
    Healing,
    Memory,
    Move,
    Pause,
    Plan,
    Remedy,
    Service,
)
from swarmherd.plan.actions import moving, relabelling, releasing, scaling
from swarmherd.plan.brake import frozen
from swarmherd.plan.capacity import Room
from swarmherd.plan.claims import Claims, touched_by_following, touched_by_healing, touched_by_move
from swarmherd.plan.draining import with_draining
from swarmherd.plan.remedies import healing
from swarmherd.plan.rescuing import Rescuing
from swarmherd.plan.waiting import waits
from swarmherd.policy import Policy, RebalanceKeys, balancer_of, priority_of

_ORDER = {Direction.UP: 0, Direction.DOWN: 1, Direction.NONE: 2}
"""The safe way first: more replicas, then fewer."""
REMEDIES_AT_ONCE = 1
"""In a cycle, of all services (S11): the next one sees what came of it."""


def plan(
    decisions: Iterable[Decision],
    view: ClusterView,
    policy: Policy,
    memory: Memory,
    now: datetime,
    new_id: Callable[[], str],
    arrangement: Arrangement | None = None,
    moves_alone: bool = False,
) -> Plan:
    """Labels of anchors first, then what is put right of failed nodes, then what heals, then scaling, then moves. While
    the brake is on (S8), of all these only scaling up. Moves wait while anything else is planned (S12), but for
    `moves_alone`: of this plan the moves alone are carried out.

    Ups come before downs, of those the higher priority first, then by name, and each gets as many replicas as find a
    node after the ones before it. At most one action per service and per node, and `policy.actions_per_cycle` in all.
    Services whose actions failed wait (S13). Every decision is in the plan's, with what planning made of it.
    """
    arrangement = arrangement or Arrangement()
    planner = _Planner(view, policy, memory, now, new_id, frozen(arrangement.rescue))
    following = tuple(planner.follow(one) for one in arrangement.following)
    rescue = Rescuing(view, planner.claims, planner.held, new_id).of(arrangement.rescue)
    healed = tuple(planner.heal(one) for one in arrangement.healing)
    told = tuple(sorted(map(planner.scale, planner.by_urgency(decisions)), key=lambda d: d.service))
    first = None if moves_alone else next(iter(planner.claims.actions), None)
    balances = tuple(planner.balance(one, first) for one in arrangement.balances)
    arranged = replace(arrangement, following=following, balances=balances, rescue=rescue, healing=healed)
    return Plan(view.cluster, now, tuple(planner.claims.actions), told, arranged)


class _Planner:
    """The plan of one cycle, as it grows."""

    def __init__(
        self,
        view: ClusterView,
        policy: Policy,
        memory: Memory,
        now: datetime,
        new_id: Callable[[], str],
        frozen: str | None = None,
    ) -> None:
        self._view, self._policy, self._memory, self._now, self._new_id = view, policy, memory, now, new_id
        self._frozen = frozen  # why nothing disruptive is done in this cycle (S8)
        self._services = {service.name: service for service in view.services}
        self.claims = Claims()
        self._room = Room(view, policy)

    def by_urgency(self, decisions: Iterable[Decision]) -> list[Decision]:
        """Ups by priority, then downs; of two decisions about one service the larger count wins."""

        def urgency(decision: Decision) -> tuple[int, int, str, int]:
            service = self._services.get(decision.service) if decision.direction is Direction.UP else None
            priority = 0 if service is None else priority_of(self._policy, service)
            return _ORDER[decision.direction], -priority, decision.service, -(decision.then or 0)

        return sorted(decisions, key=urgency)

    def follow(self, one: Following) -> Following:
        if not one.acts or (one.relabel and one.anchor not in self._services):
            return one
        services, nodes = touched_by_following(one)
        # What follows is judged with its anchor's failures where it is decided; here budgets and pauses hold it.
        if why := self.held(services, nodes, Direction.ANCHORS, "release" if one.release else "relabel"):
            reason = f"leave the label of {one.anchor} as it is, because {why}"
            return replace(one, relabel=False, release=False, reasons=(*one.reasons, reason))
        action = releasing if one.release else relabelling
        self.claims.add(action(self._view.cluster, self._new_id(), one), services, nodes)
        return one

    def heal(self, one: Healing) -> Healing:
        service = self._services.get(one.service)
        if one.remedy is Remedy.NONE or service is None:
            return one
        services, nodes = touched_by_healing(one)
        balanced = one.remedy is not Remedy.ROLLBACK and balancer_of(self._policy, service) is not None
        why = self.held(services, nodes, Direction.HEALING, one.remedy.value, balanced) or self._backing_off(service)
        why = why or (self._moves_spent(one.service, one.node) if one.remedy is Remedy.MOVE else None)
        if why := why or self._remedies_spent():
            reason = f"leave {one.place} as it is, because {why}"
            return replace(one, remedy=Remedy.NONE, reasons=(*one.reasons, reason))
        self.claims.add(healing(self._view.cluster, self._new_id(), one, service, self._policy), services, nodes)
        self.claims.remedies += 1
        return one

    def scale(self, decision: Decision) -> Decision:
        service = self._services.get(decision.service)
        if decision.direction is Direction.NONE or service is None:
            return decision
        backend = balancer_of(self._policy, service)
        what = decision.direction
        drains = what is Direction.DOWN and backend is not None  # what is only added takes nothing from anybody (S18)
        if why := self.held({service.name}, set(), what, "scale", drains) or self._backing_off(service):
            reason = f"leave {decision.service} at {decision.now}, because {why}"
            return replace(decision, then=decision.now, reasons=(*decision.reasons, reason))
        decision = self._room.bound(decision, service)
        if decision.direction is Direction.NONE:
            return decision
        draining = EMPTY
        if backend is not None:
            decision, draining = with_draining(decision, self._view, service, backend)
        action = scaling(self._view.cluster, self._new_id(), decision, service, self._policy, draining)
        self.claims.add(action, {service.name}, set())
        return decision

    def balance(self, one: Balance, first: Action | None) -> Balance:
        """`first`: the first of the actions that are done before any of these moves."""
        return replace(one, moves=tuple(self._move(move, first) for move in one.moves))

    def _move(self, move: Move, first: Action | None) -> Move:
        service = self._services.get(move.service)
        services, nodes = touched_by_move(move)
        if service is None:
            why: str | None = "there is no such service"
        else:
            balanced = balancer_of(self._policy, service) is not None
            why = self.held(services, nodes, Direction.MOVES, "move", balanced) or self._backing_off(service)
            why = why or self._moves_spent(move.service, move.source) or _foretold_without(first)
        if why or service is None:
            held = f"leave {move.service} on {self._hostname(move.source)}, because {why}"
            return replace(move, held=True, reasons=(*move.reasons, held))
        action = moving(self._view.cluster, self._new_id(), move, service, self._policy)
        self.claims.add(action, services, nodes)
        return move

    def held(
        self, services: set[str], nodes: set[str], what: Direction, kind: str, balanced: bool = False
    ) -> str | None:
        """Why what concerns these is not begun: the brake, a kill switch or a window, another action, a breaker around
        the playbooks of its kind or (`balanced`) the load balancer, the cycle's budget.

        More replicas disrupt nobody: the brake lets them pass (S8).
        """
        braked = None if what is Direction.UP else self._frozen
        why = braked or self._forbidden(services, what) or self._taken(services, nodes)
        return why or self._waits(kind, balanced) or self._spent()

    def _hostname(self, node_id: str) -> str:
        node = self._view.node(node_id)
        return node_id if node is None else node.hostname

    def _taken(self, services: set[str], nodes: set[str]) -> str | None:
        if self.claims.services & services:
            return "another action for it is planned already"
        if shared := self.claims.nodes & nodes:
            return f"another action concerns {self._hostname(min(shared))} already"
        return None

    def _forbidden(self, services: set[str], what: Direction) -> str | None:
        """S11, S19: a kill switch or a window, for everything or for any service that is concerned."""
        stops = (pause for pause in self._memory.pauses if pause.stops(what) and pause.service in ("", *services))
        paused = next((_said(pause) for pause in stops), None)
        return paused or not_now(self._policy, services, what, self._now)

    def _backing_off(self, service: Service) -> str | None:
        return backing_off(service, self._policy, self._memory, self._now)

    def _waits(self, kind: str, balanced: bool) -> str | None:
        return waits(kind, self._memory, self._policy, self._now, self.claims.actions, balanced)

    def _spent(self) -> str | None:
        most = self._policy.actions_per_cycle
        used = len(self.claims.actions) >= most
        return f"the cycle's budget of {count(most, 'action')} is used up" if used else None

    def _remedies_spent(self) -> str | None:
        used = self.claims.remedies >= REMEDIES_AT_ONCE
        return f"the budget of {count(REMEDIES_AT_ONCE, 'remedy')} at once is used up" if used else None

    def _moves_spent(self, service: str, source: str) -> str | None:
        keys, planned = self._policy.rebalance or RebalanceKeys(), self.claims.moves
        if planned >= keys.moves_at_once:
            return f"the budget of {count(keys.moves_at_once, 'move')} at once is used up"
        return moves_spent(self._policy, self._memory, self._now, service, self._view.node(source), planned)


def _foretold_without(first: Action | None) -> str | None:
    """S12: where a task lands was foretold of the nodes as they are seen. What starts or stops tasks or opens a node
    before it is moved may have Swarm choose another one."""
    if first is None:
        return None
    what = f"{first.kind} of {first.service}" if first.service else first.kind
    return f"this cycle does something else first ({what}), and where it would land was foretold without that"


def _said(pause: Pause) -> str:
    what = " of ".join(word for word in (pause.paused, pause.service) if word) or "everything"
    return f"{one_line(pause.who)} paused {what}: {one_line(pause.why)}"
