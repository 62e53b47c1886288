# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests that wait at a service's replicas, and when a load balancer counts them.

HAProxy counts a request of a backend when its answer has left (http_requests_total), so that what is measured under
overload is what the replicas manage, and afterwards more than is asked for, until nobody waits any more. The replicas
are taken as one: a balancer sends to the shortest line.
"""

from __future__ import annotations

from array import array

from swarmherd.simulate.cluster.swarm import Swarm

STEP_SECONDS = 0.25


class Line:
    """Of one service. Without room to wait (`Habits.queue` is 0) there is no line: what is asked for is answered."""

    def __init__(self, swarm: Swarm, service: str) -> None:
        self._swarm, self._service = swarm, service
        self.waiting = 0.0
        """Requests."""
        self.asked = 0.0
        """Requests that came, ever."""
        self.turned_away = 0.0
        """Requests that found no room, ever. That is an answer, and counted as one."""
        self._answered = array("d", [0.0])
        """How many were answered until each step."""
        swarm.timeline.after(STEP_SECONDS, self._step)

    def rate(self, begin: float, end: float) -> float:
        """Answers per second between two times, neither of which is to come."""
        return (self._until(end) - self._until(begin)) / (end - begin)

    def _until(self, seconds: float) -> float:
        """The counter; before the begin it rose as it does with what was asked for then."""
        if seconds <= 0:
            return seconds * self._swarm.habits[self._service].demand(0.0)
        step = min(seconds / STEP_SECONDS, len(self._answered) - 1.0)
        before, share = self._answered[int(step)], step - int(step)
        return before + share * (self._answered[int(step) + 1] - before) if share else before

    def _step(self) -> None:
        habits, serving = self._swarm.habits[self._service], self._swarm.serving(self._service)
        came = habits.demand(self._swarm.timeline.seconds - STEP_SECONDS / 2) * STEP_SECONDS
        there = self.waiting + came
        served = min(there, serving * habits.capacity * STEP_SECONDS)
        self.waiting = min(there - served, float(serving * habits.queue))
        turned_away = there - served - self.waiting
        self.asked += came
        self.turned_away += turned_away
        self._answered.append(self._answered[-1] + served + turned_away)
        self._swarm.timeline.after(STEP_SECONDS, self._step)
