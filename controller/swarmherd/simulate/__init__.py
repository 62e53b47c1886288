# SPDX-License-Identifier: GPL-3.0-or-later
"""A service in memory and a clock: what a policy, or another autoscaler, would have done with a demand of old.

The model is the same for all that are compared: `simulate.account` has it.
"""

from swarmherd.simulate.account import Account, Course, Outcome
from swarmherd.simulate.backtest import OPPONENTS, Backtest, backtest
from swarmherd.simulate.trace import Demand, TraceError, read_trace
from swarmherd.simulate.trial import Trial

__all__ = [
    "OPPONENTS",
    "Account",
    "Backtest",
    "Course",
    "Demand",
    "Outcome",
    "TraceError",
    "Trial",
    "backtest",
    "read_trace",
]
