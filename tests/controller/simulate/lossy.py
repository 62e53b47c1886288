# SPDX-License-Identifier: GPL-3.0-or-later
"""A trial of strategy `predictive` whose metric is missing now and then."""

from __future__ import annotations

import math

import numpy as np
from swarmherd.policy import ScaleKeys
from swarmherd.policy.merge import complete
from swarmherd.simulate import Account, Course, Demand, Trial
from swarmherd.simulate.account import course


class Lossy:
    """A scaler whose every so many-th metric is not there."""

    def __init__(self, trial: Trial, share: float, seed: int) -> None:
        self.trial, self.share = trial, share
        self.chance = np.random.default_rng(seed)

    def first(self, value: float) -> int:
        return self.trial.first(value)

    def decide(self, step: int, metric: float, count: int, ready: int) -> int:
        missing = self.chance.random() < self.share
        then = self.trial.decide(step, math.nan if missing else metric, count, ready)
        assert not (missing and then < count), "it went down without a sample"
        return then


def lossy(demand: Demand, account: Account, share: float, seed: int) -> Course:
    keys = ScaleKeys.model_validate({"strategy": "predictive", "max": 1000, "metrics": [{"requests_per_replica": 8}]})
    return course(demand.values, account, Lossy(Trial(complete(keys), keys, account), share, seed))
