"""Keeps the status of an HTTP answer whose headers break off.

`http.client` raises for such an answer, and its status is lost. `wrap_http` wraps the reading of
answers so that the answer has the status, the headers that came, and a body that is cut off.
"""

from __future__ import annotations

import email
import http.client
import io
from collections.abc import Callable
from typing import Any, BinaryIO, Final

#: They describe a body that is not read.
_BODY_HEADERS: Final = ("Content-Length", "Content-Encoding", "Transfer-Encoding")


class RecordedLines:
    """A file that is read line by line; keeps the lines in `lines`, and calls `on_line` with each.

    An incomplete last line reads as the end of the file.
    """

    def __init__(
        self, file: BinaryIO, on_line: Callable[[bytes], object] = lambda line: None
    ) -> None:
        self.file: Final = file
        self.lines: Final[list[bytes]] = []
        self._on_line = on_line

    def readline(self, limit: int) -> bytes:
        """The next line, or its first `limit` bytes; empty at the end of the file."""
        line = self.file.readline(limit)
        if not line.endswith(b"\n") and len(line) < limit:
            return b""
        self.lines.append(line)
        self._on_line(line)
        return line

    def flush(self) -> None:
        """Do nothing, as `flush` of every file that is read."""

    def close(self) -> None:
        """Close the file."""
        self.file.close()


def wrap_http(is_sending: Callable[[], bool]) -> None:
    """Make `http.client` keep a status that it has read, for calls where `is_sending()`.

    A status of 1xx is skipped, and the answer to a proxy's CONNECT is left alone: neither is the
    answer to the request.
    """
    kind: Any = http.client.HTTPResponse
    begin: Callable[..., None] = kind.begin
    read_status: Callable[[http.client.HTTPResponse], tuple[str, int, str]] = kind._read_status

    def final_status(self: http.client.HTTPResponse) -> tuple[str, int, str]:
        """The status of the answer itself, after any of 1xx (RFC 9110, 15.2)."""
        found = read_status(self)
        while found[1] < 200 and found[1] != http.client.SWITCHING_PROTOCOLS:
            http.client.parse_headers(self.fp)
            found = read_status(self)
        return found

    def kept_begin(self: Any, **limits: Any) -> None:
        if self.headers is not None or not is_sending():
            begin(self, **limits)
            return
        found = final_status(self)
        self._read_status = lambda: found
        recorded = self.fp = RecordedLines(self.fp)
        is_whole = False
        try:
            begin(self, **limits)
            is_whole = recorded.lines[-1:] in ([b"\r\n"], [b"\n"])
        except (OSError, http.client.HTTPException):
            # In another protocol, the number may mean anything.
            if found[1] < 200 or not isinstance(self.version, int):
                raise
        finally:
            self.fp = recorded.file
        if not is_whole:
            _make_cut(self, recorded.lines)

    kind._read_status = final_status
    kind.begin = kept_begin


def _make_cut(response: Any, lines: list[bytes]) -> None:
    """Turn it into a response with these header lines, and a body that is cut off at once."""
    response.fp.close()
    whole = b"".join(line for line in lines if line.endswith(b"\n")).decode("iso-8859-1")
    headers = email.message_from_string(whole, _class=http.client.HTTPMessage)
    for name in _BODY_HEADERS:
        del headers[name]
    headers["Content-Length"] = "1"
    response.headers = response.msg = headers
    response.fp, response.length = io.BytesIO(), 1
    response.chunked, response.will_close = False, True
