# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting: its bound, what it says, and when it stops early."""

from __future__ import annotations

import pytest
from ansible_collections.swarmherd.cluster.plugins.module_utils import _waiter as waiter
from ansible_collections.swarmherd.cluster.plugins.module_utils._errors import SwarmError, UnavailableError


class Hours:
    """A clock that only moves when somebody sleeps."""

    def __init__(self):
        self.time = 0.0
        self.clock = waiter.Clock(now=lambda: self.time, sleep=self.sleep)

    def sleep(self, seconds):
        assert seconds > 0
        self.time += seconds


def test_what_is_good_at_once_is_returned_without_sleeping():
    hours = Hours()
    assert waiter.wait_for("it", lambda: 5, lambda seen: seen == 5, 10, clock=hours.clock) == 5
    assert hours.time == 0


def test_it_looks_again_until_it_is_good():
    hours, answers = Hours(), iter([1, 2, 3])
    assert waiter.wait_for("it", lambda: next(answers), lambda seen: seen == 3, 10, clock=hours.clock) == 3
    assert 0 < hours.time < 10


def test_past_the_bound_it_says_what_it_waited_for_and_what_it_saw():
    hours = Hours()
    with pytest.raises(waiter.TimedOutError, match=r"^waited 10 s for the moon: it is cheese$") as caught:
        waiter.wait_for("the moon", lambda: "cheese", lambda _: False, 10, lambda s: f"it is {s}", clock=hours.clock)
    assert hours.time == 10
    assert caught.value.last == "cheese"


def test_with_a_bound_of_nothing_it_looks_once():
    looks = []
    with pytest.raises(waiter.TimedOutError):
        waiter.wait_for("it", lambda: looks.append(1), lambda _: False, 0, clock=Hours().clock)
    assert looks == [1]


def looking(*answers):
    """A look that gives these one after the other, the last one again and again; an exception is raised."""
    left = list(answers)

    def look():
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return look


SILENT = UnavailableError("the engine did not answer", node="n1")


def test_an_engine_that_does_not_answer_for_a_moment_ends_no_wait():
    hours = Hours()
    assert (
        waiter.wait_for("it", looking(SILENT, 1, SILENT, SILENT, 2), lambda seen: seen == 2, 10, clock=hours.clock) == 2
    )
    assert 0 < hours.time < 10


def test_an_engine_that_answers_no_more_is_told_at_the_bound():
    hours = Hours()
    with pytest.raises(UnavailableError, match=r"^waited 10 s for it: the engine did not answer$") as caught:
        waiter.wait_for("it", looking(1, SILENT), lambda _: False, 10, clock=hours.clock)
    assert hours.time == 10
    assert caught.value.facts == {"node": "n1"}


def test_what_was_seen_last_is_told_where_the_engine_answers_again():
    with pytest.raises(waiter.TimedOutError, match=r"^waited 10 s for it: 1$"):
        waiter.wait_for("it", looking(SILENT, 1), lambda _: False, 10, clock=Hours().clock)


def test_looks_that_follow_each_other_have_no_silence_between_them():
    look, hours = looking(True, SILENT, True, False), Hours()
    with pytest.raises(waiter.TimedOutError):
        waiter.wait_for("it", look, bool, 10, looks=2, clock=hours.clock)


def test_any_other_error_ends_a_wait_at_once():
    hours = Hours()
    with pytest.raises(SwarmError, match=r"^disk full$"):
        waiter.wait_for("it", looking(SwarmError("disk full")), bool, 10, clock=hours.clock)
    assert hours.time == 0


def test_several_waits_share_one_bound():
    hours = Hours()
    left = waiter.bound(10, hours.clock)
    hours.sleep(3)
    assert left() == 7
    hours.sleep(30)
    assert left() == 0


def test_several_good_looks_must_follow_each_other():
    hours, answers = Hours(), iter([True, False, True, True, True, False])
    looks = []

    def look():
        looks.append(next(answers))
        return looks[-1]

    waiter.wait_for("it", look, bool, 60, looks=3, clock=hours.clock)
    assert looks == [True, False, True, True, True]


class Watched:
    """A Swarm of one service, whose documents are given."""

    def __init__(self, service, tasks, nodes):
        self._service, self._tasks, self._nodes = service, tasks, nodes

    def service(self, _name):
        return self._service

    def tasks_of(self, _service):
        return self._tasks

    def nodes(self):
        return self._nodes


@pytest.fixture
def watched(make_service, make_task, make_node):
    service = make_service(replicas=1)
    return Watched(service, [make_task(service, 1)], [make_node("n1")])


def test_past_the_bound_the_failing_tasks_are_told(watched, make_task):
    failing = make_task(watched.service(""), 1, state="rejected", error="No such image")
    watched._tasks[:] = [failing]
    with pytest.raises(
        SwarmError, match=r"waited 0 s for shop to converge: 0 of 1 tasks run; shop.1 .*No such image"
    ) as it:
        waiter.wait_until_converged(watched, "shop", 0, wrote=True)
    assert it.value.facts["running"] == 0
    assert it.value.facts["failures"][0]["error"] == "No such image"
    assert it.value.facts["version"] == 10


