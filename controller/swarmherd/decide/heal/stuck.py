# SPDX-License-Identifier: GPL-3.0-or-later
"""Updates that are stuck: paused by Swarm after failures, or under way for far longer than they can take.

What rolling back does is swarmkit's (manager/controlapi/service.go, orchestrator/update/updater.go): a rollback by hand
puts the previous specification in force and keeps the failed one as the previous, one by Swarm itself keeps none. So a
rollback that is paused cannot be rolled back: the specification that it goes to is put in force once more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from swarmherd.decide import objections
from swarmherd.decide.backoff import backing_off
from swarmherd.decide.scene import Scene
from swarmherd.decide.words import duration, one_line
from swarmherd.model import Ailment, Healing, Remedy, Service, UpdateState
from swarmherd.policy import HealKeys, StuckUpdates
from swarmherd.policy.healing import MOST_STEPS

GRACE = 2.0
"""An update may take so many times as long as its own delays and monitor times add up to, and `update_within`."""


def about_update(scene: Scene, service: Service, keys: HealKeys, known: Mapping[str, Ailment]) -> Healing | None:
    """What to do about the service's update; None where nothing is wrong with it."""
    stuck = why_stuck(scene, service, keys)
    if stuck is None:
        return None
    name, tries = service.name, known.get(service.name, Ailment(service.name)).tries
    why = _why_not(scene, service, keys, known)
    where = "on with its rollback" if service.update_state is UpdateState.ROLLBACK_PAUSED else "back"
    said = f"leave {name} as it is: {stuck}, but {why}" if why else f"roll {name} {where}, because {stuck}"
    remedy = Remedy.NONE if why else Remedy.ROLLBACK
    return Healing(name, remedy, (said,), place=name, tries=len(tries), version=service.version)


def why_stuck(scene: Scene, service: Service, keys: HealKeys) -> str | None:
    said = f" ({one_line(service.update_message)})" if service.update_message else ""
    if service.update_state is UpdateState.PAUSED:
        return f"its update is paused{said}"
    if service.update_state is UpdateState.ROLLBACK_PAUSED:
        return f"its rollback is paused{said}"
    if service.update_state not in (UpdateState.UPDATING, UpdateState.ROLLBACK_STARTED):
        return None
    if service.update_started_at is None:
        return None
    takes, ago = _takes(scene, service), abs((scene.now - service.update_started_at).total_seconds())
    if ago <= GRACE * takes + keys.update_within:
        return None
    what = "updating" if service.update_state is UpdateState.UPDATING else "rolling back"
    return f"it has been {what} for {duration(ago)}, and that takes {duration(takes)} by its own settings"


def _takes(scene: Scene, service: Service) -> float:
    """Seconds: each group of tasks is followed by the update's delay and monitor time."""
    tasks = service.replicas if service.replicas is not None else len(scene.nodes)
    groups = math.ceil(tasks / service.update_parallelism) if service.update_parallelism else 1
    return groups * service.update_pause_seconds


def _why_not(scene: Scene, service: Service, keys: HealKeys, known: Mapping[str, Ailment]) -> str | None:
    if not scene.policy.enabled:
        return "the policy is switched off (swarmherd_policy.enabled)"
    if keys.stuck_updates is not StuckUpdates.ROLLBACK:
        return "it is left to people (heal.stuck_updates)"
    if service.update_state is UpdateState.ROLLBACK_STARTED:
        return "rolling back once more would put the failed specification in force again"
    if not service.has_previous and service.update_state is not UpdateState.ROLLBACK_PAUSED:
        return "Docker keeps no previous specification of it"
    past = known.get(service.name, Ailment(service.name))
    if len(past.tries) >= MOST_STEPS:
        return f"given up after {len(past.tries)} rollbacks"
    if past.tries and past.tried_at is not None:
        wait, ago = keys.recheck * 2.0 ** (len(past.tries) - 1), abs((scene.now - past.tried_at).total_seconds())
        if ago < wait:
            return f"it was rolled back {duration(ago)} ago, and is given {duration(wait)}"
    return scene.objection(service, (objections.paused, objections.just_changed)) or backing_off(
        service, scene.policy, scene.memory, scene.now
    )
