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
# Shorter ones are replaced only where they stand alone: else a secret "a" would mask every text.
_ANYWHERE_LENGTH: Final = 5
# Letters with digits are a token; a word of a path is none.
_TOKEN: Final = re.compile(r"(?=[^\s@.:]*\d)(?=[^\s@.:]*[A-Za-z])[^\s@.:]{8,}")

_lock: Final = threading.Lock()
_secrets: set[str] = set()
_pattern: re.Pattern[str] | None = None


def remember(secrets: Iterable[str]) -> None:
    """From now on `redact` masks these values, also where they are URL-quoted, in JSON or Base64.

    An empty value is ignored.
    """
    global _pattern
    with _lock:
        known = len(_secrets)
        for secret in secrets:
            if secret.strip():
                _secrets.update(_forms(secret))
        if len(_secrets) != known:
            _pattern = _compile(_secrets)


def redact(text: str) -> str:
    """The text with every remembered secret replaced by `***`."""
    pattern = _pattern
    return text if pattern is None else pattern.sub(MASK, text)


def is_secret(text: str) -> bool:
    """Whether the text holds a remembered secret."""
    pattern = _pattern
    return pattern is not None and pattern.search(text) is not None


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
