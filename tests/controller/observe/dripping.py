# SPDX-License-Identifier: GPL-3.0-or-later
"""A server whose headers do not end: a byte now and then, for longer than any test waits."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def dripping(listener: socket.socket) -> Iterator[socket.socket]:
    over = threading.Event()

    def drip(connection: socket.socket) -> None:
        with connection, suppress(OSError):  # the reader has given up, as it should
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
            for _byte in range(200):
                if over.wait(0.05):
                    return
                connection.sendall(b"a")

    def serve() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=drip, args=(listener.accept()[0],), daemon=True).start()

    with listener:
        threading.Thread(target=serve, daemon=True).start()
        yield listener
        over.set()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