def test_an_update_that_swarm_stopped_ends_the_wait_at_once(watched):
    watched.service("")["UpdateStatus"] = {"State": "rollback_completed", "Message": "rolled back"}
    with pytest.raises(SwarmError, match=r"Swarm stopped the update of shop: .*rolled back"):
        waiter.wait_until_converged(watched, "shop", 60, wrote=True)


def test_an_update_that_swarm_stopped_long_ago_is_history_while_all_runs(watched):
    watched.service("")["UpdateStatus"] = {"State": "rollback_completed", "Message": "rolled back"}
    _service, seen = waiter.wait_until_converged(watched, "shop", 60, wrote=False)
    assert seen.converged


BACK = {"State": "rollback_completed", "Message": "rolled back", "StartedAt": "2026-01-01T00:00:00Z"}


class Looks(Watched):
    """A Swarm whose service has another update status, and another task, at each look; the last ones stay."""

    def __init__(self, service, nodes, *looks):
        super().__init__(service, [], nodes)
        self._looks = list(looks)
        self.looks = 0

    def service(self, _name):
        self.looks += 1
        status, task = self._looks.pop(0) if len(self._looks) > 1 else self._looks[0]
        self._tasks = [task]
        return {**self._service, "UpdateStatus": status}


def test_a_rollback_of_before_ends_no_wait_for_what_is_on_its_way(make_service, make_task, make_node):
    """A dependent that was rolled back once is evicted: Swarm keeps that state until the next write."""
    service = make_service(replicas=1)
    ready, runs = make_task(service, 1, state="preparing"), make_task(service, 1)
    swarm = Looks(service, [make_node("n1")], (BACK, ready), (BACK, ready), (BACK, runs))
    _service, seen = waiter.wait_until_converged(swarm, "shop", 60, wrote=False)
    assert seen.converged
    assert swarm.looks == 3


def test_what_never_comes_after_a_rollback_of_before_is_told_at_the_bound_and_is_no_rollback(
    make_service, make_task, make_node
):
    service = make_service(replicas=1)
    swarm = Looks(service, [make_node("n1")], (BACK, make_task(service, 1, state="preparing")))
    with pytest.raises(SwarmError, match=r"^waited 0 s for shop to converge: 0 of 1 tasks run") as caught:
        waiter.wait_until_converged(swarm, "shop", 0, wrote=False)
    assert caught.value.facts["rolled_back"] is False


@pytest.mark.parametrize("status", [{**BACK, "StartedAt": "2026-01-01T01:00:00Z"}, {"State": "paused"}])
def test_an_update_that_swarm_stops_while_we_wait_ends_the_wait_whoever_wrote_it(
    status, make_service, make_task, make_node
):
    service = make_service(replicas=1)
    ready = make_task(service, 1, state="preparing")
    swarm = Looks(service, [make_node("n1")], (BACK, ready), (status, ready))
    with pytest.raises(SwarmError, match=r"^Swarm stopped the update of shop") as caught:
        waiter.wait_until_converged(swarm, "shop", 60, wrote=False)
    assert swarm.looks == 2
    assert caught.value.facts["rolled_back"] is (status["State"] != "paused")


def test_what_the_tasks_of_a_version_said_that_was_rolled_back_is_told(watched, make_task):
    service = watched.service("")
    tried = {**service["Spec"], "TaskTemplate": {"ContainerSpec": {"Image": "shop:2"}}}
    watched._tasks.append(make_task(service, 1, state="shutdown", desired="shutdown", id="of-before"))
    watched._tasks.append(
        make_task(service, 1, state="rejected", desired="shutdown", spec=tried["TaskTemplate"], error="No such image")
    )
    service["UpdateStatus"] = {"State": "rollback_completed", "Message": "rolled back"}
    with pytest.raises(
        SwarmError, match=r"rollback_completed \(rolled back\); shop.1 on n1 is rejected: No such im"
    ) as it:
        waiter.wait_until_converged(watched, "shop", 60, wrote=True, tried=tried)
    assert it.value.facts["rolled_back"] is True
    assert [failure["error"] for failure in it.value.facts["failures"]] == ["No such image"]
    assert it.value.facts["running"] == 1


def test_all_are_waited_for_within_one_bound_and_each_says_for_itself(make_service, make_task, make_node):
    class Several(Watched):
        def service(self, name):
            return self._service[name]

        def tasks_of(self, service):
            return self._tasks[service["Spec"]["Name"]]

    services = {name: make_service(name, replicas=1) for name in ("a", "b")}
    tasks = {"a": [make_task(services["a"], 1)], "b": []}
    ends = waiter.wait_for_all(
        Several(services, tasks, [make_node("n1")]), dict.fromkeys(services, waiter.Awaited(wrote=True)), 0
    )
    assert ends["a"].problem == ""
    assert ends["b"].problem == "waited 0 s for b to converge: 0 of 1 tasks run"
    assert ends["b"].facts()["rolled_back"] is False
