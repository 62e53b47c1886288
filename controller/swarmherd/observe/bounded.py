# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers over HTTP that are bounded in size and in total time (S25).

The timeout of `requests` is for each read of the socket: a server that sends a byte now and then is never late. And
`requests` gives nothing away before it has all headers. So the deadline is held where the socket is read: there is no
public way to it but the class of what urllib3 takes for an answer, which reads as ever where nobody set a deadline.
"""

from __future__ import annotations

import http.client
import io
import socket
import threading
import time
from typing import Any

import requests
from urllib3.connection import HTTPConnection
from urllib3.exceptions import HTTPError, ReadTimeoutError

CHUNK_BYTES = 64 * 1024


class AnswerTooLarge(requests.RequestException):
    """The answer is larger than the caller can use; it was not read to its end."""


class _Deadline(threading.local):
    """When the answer that this thread waits for is late, by the monotonic clock."""

    at: float | None = None


_deadline = _Deadline()


class _Read(io.RawIOBase):
    """A connection's bytes until a deadline."""

    def __init__(self, raw: io.RawIOBase, connection: socket.socket, deadline: float) -> None:
        self._raw, self._connection, self._deadline = raw, connection, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer was not complete in time")
        self._connection.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Answer(http.client.HTTPResponse):
    """An answer that is over, headers and body, at the deadline of the thread that asked."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        if _deadline.at is not None:
            self.fp = io.BufferedReader(_Read(self.fp.detach(), sock, _deadline.at))


HTTPConnection.response_class = _Answer


class BoundedAnswers(requests.Session):
    """A session, or a base of one, whose every answer is read at once, within `max_bytes` and `max_seconds`.

    No redirect is followed: the body of each answer on the way would be read without bounds.
    """

    max_bytes: int = 32 * 1024 * 1024
    max_seconds: float = 30.0

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Even where it is told not to follow, `requests` reads the body of an answer that has a target."""

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """As `requests` does it. Raises AnswerTooLarge, or requests.Timeout when the answer takes too long."""
        kwargs["stream"] = True
        _deadline.at = time.monotonic() + self.max_seconds
        try:
            response = super().send(request, **kwargs)
            try:
                body = self._body(response)
            finally:
                response.close()
        finally:
            _deadline.at = None
        response.raw = io.BytesIO(body)
        return response

    def _body(self, response: requests.Response) -> bytes:
        body = bytearray()
        # read1 gives what has arrived; read would wait for a whole chunk of a slow answer.
        while chunk := _arrived(response):
            body += chunk
            if len(body) > self.max_bytes:
                raise AnswerTooLarge(f"the answer is larger than {self.max_bytes} bytes")
        return bytes(body)


def _arrived(response: requests.Response) -> bytes:
    """What `requests` raises where it reads the body itself."""
    try:
        return bytes(response.raw.read1(CHUNK_BYTES, decode_content=True))
    except ReadTimeoutError as error:
        raise requests.Timeout(str(error)) from error
    except HTTPError as error:
        raise requests.ConnectionError(str(error)) from error
