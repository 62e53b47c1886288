# SPDX-License-Identifier: GPL-3.0-or-later
"""The other autoscalers decide as their documents say."""

from __future__ import annotations

from swarmherd.simulate.opponents import HorizontalPodAutoscaler, Keda, Nomad


def test_the_hpa_leaves_a_tenth_alone_and_follows_more() -> None:
    hpa = HorizontalPodAutoscaler(10.0)
    assert hpa.first(80.0) == 10
    assert hpa.decide(0, 87.0, 10, 10) == 10
    assert hpa.decide(1, 90.0, 10, 10) == 12


def test_the_hpa_goes_up_by_the_larger_of_doubling_and_four() -> None:
    assert HorizontalPodAutoscaler(10.0).decide(0, 8000.0, 2, 2) == 6
    assert HorizontalPodAutoscaler(10.0).decide(0, 8000.0, 30, 30) == 60


def test_the_hpa_goes_down_to_the_highest_wish_of_five_minutes() -> None:
    hpa = HorizontalPodAutoscaler(10.0)
    assert hpa.decide(0, 80.0, 10, 10) == 10
    assert [hpa.decide(step, 40.0, 10, 10) for step in range(1, 21)] == [10] * 19 + [5]


def test_the_hpa_forgets_its_wishes_while_it_knows_nothing() -> None:
    hpa = HorizontalPodAutoscaler(10.0)
    assert hpa.decide(0, 80.0, 10, 10) == 10
    assert hpa.decide(19, 40.0, 10, 10) == 10
    assert hpa.decide(20, 40.0, 10, 10) == 5


def test_the_hpa_counts_replicas_that_are_not_ready_as_idle_on_the_way_up() -> None:
    assert HorizontalPodAutoscaler(10.0).decide(0, 80.0, 10, 5) == 10
    assert HorizontalPodAutoscaler(10.0).decide(0, 96.0, 10, 5) == 12


def test_keda_looks_every_thirty_seconds() -> None:
    keda = Keda(10.0)
    assert keda.decide(0, 80.0, 10, 10) == 10
    assert keda.decide(1, 160.0, 10, 10) == 10
    assert keda.decide(2, 160.0, 10, 10) == 20


def test_nomad_rests_five_minutes_after_a_change() -> None:
    nomad = Nomad(10.0)
    assert nomad.decide(0, 160.0, 10, 10) == 20
    assert nomad.decide(19, 320.0, 20, 20) == 20
    assert nomad.decide(20, 320.0, 20, 20) == 40
