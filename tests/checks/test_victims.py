# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller and the module foretell the same victims: the one decides on them, the other sees that it holds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ansible_collections.swarmherd.cluster.plugins.module_utils import _victims
from hypothesis import given
from hypothesis import strategies as st
from swarmherd.decide.foretell import victims
from swarmherd.model import ClusterView, Service, Task, TaskState

NOW = datetime(2026, 3, 1, tzinfo=UTC)
tasks_of_a_slot = st.lists(
    st.tuples(
        st.sampled_from(["", "n1", "n2", "n3", "n4"]),
        st.sampled_from(["running", "running", "starting", "pending"]),
        st.sampled_from(["running", "running", "running", "ready", "shutdown"]),
    ),
    min_size=1,
    max_size=2,
)


@given(st.lists(tasks_of_a_slot, min_size=1, max_size=15), st.integers(0, 15), st.integers(0, 1))
def test_both_foretell_the_same_tasks_and_are_certain_of_the_same(
    slots: list[list[tuple[str, str, str]]], after: int, missing: int
) -> None:
    found = [(slot, k, *one) for slot, tasks in enumerate(slots, 1) for k, one in enumerate(tasks)]
    replicas = len({slot for slot, _k, _node, _state, desired in found if desired != "shutdown"}) + missing
    view_tasks = tuple(
        Task(f"{slot}.{k}", "web", slot, node, TaskState(state), TaskState(desired), NOW, NOW)
        for slot, k, node, state, desired in found
    )
    documents = [_document(*one) for one in found]
    service = Service("s", "web", 1, replicas, NOW)
    spec = {"Spec": {"Name": "web", "Mode": {"Replicated": {"Replicas": replicas}}}}
    ours = _victims.leaving(spec, documents, after)
    if after >= replicas:
        assert ours == _victims.Leaving((), "")
        return
    theirs = victims(ClusterView("shop", NOW, (), (service,), view_tasks), service, replicas - after)
    assert {task["ID"] for task in ours.tasks} == theirs.tasks
    assert (ours.why == "") is theirs.certain


def _document(slot: int, k: int, node: str, state: str, desired: str) -> dict[str, Any]:
    return {"ID": f"{slot}.{k}", "Slot": slot, "NodeID": node, "Status": {"State": state}, "DesiredState": desired}
