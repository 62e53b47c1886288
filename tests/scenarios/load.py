# SPDX-License-Identifier: GPL-3.0-or-later
"""A steady, bounded load of idempotent requests on the shop, by the clock and not by its answers."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass

LATE_SECONDS = 15.0
"""A request that is not answered by then has failed."""
MOST_IN_FLIGHT = 300


@dataclass(slots=True)
class Request:
    sent: float
    """time.monotonic()"""
    problem: str | None = None
    """Why it failed; "" when it did not; None while it is on its way."""


class Load:
    """So many GETs a second on one address, each on a connection of its own, until stopped."""

    def __init__(self, address: str, port: int, per_second: float) -> None:
        self._address, self._port, self._every = address, port, 1 / per_second
        self._requests: list[Request] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._send()), name="load", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(LATE_SECONDS + 5)

    def sent(self, since: float, until: float) -> int:
        """Requests that left between two times."""
        return len(self._between(since, until))

    def failures(self, since: float, until: float) -> list[str]:
        """Why those failed that did, in the order in which they left. Waits for the last answers."""
        found = self._between(since, until)
        deadline = time.monotonic() + LATE_SECONDS + 2
        while any(one.problem is None for one in found) and time.monotonic() < deadline:
            time.sleep(0.05)
        return [f"{one.sent - since:.1f} s: {one.problem or 'no answer'}" for one in found if one.problem != ""]

    def _between(self, since: float, until: float) -> list[Request]:
        return [one for one in list(self._requests) if since <= one.sent < until]

    async def _send(self) -> None:
        began, number, under_way = time.monotonic(), 0, set()
        while not self._stop.is_set():
            number += 1
            await asyncio.sleep(max(0.0, began + number * self._every - time.monotonic()))
            one = Request(time.monotonic())
            self._requests.append(one)
            if len(under_way) >= MOST_IN_FLIGHT:
                one.problem = f"{MOST_IN_FLIGHT} were unanswered"
                continue
            task = asyncio.create_task(self._request(one))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        await asyncio.gather(*under_way)

    async def _request(self, one: Request) -> None:
        try:
            async with asyncio.timeout(LATE_SECONDS):
                one.problem = await self._get()
        except TimeoutError:
            one.problem = f"no answer within {LATE_SECONDS:g} s"
        except OSError as error:
            one.problem = str(error) or type(error).__name__

    async def _get(self) -> str:
        reader, writer = await asyncio.open_connection(self._address, self._port)
        try:
            writer.write(b"GET / HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n")
            answer = await reader.read()
        finally:
            writer.close()
        status = answer.split(b"\r\n", 1)[0].decode(errors="replace")
        return "" if " 200 " in status and answer.endswith(b"sold\n") else status or "an empty answer"
