# SPDX-License-Identifier: GPL-3.0-or-later
"""The lease in a real database, held by threads: renewed whatever else goes on, lost in time, and fencing the store."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from swarmherd.enact.processes import identity, is_gone
from swarmherd.leading import Leadership
from swarmherd.lease import LeaseLostError
from swarmherd.model import Action, Memory, ServiceMemory
from swarmherd.store import Leases, Store, StoreError

from tests.controller.loop.test_service import until

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TTL = 2.0


class Clock:
    """An instant that the test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(state_url: str) -> Iterator[Store]:
    one = Store(state_url, "shop")
    yield one
    one.close()


Join = Callable[[], Leadership]


@pytest.fixture
def join(state_url: str, store: Store, clock: Clock) -> Iterator[Join]:  # noqa: ARG001  (it makes the schema)
    """A further controller, whose thread is not started: the test makes its attempts."""
    joined: list[Leadership] = []

    def one() -> Leadership:
        joined.append(Leadership(Leases(state_url, "shop", TTL), "shop", TTL, clock))
        return joined[-1]

    yield one
    for leadership in joined:
        leadership.stop()


def test_the_first_leads_and_the_second_waits_until_it_is_given_up(join: Join, store: Store) -> None:
    first, second = join(), join()
    first.step()
    second.step()
    assert (first.token, second.token) == (1, None)
    assert second.why_not == str(store.lease())
    assert not second.another_lives, "nothing was seen of it but a row"
    first.step()
    second.step()
    assert second.another_lives
    first.stop()
    second.step()
    assert (first.token, second.token) == (None, 2)


def test_a_lease_that_is_not_renewed_is_taken_and_its_late_holder_can_do_nothing(
    join: Join, store: Store, clock: Clock
) -> None:
    first, second = join(), join()
    first.step()
    second.step()
    store.token = 1
    clock.now += TTL
    assert first.token is None, "it knows by its own clock"
    with pytest.raises(LeaseLostError, match=r"the lease was lost: it was not renewed for 2\.0 s"):
        first.permit(1)
    second.step()
    assert second.token == 2
    with pytest.raises(LeaseLostError, match="another controller leads"):
        store.begin(Action("a", "scale", "shop", "web", {}, {}, "why"), NOW, NOW, "n1:1")
    with pytest.raises(LeaseLostError):
        store.remember(Memory(), Memory({"web": ServiceMemory(failures=1)}))
    with pytest.raises(LeaseLostError):
        store.record((), "late", NOW)
    assert (store.history(9), store.memory(), store.last_cycle()) == ((), Memory(), None)
    first.step()
    assert first.token is None
    with pytest.raises(LeaseLostError, match="another controller leads"):
        first.permit(1)


def test_what_was_begun_under_an_earlier_lease_of_our_own_does_not_go_on(join: Join, clock: Clock) -> None:
    first, second = join(), join()
    first.step()
    second.step()
    clock.now += TTL
    second.step()
    first.step()
    second.stop()
    first.step()
    assert first.token == 3
    with pytest.raises(LeaseLostError):
        first.permit(1)


def test_of_many_that_reach_for_it_at_once_one_gets_it(join: Join, store: Store) -> None:
    controllers = [join() for _number in range(8)]
    barrier = threading.Barrier(len(controllers))

    def reach(one: Leadership) -> None:
        barrier.wait(10)
        one.step()

    threads = [threading.Thread(target=reach, args=(one,)) for one in controllers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [one.token for one in controllers].count(1) == 1
    others = [one for one in controllers if one.token is None]
    assert len(others) == len(controllers) - 1
    assert {one.why_not for one in others} == {str(store.lease())}, "each knows who was quicker"


def test_it_is_renewed_whatever_the_loop_is_doing(state_url: str, store: Store) -> None:
    leadership = Leadership(Leases(state_url, "shop", TTL), "shop", TTL)
    leadership.start()
    try:
        lease = store.lease()
        assert lease is not None
        until("two renewals, while this thread does something else", lambda: store.lease().beat >= lease.beat + 2)
        assert leadership.token == 1
    finally:
        leadership.stop()
    assert store.lease().free


def test_without_its_database_a_leader_stops_and_says_why(
    join: Join, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = join()
    first.step()

    def gone(*_: object) -> None:
        raise StoreError("state: disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr("swarmherd.store.leases.Leases.renew", gone)
        first.step()
        assert (first.token, first.problem) == (1, "state: disk I/O error")
        patch.setattr("swarmherd.store.leases.Leases.read", gone)
        clock.now += TTL
        assert first.token is None
        with pytest.raises(LeaseLostError, match=r"was not renewed for 2\.0 s \(state: disk I/O error\)"):
            first.permit(1)
        first.step()
        with pytest.raises(LeaseLostError, match="nobody can tell who leads: state: disk I/O error"):
            first.permit(1)
    first.step()
    assert (first.token, first.problem) == (2, ""), "nobody led in between, and it leads anew"
    with pytest.raises(LeaseLostError, match="it had run out before this controller took it again"):
        first.permit(1)


def test_a_restart_does_not_lower_the_token(join: Join) -> None:
    for expected in (1, 2, 3):
        one = join()
        one.step()
        assert one.token == expected
        one.stop()


def test_a_holder_that_is_certainly_gone_is_not_waited_for(join: Join, state_url: str) -> None:
    died = subprocess.run(
        [sys.executable, "-c", f"""
from swarmherd.enact.processes import identity, is_gone
from swarmherd.leading import Leadership
from swarmherd.store import Leases
one = Leadership(Leases({state_url!r}, "shop", {TTL}), "shop", {TTL})
one.step()
print(one.token)
"""], capture_output=True, text=True, timeout=60, check=True)  # fmt: skip
    assert died.stdout.split()[-1] == "1", died
    one = join()
    one.step()
    assert one.token == 2


def test_another_process_of_the_same_number_is_not_the_one_that_held_it() -> None:
    mine = identity()
    assert not is_gone(mine)
    assert is_gone(f"{mine}0"), "it began at another time"
    host, pid, seen = mine.split(":")
    assert not is_gone(f"{host}:{pid}:other{seen}"), "of another machine nobody can tell"
    assert not is_gone(f"{host}:{pid}")
    assert not is_gone("")
