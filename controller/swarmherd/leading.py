# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds a cluster's lease, or waits for it, in a thread of its own: whatever the loop is doing, it is renewed (S16)."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import structlog

from swarmherd.enact.processes import identity, is_gone
from swarmherd.lease import Lease, LeaseLostError, Mandate, Watched, look_after_seconds
from swarmherd.store import Leases, StoreError

log = structlog.get_logger()


def instant() -> float:
    """Seconds of a clock that nobody sets, and that counts the time that the machine is asleep."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Leadership:
    """This controller's part in who leads one cluster. Its methods may be called from any thread."""

    def __init__(self, leases: Leases, cluster: str, ttl_seconds: float, clock: Callable[[], float] = instant) -> None:
        self._leases = leases
        self._cluster = cluster
        self._ttl = ttl_seconds
        self._instant = clock
        self._holder = f"{identity()}:{uuid.uuid4().hex[:12]}"
        self._mandate: Mandate | None = None
        self._watched: Watched | None = None
        self._problem = ""
        self.another_lives = False
        """Whether another controller was seen to renew the lease."""
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._work, name=f"lease-{cluster}", daemon=True)

    def start(self) -> None:
        """The first attempt is made at once, the others by the thread."""
        self.step()
        self._thread.start()

    def stop(self) -> None:
        """Gives the lease up, so that another controller need not wait for it to run out."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()
        mandate, self._mandate = self._mandate, None
        if mandate is not None:
            try:
                self._leases.release(self._holder, mandate.token)
            except StoreError as error:
                log.warning(f"the lease was not given up, it runs out: {error}", cluster=self._cluster)
        self._leases.close()

    # ------------------------------------------------------------ what the loop asks

    @property
    def token(self) -> int | None:
        """Ours, while nobody else can lead."""
        mandate = self._mandate
        return mandate.token if mandate is not None and mandate.valid(self._instant()) else None

    @property
    def problem(self) -> str:
        """Why the database cannot be asked; empty while it can."""
        return self._problem

    def permit(self, token: int) -> None:
        """Raises LeaseLostError, unless what was begun with `token` may go on."""
        if self.token != token:
            raise LeaseLostError(f"the lease was lost: {self._lost}")

    @property
    def _lost(self) -> str:
        return self.why_not if self.token is None else "it had run out before this controller took it again"

    @property
    def why_not(self) -> str:
        """Why we do not lead, in words."""
        watched, mandate = self._watched, self._mandate
        if mandate is not None:
            silent = self._instant() - mandate.asked_at
            return f"it was not renewed for {silent:.1f} s" + (f" ({self._problem})" if self._problem else "")
        if self._problem:
            return f"nobody can tell who leads: {self._problem}"
        return str(watched.lease) if watched is not None else "no controller leads"

    # ------------------------------------------------------------ what the thread does

    def _work(self) -> None:
        while not self._ending.wait(self._pause()):
            try:
                self.step()
            except Exception as error:  # noqa: BLE001  (a surprise costs an attempt, and never the thread)
                self._say_problem(f"{type(error).__name__}: {error}")

    def _pause(self) -> float:
        """Until the next attempt; one that failed is made again soon."""
        mandate = self._mandate
        return look_after_seconds(self._ttl) if mandate is None or self._problem else mandate.renew_after_seconds

    def step(self) -> None:
        """One attempt to renew what we hold, or to take what nobody holds."""
        try:
            if self._mandate is not None:
                self._renew(self._mandate)
            else:
                self._look()
        except StoreError as error:
            self._say_problem(str(error))
        else:
            self._problem = ""

    def _renew(self, mandate: Mandate) -> None:
        """One that has run out is not renewed, even if nobody took it: what was begun with it is too old to go on."""
        asked_at = self._instant()
        if mandate.valid(asked_at) and self._leases.renew(self._holder, mandate.token):
            self._mandate = replace(mandate, asked_at=asked_at)
            return
        self._mandate = None
        self._look()
        log.warning(f"the lease was lost: {self._lost}", cluster=self._cluster)

    def _look(self) -> None:
        lease = self._leases.read()
        if lease is not None:
            self._see(lease)
        if lease is None or lease.holder == self._holder or is_gone(lease.holder) or self._run_out():
            self._take(lease)

    def _run_out(self) -> bool:
        return self._watched is not None and self._watched.may_be_taken(self._instant())

    def _see(self, lease: Lease) -> None:
        before, now = self._watched, self._instant()
        self._watched = before.seen(lease, now) if before is not None else Watched(lease, now)
        if before is not None and not lease.free and lease != before.lease:
            self.another_lives = True

    def _take(self, lease: Lease | None) -> None:
        asked_at = self._instant()
        token = self._leases.take(lease, self._holder, datetime.now(UTC))
        if token is None:
            if (taken := self._leases.read()) is not None:
                self._see(taken)
            return
        self._mandate = Mandate(token, self._ttl, asked_at)
        self._watched, self.another_lives = None, False
        log.info("this controller leads", cluster=self._cluster, token=token)

    def _say_problem(self, problem: str) -> None:
        if problem != self._problem:
            log.error(f"the lease cannot be asked for: {problem}", cluster=self._cluster)
        self._problem = problem
