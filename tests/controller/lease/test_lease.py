# SPDX-License-Identifier: GPL-3.0-or-later
"""Who leads, told from instants alone; and several controllers under every order of freezing, waking and dying."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from swarmherd.lease import MARGIN, Lease, Mandate, Watched, attempt_seconds, holder_name

SINCE = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HELD = Lease("n1:42:a", 3, 7, 10.0, SINCE)


def test_a_lease_is_taken_only_after_it_was_seen_unchanged_for_its_ttl() -> None:
    watched = Watched(HELD, 100.0)
    assert not watched.may_be_taken(109.9)
    assert watched.may_be_taken(110.0)
    renewed = watched.seen(replace(HELD, beat=8), 109.0)
    assert not renewed.may_be_taken(118.9)
    assert renewed.seen(replace(HELD, beat=8), 118.0).may_be_taken(119.0), "the same beat again is no sign of life"


def test_a_lease_that_was_given_up_is_taken_at_once() -> None:
    assert Watched(replace(HELD, holder=""), 100.0).may_be_taken(100.0)


def test_the_holders_own_ttl_counts_and_not_that_of_who_waits() -> None:
    assert not Watched(replace(HELD, ttl_seconds=60), 100.0).may_be_taken(159.0)


def test_a_leader_stops_before_anybody_can_have_taken_its_lease() -> None:
    mandate = Mandate(3, 10.0, asked_at=100.0)
    assert mandate.valid(108.9)
    assert not mandate.valid(109.0)


def test_one_attempt_may_fail_and_another_hang_before_the_lease_is_lost() -> None:
    for ttl in (3.0, 10.0, 300.0):
        assert Mandate(1, ttl, 0.0).renew_after_seconds + 2 * attempt_seconds(ttl) <= ttl + 1e-9


def test_who_leads_is_said_with_host_process_and_time() -> None:
    assert str(HELD) == "another controller leads (host n1, pid 42, since 2026-03-01 12:00:00 UTC)"
    assert str(replace(HELD, holder="")) == "no controller leads"
    assert holder_name("n1") == ("n1", "")


class Controller:
    """The protocol with a clock of its own, as `leading` drives it; it can stand still, and wake."""

    def __init__(self, name: str, rate: float) -> None:
        self.name, self.rate = name, rate
        self.mandate: Mandate | None = None
        self.watched: Watched | None = None
        self.frozen = False

    def instant(self, true_seconds: float) -> float:
        return 1000.0 + true_seconds * self.rate

    def step(self, row: Lease, now: float, ttl: float) -> Lease:
        """The row after this controller's attempt."""
        instant = self.instant(now)
        if self.mandate is not None:
            if (row.holder, row.token) == (self.name, self.mandate.token):
                self.mandate = replace(self.mandate, asked_at=instant)
                return replace(row, beat=row.beat + 1)
            self.mandate = self.watched = None
        self.watched = self.watched.seen(row, instant) if self.watched else Watched(row, instant)
        if not self.watched.may_be_taken(instant):
            return row
        self.mandate, self.watched = Mandate(row.token + 1, ttl, instant), None
        return Lease(self.name, row.token + 1, 0, ttl, SINCE)

    def leads(self, now: float) -> bool:
        return self.mandate is not None and self.mandate.valid(self.instant(now))


EVENTS = st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["step", "freeze", "wake", "wait"])), max_size=120)
RATES = st.tuples(*[st.floats(1 - MARGIN / 2.2, 1 + MARGIN / 2.2)] * 3)


@given(EVENTS, RATES, st.lists(st.floats(0.05, 4.0), min_size=120, max_size=120))
def test_never_do_two_lead_whoever_freezes_and_wakes_when_and_however_their_clocks_drift(
    events: list[tuple[int, str]], rates: tuple[float, float, float], waits: list[float]
) -> None:
    controllers = [Controller(name, rate) for name, rate in zip("abc", rates, strict=True)]
    row, now, tokens = Lease("", 0, 0, 10.0, SINCE), 0.0, [0]
    for (who, what), wait in zip(events, waits, strict=False):
        one = controllers[who]
        if what == "wait":
            now += wait
        elif what == "step" and not one.frozen:
            row = one.step(row, now, 10.0)
        else:
            one.frozen = what == "freeze"
        tokens.append(row.token)
        assert sum(c.leads(now) for c in controllers) <= 1, "a frozen one counts: it may wake at this very instant"
    assert tokens == sorted(tokens), "a token never falls"
