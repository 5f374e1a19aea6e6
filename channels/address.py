"""What is written for an address where a URL or a channel's name is wanted."""

from __future__ import annotations

import re
from typing import Final

_MAIL: Final = re.compile(r"(?:[^<>]*<)?[^@\s<>]+@[^@\s<>]+\.[^@\s<>]+>?")
_PHONE: Final = re.compile(r"\+?[0-9][0-9 ()/.-]{5,}")
_HOST: Final = re.compile(r"(?:[a-z0-9-]+\.)+[a-z0-9-]+(?::\d+)?(?:/\S*)?|localhost\S*", re.I)
_ROOM: Final = re.compile(r"[#@][\w.-]+|slack:.*", re.I)
_KINDS: Final = (
    (_MAIL, "a mail address", "mailtos://USER:PASSWORD@SERVER?to=ADDRESS", "email"),
    (_ROOM, "a room of a chat", "slack://TOKEN_A/TOKEN_B/TOKEN_C/%23ROOM", "slack"),
)


def address_kind(text: str) -> tuple[str, str]:
    """What a text is that is no URL, and what to write for it; both "" where that is not known.

    Nothing of the text is repeated: it may hold a secret.
    """
    text = text.strip()
    for pattern, what, url, block in _KINDS:
        if pattern.fullmatch(text):
            return what, f"write {url}, or use the block `{block}` under `notifications:`"
    if _PHONE.fullmatch(text) and sum(map(str.isdigit, text)) >= 7:
        url = "twilio://SID:TOKEN@FROM/TO"
        what = f"write the URL of the service that texts it, such as {url}, or use the block `sms`"
        return "a telephone number", f"{what} under `notifications:`"
    if _HOST.fullmatch(text):
        return "an address without its scheme", "begin it with https:// or http://"
    return "", ""
