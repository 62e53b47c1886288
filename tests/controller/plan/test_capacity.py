# SPDX-License-Identifier: GPL-3.0-or-later
"""Scale-ups get as many replicas as find a node, by priority; what is refused says what is missing, and how many nodes
would do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from swarmherd.decide import decide
from swarmherd.explain import explain
from swarmherd.model import (
    Availability,
    ClusterView,
    Decision,
    Direction,
    Memory,
    NodeState,
    Pause,
    Plan,
    Role,
    TaskState,
)
from swarmherd.plan import manual_scale, plan
from swarmherd.policy import parse_policy

from tests.controller.arranged import view_of
from tests.controller.described import NOW

GIB = 2**30


def cluster(services: dict[str, Any], nodes: dict[str, Any] | None = None) -> ClusterView:
    """Nodes of 8 GiB and 4 cores."""
    return view_of({"nodes": nodes or {"n1": None, "n2": None}, "services": services})


def more(service: str, now: int, then: int) -> Decision:
    return Decision(service, now, then, then, (f"scale {service} from {now} to {then}, because it is a test",))


def planned(view: ClusterView, *wanted: Decision, policy: dict[str, Any] | None = None) -> Plan:
    return plan(wanted, view, parse_policy(policy or {}, "f.yml"), Memory(), NOW, lambda: "id")


def counts(found: Plan) -> dict[str, int | None]:
    return {one.service: one.then for one in found.decisions}


def reason(found: Plan, service: str = "web") -> str:
    [decision] = [one for one in found.decisions if one.service == service]
    return decision.reasons[-1]


def with_changes(view: ClusterView, name: str, **changes: Any) -> ClusterView:
    services = tuple(replace(one, **changes) if one.name == name else one for one in view.services)
    return replace(view, services=services)


def test_what_fits_as_a_whole_is_planned_as_it_was_decided() -> None:
    view = cluster({"web": {"at": ["n1"], "reserve": 2}})
    wanted = more("web", 1, 8)
    assert planned(view, wanted).decisions == (wanted,)
    assert planned(view, wanted).actions[0].reason == wanted.reasons[-1]


def test_as_many_as_fit_are_added_and_the_reason_says_what_is_missing_for_the_others() -> None:
    view = cluster({"web": {"at": ["n1", "n2"], "reserve": 3}})
    found = planned(view, more("web", 2, 7))
    assert reason(found) == (
        "scale web from 2 to 4, because 3 of 5 more replicas do not fit: insufficient memory on 2 nodes; "
        "2 nodes like n1 would do"
    )
    [action] = found.actions
    assert action.parameters["swarmherd_replicas"] == 4
    assert action.reason == reason(found), "the journal has it too"
    assert found.decisions[0].reasons[0] == "scale web from 2 to 7, because it is a test", "nothing is overwritten"
    assert found.decisions[0].wish == 7


def test_where_none_fits_the_count_stays_as_it_is() -> None:
    view = cluster({"web": {"at": ["n1", "n2"], "reserve": 6}})
    found = planned(view, more("web", 2, 3))
    assert found.actions == ()
    assert reason(found) == (
        "leave web at 2, because 1 more replica does not fit: insufficient memory on 2 nodes; 1 node like n1 would do"
    )


def test_a_cluster_that_is_over_full_already_loses_nothing() -> None:
    view = cluster({"web": {"at": ["n1", "n1", "n1"], "reserve": 6}, "api": {"at": ["n1"], "reserve": 1}}, {"n1": None})
    assert counts(planned(view, more("web", 3, 5), more("api", 1, 2))) == {"web": 3, "api": 1}


def test_the_higher_priority_comes_first_and_equals_by_name() -> None:
    view = cluster({name: {"at": ["n1"], "reserve": 1.5} for name in ("api", "job", "web")}, {"n1": None})
    wanted = [more(name, 1, 3) for name in ("api", "job", "web")]
    assert counts(planned(view, *wanted)) == {"api": 3, "job": 1, "web": 1}
    above = {"services": {"web": {"priority": 50}}}
    assert counts(planned(view, *wanted, policy=above)) == {"api": 1, "job": 1, "web": 3}
    by_label = with_changes(view, "job", labels={"swarmherd.priority": "60"})
    assert counts(planned(by_label, *wanted, policy=above)) == {"api": 1, "job": 3, "web": 1}


def test_nonsense_as_a_priority_is_the_lowest_and_the_default_is_for_all_that_say_nothing() -> None:
    view = cluster({name: {"at": ["n1"], "reserve": 2.5} for name in ("api", "web")}, {"n1": None})
    strange = with_changes(view, "api", labels={"swarmherd.priority": "very"})
    wanted = more("api", 1, 2), more("web", 1, 2)
    assert counts(planned(strange, *wanted)) == {"api": 2, "web": 1}
    assert counts(planned(strange, *wanted, policy={"defaults": {"priority": 5}})) == {"api": 1, "web": 2}
    assert counts(planned(view, *wanted, policy={"defaults": {"priority": 5}})) == {"api": 2, "web": 1}


def test_the_higher_priority_comes_first_within_the_budget_of_a_cycle_too() -> None:
    view = cluster({name: {"at": ["n1"], "reserve": 1} for name in ("api", "web")})
    policy = {"actions_per_cycle": 1, "services": {"web": {"priority": 1}}}
    found = planned(view, more("api", 1, 2), more("web", 1, 2), policy=policy)
    assert [action.service for action in found.actions] == ["web"]


def test_what_is_held_takes_no_room_from_others() -> None:
    view = cluster({name: {"at": ["n1"], "reserve": 2.5} for name in ("api", "web")}, {"n1": None})
    wanted = more("api", 1, 2), more("web", 1, 2)
    assert counts(planned(view, *wanted)) == {"api": 2, "web": 1}
    held = Memory(pauses=(Pause("ada", "deploying", NOW, "api", Direction.UP),))
    assert counts(plan(wanted, view, parse_policy({}, "f.yml"), held, NOW, lambda: "id")) == {"api": 1, "web": 2}


def test_what_is_taken_away_in_the_same_cycle_is_still_there() -> None:
    view = cluster({"api": {"at": ["n1"], "reserve": 5}, "web": {"at": ["n1"], "reserve": 3}}, {"n1": None})
    assert counts(planned(view, more("web", 1, 2), more("api", 1, 0))) == {"web": 1, "api": 0}


def test_tasks_that_wait_for_a_node_are_served_before_anything_new() -> None:
    view = cluster({"job": {"at": ["n1"], "reserve": 4}, "web": {"at": ["n1"], "reserve": 4}}, {"n1": None, "n2": None})
    [waits, *others] = sorted(view.tasks, key=lambda task: task.service)
    waiting = replace(view, tasks=(replace(waits, node_id="", state=TaskState.PENDING), *others))
    assert counts(planned(view, more("web", 1, 4))) == {"web": 3}
    assert counts(planned(waiting, more("web", 1, 4))) == {"web": 3}
    without = replace(view, tasks=tuple(others))
    assert counts(planned(without, more("web", 1, 4))) == {"web": 4}


@pytest.mark.parametrize(
    ("changes", "nodes", "says"),
    [
        ({"max_per_node": 1}, {}, "max replicas per node (1) reached on 2 nodes; 2 nodes like n1 would do"),
        ({"host_ports": frozenset({80})}, {}, "host port in use (80) on 2 nodes; 2 nodes like n1 would do"),
        (
            {"constraints": ("node.hostname==n9",)},
            {},
            "constraint not satisfied (node.hostname==n9) on 2 nodes; "
            "no further node like those that are there would do",
        ),
        (
            {"constraints": ("node.labels.disk==ssd",)},
            {"n2": {"labels": {"disk": "ssd"}, "availability": Availability.DRAIN}},
            "1 node draining; constraint not satisfied (node.labels.disk==ssd) on 1 node; 1 node like n2 would do",
        ),
        (
            {"platforms": (("linux", "arm64"),)},
            {"n1": {"arch": "x86_64"}, "n2": {"arch": "amd64"}},
            "unsupported platform on 2 nodes; no further node like those that are there would do",
        ),
        (
            {"memory_reservation_bytes": 9 * GIB},
            {},
            "insufficient memory on 2 nodes; no further node like those that are there would do",
        ),
        (
            {},
            {"n1": {"state": NodeState.DOWN}, "n2": {"availability": Availability.PAUSE}},
            "1 node not ready; 1 node paused; 1 node like n1 would do",
        ),
    ],
)
def test_every_filter_of_swarm_speaks_and_the_number_of_nodes_is_true(
    changes: dict[str, Any], nodes: dict[str, dict[str, Any]], says: str
) -> None:
    view = with_changes(cluster({"web": {"at": ["n1", "n2"]}}), "web", **changes)
    view = replace(view, nodes=tuple(replace(node, **nodes.get(node.id, {})) for node in view.nodes))
    found = planned(view, more("web", 2, 4))
    assert reason(found) == f"leave web at 2, because 2 more replicas do not fit: {says}"


def test_real_use_and_our_own_limits_refuse_nothing() -> None:
    view = cluster({"web": {"at": ["n1"], "reserve": 1}}, {"n1": {"memory": 99, "cpu": 99, "probe": "silent"}})
    policy = {"placement": {"unknown_excludes": True}, "services": {"web": {"priority": 90, "apart_from": "web"}}}
    assert counts(planned(view, more("web", 1, 8), policy=policy)) == {"web": 8}


@pytest.mark.parametrize(
    "unknown",
    [{"memory_bytes": 0}, {"state": NodeState.UNKNOWN, "memory_bytes": 80 * GIB}, {"cpus": 0.0, "memory_bytes": 0}],
)
def test_what_is_unknown_refuses_nothing(unknown: dict[str, Any]) -> None:
    view = cluster({"web": {"at": ["n1"], "reserve": 7}}, {"n1": None})
    assert counts(planned(view, more("web", 1, 9))) == {"web": 1}
    strange = replace(view, nodes=tuple(replace(node, **unknown) for node in view.nodes))
    assert counts(planned(strange, more("web", 1, 9))) == {"web": 9}


def test_of_a_swarm_without_nodes_nothing_is_known() -> None:
    view = replace(cluster({"web": {"at": ["n1"], "reserve": 7}}), nodes=())
    assert counts(planned(view, more("web", 1, 9))) == {"web": 9}


def test_a_constraint_that_cannot_be_read_refuses_nothing_and_promises_nothing() -> None:
    view = cluster({"web": {"at": ["n1"], "reserve": 5, "constraints": ["disk is fast"]}}, {"n1": None, "n2": None})
    found = planned(view, more("web", 1, 4))
    assert reason(found) == (
        "scale web from 1 to 2, because 2 of 3 more replicas do not fit: insufficient memory on 2 nodes"
    )


def test_where_swarm_asks_for_more_than_is_read_no_number_of_nodes_is_promised() -> None:
    view = with_changes(cluster({"web": {"at": ["n1"], "reserve": 5}}), "web", more_filters=True)
    assert "would do" not in reason(planned(view, more("web", 1, 4)))


def test_the_check_can_be_switched_off_for_one_service_or_for_all() -> None:
    view = cluster({name: {"at": ["n1"], "reserve": 7} for name in ("api", "web")})
    wanted = more("api", 1, 4), more("web", 1, 4)
    assert counts(planned(view, *wanted)) == {"api": 2, "web": 1}
    off = {"scale": {"capacity": "ignore"}}
    assert counts(planned(view, *wanted, policy={"services": {"api": off}})) == {"api": 4, "web": 1}
    assert counts(planned(view, *wanted, policy={"defaults": off})) == {"api": 4, "web": 4}
    on = {"scale": {"capacity": "check"}}
    policy = {"defaults": off, "services": {"web": on}}
    assert counts(planned(view, *wanted, policy=policy)) == {"api": 4, "web": 1}


def test_replicas_that_are_to_wait_for_a_node_are_said_to_be_wanted() -> None:
    view = cluster({"web": {"at": ["n1", "n1"], "reserve": 7}})
    ignoring = {"defaults": {"scale": {"capacity": "ignore"}}}

    def said(then: int, policy: dict[str, Any]) -> Any:
        [action] = planned(view, more("web", 2, then), policy=policy).actions
        return action.parameters.get("swarmherd_capacity")

    assert (said(4, ignoring), said(1, ignoring), said(3, {})) == ("ignore", None, None)
    for by_hand, capacity in ((ignoring, "ignore"), ({}, None)):
        action = manual_scale(view, "web", 4, "a feast", lambda: "id", parse_policy(by_hand, "f.yml"))
        assert action.parameters.get("swarmherd_capacity") == capacity


def test_a_new_node_has_the_tasks_that_every_node_has_and_no_mark_of_ours() -> None:
    services = {"logs": {"at": ["n1", "n2"], "reserve": 3}, "web": {"at": ["n1", "n2"], "reserve": 5}}
    view = with_changes(cluster(services), "logs", replicas=None)
    assert reason(planned(view, more("web", 2, 4))).endswith("2 nodes like n1 would do")
    marked = cluster({"web": {"at": ["n1"], "reserve": 5, "follows": ["db"]}}, {"n1": {"anchors": ["db"]}, "n2": None})
    assert reason(planned(marked, more("web", 1, 2))).endswith("no further node like those that are there would do")


def test_a_new_node_has_no_task_of_a_job() -> None:
    services = {"job": {"at": ["n1", "n2"], "reserve": 3}, "web": {"at": ["n1", "n2"], "reserve": 4}}
    for job, says in ((False, "2 nodes like n1 would do"), (True, "1 node like n1 would do")):
        view = with_changes(cluster(services), "job", replicas=None, job=job)
        assert reason(planned(view, more("web", 2, 4))).endswith(says)


def test_the_fewest_nodes_are_named_and_workers_before_managers() -> None:
    view = cluster({"web": {"at": ["n1", "n2", "n3"], "reserve": 5}}, {"n1": None, "n2": None, "n3": {"gib": 20}})
    assert reason(planned(view, more("web", 3, 12))).endswith("2 nodes like n3 would do")
    even = cluster({"web": {"at": ["n1", "n2"], "reserve": 5}})
    ruled = replace(even, nodes=tuple(replace(n, role=Role.MANAGER) if n.id == "n1" else n for n in even.nodes))
    assert reason(planned(ruled, more("web", 2, 3))).endswith("1 node like n2 would do")


def test_the_number_for_a_service_counts_what_was_refused_before_it() -> None:
    view = cluster({name: {"at": ["n1", "n2"], "reserve": 3} for name in ("api", "web")})
    found = planned(view, more("api", 2, 4), more("web", 2, 3))
    assert reason(found, "api").endswith("1 node like n1 would do")
    assert reason(found).endswith("2 nodes like n1 would do, since what was refused before it comes first")


def test_beyond_the_first_ten_a_number_is_for_the_service_alone() -> None:
    names = [f"s{n:02}" for n in range(12)]
    view = cluster({name: {"at": [], "reserve": 8, "replicas": 0} for name in names}, {"n1": {"availability": "drain"}})
    found = planned(view, *(more(name, 0, 1) for name in names[:-1]), more(names[-1], 0, 3))
    assert reason(found, "s09").endswith("10 nodes like n1 would do, since what was refused before it comes first")
    assert reason(found, "s10").endswith("1 node like n1 would do for it alone")
    assert reason(found, "s11").endswith("3 nodes like n1 would do for it alone")


def test_that_a_service_has_its_most_on_a_node_keeps_no_other_from_it() -> None:
    full, other = {"at": ["n1", "n2"], "max_per_node": 1}, {"at": ["n1"], "max_per_node": 1}
    found = planned(cluster({"api": full, "web": other}), more("api", 2, 3), more("web", 1, 2))
    assert counts(found) == {"api": 2, "web": 2}


def test_a_refusal_is_shown_where_somebody_asks_about_the_service() -> None:
    view = cluster({"web": {"at": ["n1", "n2"], "reserve": 6}})
    policy = parse_policy({"services": {"web": {"scale": {"min": 3, "max": 9}}}}, "f.yml")
    found = plan(decide(view, policy, Memory(), NOW), view, policy, Memory(), NOW, lambda: "id")
    said = explain(view, policy, "web", NOW, found.arrangement, found.decisions).sentences[-1]
    assert said == (
        "Of its replicas: scale web from 2 to 3, because 2 is below min 3; leave web at 2, because 1 more replica does "
        "not fit: insufficient memory on 2 nodes; 1 node like n1 would do."
    )
