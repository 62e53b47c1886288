# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking ahead by the time that a replica takes to serve. docs/design/0005-predictive.md says how and why."""

from swarmherd.decide.predict.foreseen import Foreseen, foreseen, usual_lead
from swarmherd.decide.predict.learner import Aim, Learner
from swarmherd.decide.predict.level import MISSED_SECONDS
from swarmherd.decide.predict.spend import steady

__all__ = ["MISSED_SECONDS", "Aim", "Foreseen", "Learner", "foreseen", "steady", "usual_lead"]
