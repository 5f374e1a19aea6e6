"""Answers of HTTP that break off before their end: a status that was read is the answer.

`http.client` gives up an answer whose headers break off, and with it the status. Its reading of
answers is wrapped here so that what was heard stays.
"""

from __future__ import annotations

import email
import http.client
import io
from collections.abc import Callable
from typing import Any, BinaryIO, Final

#: What these say of the body is about one that is not read.
_OF_THE_BODY: Final = ("Content-Length", "Content-Encoding", "Transfer-Encoding")


class RecordedLines:
    """The lines of a file, kept in `lines` as they are read, and given to `listen`.

    A line that the end of the file has cut is the end of the file.
    """

    def __init__(
        self, file: BinaryIO, listen: Callable[[bytes], object] = lambda line: None
    ) -> None:
        self.file: Final = file
        self.lines: Final[list[bytes]] = []
        self._listen = listen

    def readline(self, limit: int) -> bytes:
        """The next line, or so many bytes of it; nothing at the end of the file."""
        line = self.file.readline(limit)
        if not line.endswith(b"\n") and len(line) < limit:
            return b""
        self.lines.append(line)
        self._listen(line)
        return line

    def flush(self) -> None:
        """Do nothing, as it is for a file that is read."""

    def close(self) -> None:
        """Close the file."""
        self.file.close()


def wrap_http(is_sending: Callable[[], bool]) -> None:
    """Let `http.client` keep a status that it has read, where `is_sending` says so.

    A status of 1xx is passed over, and that of a proxy's CONNECT is not concerned: neither is the
    answer.
    """
    kind: Any = http.client.HTTPResponse
    begin: Callable[..., None] = kind.begin
    read_status: Callable[[http.client.HTTPResponse], tuple[str, int, str]] = kind._read_status

    def final_status(self: http.client.HTTPResponse) -> tuple[str, int, str]:
        """The status of the answer itself: others of 1xx may come before it (RFC 9110, 15.2)."""
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
        heard = self.fp = RecordedLines(self.fp)
        is_whole = False
        try:
            begin(self, **limits)
            is_whole = heard.lines[-1:] in ([b"\r\n"], [b"\n"])
        except (OSError, http.client.HTTPException):
            # Of another protocol the number may mean anything.
            if found[1] < 200 or not isinstance(self.version, int):
                raise
        finally:
            self.fp = heard.file
        if not is_whole:
            _cut(self, heard.lines)

    kind._read_status = final_status
    kind.begin = kept_begin


def _cut(response: Any, lines: list[bytes]) -> None:
    """Make it a response with these lines of headers, and a body of which nothing came."""
    response.fp.close()
    whole = b"".join(line for line in lines if line.endswith(b"\n")).decode("iso-8859-1")
    headers = email.message_from_string(whole, _class=http.client.HTTPMessage)
    for name in _OF_THE_BODY:
        del headers[name]
    headers["Content-Length"] = "1"
    response.headers = response.msg = headers
    response.fp, response.length = io.BytesIO(), 1
    response.chunked, response.will_close = False, True
