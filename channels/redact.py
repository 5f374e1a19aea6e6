"""Secrets are remembered here as they are read, and taken out of every text that leaves.

Memory is for the whole process and only grows: a rotated secret must not show either.
"""

from __future__ import annotations

import base64
import html
import json
import re
import threading
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import quote, quote_plus, unquote, urlsplit

MASK: Final = "***"
_MIN_LENGTH: Final = 4
# Shorter ones are replaced only where they stand alone.
_ANYWHERE_LENGTH: Final = 5
# Letters with digits are a token; a word of a path is none.
_TOKEN: Final = re.compile(r"(?=[^\s@.:]*\d)(?=[^\s@.:]*[A-Za-z])[^\s@.:]{8,}")


class Memory:
    """Remembered secrets; safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._secrets: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def remember(self, secrets: Iterable[str]) -> None:
        """Mask these values from now on, also where they are URL-quoted, in JSON or Base64.

        A value of less than four characters is no secret.
        """
        with self._lock:
            known = len(self._secrets)
            for secret in secrets:
                if len(secret.strip()) >= _MIN_LENGTH:
                    self._secrets.update(_forms(secret))
            if len(self._secrets) != known:
                self._pattern = _compile(self._secrets)

    def redact(self, text: str) -> str:
        """The text with every remembered secret replaced by `***`."""
        pattern = self._pattern
        return text if pattern is None else pattern.sub(MASK, text)


_process: Final = Memory()
remember: Final = _process.remember
redact: Final = _process.redact


def url_secrets(url: str) -> Iterator[str]:
    """What is secret in a URL: the whole of it, its login, and every part that looks a token."""
    yield url
    try:
        parts = urlsplit(url)
        username, password = unquote(parts.username or ""), unquote(parts.password or "")
    except ValueError:
        return
    if password:
        yield password
        yield basic_login(username, password)
    rest = url.partition("://")[2].rpartition("@")[2]
    yield from (part for part in re.split(r"[/?&=#]", rest) if is_token(unquote(part)))


def basic_login(username: str, password: str) -> str:
    """The two as HTTP's Basic login has them in its header."""
    return base64.b64encode(f"{username}:{password}".encode()).decode()


def is_token(text: str) -> bool:
    """Whether the text looks like a token rather than like a word."""
    return _TOKEN.fullmatch(text) is not None


def _forms(secret: str) -> set[str]:
    stripped = secret.strip()
    forms = {secret, stripped, quote(stripped), quote(stripped, safe=""), quote_plus(stripped)}
    forms |= {json.dumps(stripped)[1:-1], html.escape(stripped), repr(stripped)[1:-1]}
    if len(stripped) >= _ANYWHERE_LENGTH:
        forms.add(base64.b64encode(stripped.encode("utf-8", "surrogateescape")).decode())
    return forms


def _compile(secrets: set[str]) -> re.Pattern[str]:
    # The longest first, so that a secret holding another is masked whole.
    ordered = sorted(secrets, key=lambda secret: (-len(secret), secret))
    return re.compile("|".join(_one(secret) for secret in ordered))


def _one(secret: str) -> str:
    if len(secret) >= _ANYWHERE_LENGTH:
        return re.escape(secret)
    return rf"(?<![^\W_]){re.escape(secret)}(?![^\W_])"
