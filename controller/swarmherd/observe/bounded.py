# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers over HTTP that are bounded in size and in total time (S25).

The timeout of `requests` is for each read of the socket: a server that sends a byte now and then is never late. Bounded
in total is the body alone: `requests` gives nothing away before it has all headers, and of those a byte now and then
holds the caller up for as long as the server likes, or until they are as many or as long as `http.client` takes.
"""

from __future__ import annotations

import io
import time
from typing import Any

import requests
from urllib3.exceptions import HTTPError, ReadTimeoutError

CHUNK_BYTES = 64 * 1024


class AnswerTooLarge(requests.RequestException):
    """The answer is larger than the caller can use; it was not read to its end."""


class BoundedAnswers(requests.Session):
    """A session, or a base of one, whose every answer's body is read at once, within `max_bytes` and `max_seconds`.

    No redirect is followed: the body of each answer on the way would be read without bounds.
    """

    max_bytes: int = 32 * 1024 * 1024
    max_seconds: float = 30.0

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Even where it is told not to follow, `requests` reads the body of an answer that has a target."""

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """As `requests` does it. Raises AnswerTooLarge, or requests.Timeout when the body takes too long."""
        deadline = time.monotonic() + self.max_seconds
        kwargs["stream"] = True
        response = super().send(request, **kwargs)
        try:
            body = self._body(response, deadline)
        finally:
            response.close()
        response.raw = io.BytesIO(body)
        return response

    def _body(self, response: requests.Response, deadline: float) -> bytes:
        body = bytearray()
        # read1 gives what has arrived; read would wait for a whole chunk of a slow answer.
        while chunk := _arrived(response):
            body += chunk
            if len(body) > self.max_bytes:
                raise AnswerTooLarge(f"the answer is larger than {self.max_bytes} bytes")
            if time.monotonic() > deadline:
                raise requests.Timeout(f"the answer was not complete after {self.max_seconds:g} s")
        return bytes(body)


def _arrived(response: requests.Response) -> bytes:
    """What `requests` raises where it reads the body itself."""
    try:
        return bytes(response.raw.read1(CHUNK_BYTES, decode_content=True))
    except ReadTimeoutError as error:
        raise requests.Timeout(str(error)) from error
    except HTTPError as error:
        raise requests.ConnectionError(str(error)) from error
