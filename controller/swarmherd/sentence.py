# SPDX-License-Identifier: GPL-3.0-or-later
"""What came of a cycle, as one sentence for people: what was done, what was not, and why. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from swarmherd.decide.changes import change
from swarmherd.model import Action, Arrangement, Decision, Direction, Plan, Rescue, Result

SHOWN = 3
"""Services, anchors, loads and nodes that it speaks of by name."""


def sentence(planned: Plan, results: Iterable[Result | None], cut_short: str = "stopping") -> str:
    """What a person wants to know of this cycle, in one sentence. `cut_short`: why actions were not begun."""
    outcomes = dict(zip((action.id for action in planned.actions), results, strict=False))
    said = [_action_sentence(action, outcomes, cut_short) for action in planned.actions]
    acted = {action.service for action in planned.actions if action.kind == "scale"}
    still = [d for d in planned.decisions if d.service not in acted]
    reasons = {action.reason for action in planned.actions}
    arranged = _arranged(planned.arrangement, reasons)
    rescued = _rescued(planned.arrangement.rescue, reasons)
    return (
        "; ".join([*planned.arrangement.rescue.brake, *said, *rescued, *_still(still), *arranged])
        or "nothing is opted in: name a service in the policy or by its labels"
    )


def _action_sentence(action: Action, outcomes: Mapping[str, Result | None], cut_short: str) -> str:
    said = change(action)
    if action.id not in outcomes:
        return f"{said} not begun: {cut_short}"
    result = outcomes[action.id]
    if result is None:
        return f"would {action.kind} {said} because {action.reason}"
    return f"{said} {result.outcome.value.replace('_', ' ')}: {result.detail}; because {action.reason}"


def _still(decisions: list[Decision]) -> list[str]:
    if len(decisions) > SHOWN:
        wanted = sum(d.direction is not Direction.NONE for d in decisions)
        blind = sorted(d.service for d in decisions if d.blind)
        words = f"{len(decisions)} services stay as they are"
        words += f", {wanted} against their metrics' wish" if wanted else ""
        return [words + (f", blind: {', '.join(blind[:SHOWN])}" if blind else "")]
    return [d.reasons[-1] if d.reasons else f"leave {d.service} at {d.now}" for d in decisions]


def _arranged(arrangement: Arrangement, acted: set[str]) -> list[str]:
    """What did not become an action, of anchors and of loads: the last word on each, a few of them."""
    held = [one.reasons[-1] for one in arrangement.following if not one.acts]
    loads = [one.moves[-1] if one.moves else one for one in arrangement.balances]
    ill = [one.reasons[-1] for one in arrangement.healing if not acted.intersection(one.reasons)]
    said = ill + held + [one.reasons[-1] for one in loads if not acted.intersection(one.reasons)]
    more = f"and {len(said) - SHOWN} more about health, anchors and loads"
    return said if len(said) <= SHOWN else [*said[:SHOWN], more]


def _rescued(rescue: Rescue, acted: set[str]) -> list[str]:
    """Nodes that are not well, and what did not become an action of what they leave: the last word on each, a few."""
    nodes = [f"{one.name} is {one.standing.value} ({one.because})" for one in rescue.standings if one.bad]
    about = [one.reasons for one in rescue.cordons]
    about += [one.reasons for one in rescue.recreations] + [one.reasons for one in rescue.findings]
    said = nodes + [reasons[-1] for reasons in about if reasons[-1] not in acted]
    return said if len(said) <= SHOWN else [*said[:SHOWN], f"and {len(said) - SHOWN} more about nodes that fail"]
