# SPDX-License-Identifier: GPL-3.0-or-later
"""A service in memory and a clock: what a policy, or another autoscaler, would have done with a demand of old.

The model is the same for all that are compared: `simulate.account` has it.
"""

from swarmherd.simulate.account import Account, Course, Outcome
from swarmherd.simulate.backtest import OPPONENTS, Backtest, Happened, backtest, happened
from swarmherd.simulate.grid import Advice, Grid, Setting, Tried, advice, frontier, settings, tried
from swarmherd.simulate.past import demand_of, metric_of, replicas_of
from swarmherd.simulate.trace import Demand, TraceError, read_trace
from swarmherd.simulate.trial import Trial

__all__ = [
    "OPPONENTS",
    "Account",
    "Advice",
    "Backtest",
    "Course",
    "Demand",
    "Grid",
    "Happened",
    "Outcome",
    "Setting",
    "TraceError",
    "Trial",
    "Tried",
    "advice",
    "backtest",
    "demand_of",
    "frontier",
    "happened",
    "metric_of",
    "read_trace",
    "replicas_of",
    "settings",
    "tried",
]
