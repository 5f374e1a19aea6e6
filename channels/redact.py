"""Secrets and plates are taken out of every text that leaves."""

from __future__ import annotations

import base64
import html
import json
import re
import threading
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final
from urllib.parse import quote, quote_plus, unquote, urlsplit

from channels.alert import Alert, Outcome
from engine.schema import NORMALIZED_PLATE, PLATE_TEXT, value_at

MASK: Final = "***"
_MIN_SECRET_LENGTH: Final = 4
# Shorter ones are replaced only where they stand alone.
_ANYWHERE_LENGTH: Final = 5
# Letters with digits are a token; a word of a path is none, unless no word is as long.
_TOKEN: Final = re.compile(
    r"(?=[^\s@.:]*\d)(?=[^\s@.:]*[A-Za-z])[^\s@.:]{8,}|[A-Za-z0-9+_]{24,}|[A-Za-z]{20,}"
)
# What parts a token such as a JWT, or Telegram's `123456789:AAHdq…`; a host's name has dots too.
_JOINTS: Final = re.compile(r"[.:~,;!|]")
_QUOTED: Final = re.compile(r"%[0-9A-F]{2}")
#: Names of headers, and of keys in a URL, whose values are secrets.
SECRET_NAME: Final = re.compile(
    r"auth|token|key|secret|signature|cookie|passw|credential|session|jwt"
    r"|^(sig|pass|pwd|pw|code|sid|hash|hmac|access|t|k|s)$",
    re.I,
)
# So much of a secret's beginning is masked at the end of a text that was cut there.
_MIN_BEGINNING: Final = 6


class SecretMemory:
    """Remembered secrets; safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._secrets: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        # Many are remembered one after another while rules are loaded: the pattern is made when it
        # is asked for.
        self._is_stale = False

    def remember(self, secrets: Iterable[str]) -> None:
        """Mask these values from now on, also where they are URL-quoted, in JSON or Base64.

        A value of less than four characters is no secret.
        """
        with self._lock:
            known = len(self._secrets)
            for secret in secrets:
                if len(secret.strip()) >= _MIN_SECRET_LENGTH:
                    self._secrets.update(_forms(secret))
            if len(self._secrets) != known:
                self._is_stale = True

    def redact(self, text: str) -> str:
        """The text with every remembered secret replaced by `***`."""
        if self._is_stale:
            with self._lock:
                self._pattern, self._is_stale = _compile(self._secrets), False
        pattern = self._pattern
        return text if pattern is None else pattern.sub(MASK, text)

    def redact_beginning(self, text: str) -> str:
        """As `redact`, of a text that may end inside a secret: what is there of it is masked."""
        text = self.redact(text)
        with self._lock:
            secrets = tuple(self._secrets)
        longest = max((_overlap(text, secret) for secret in secrets), default=0)
        return text[: len(text) - longest] + MASK if longest >= _MIN_BEGINNING else text


def _overlap(text: str, secret: str) -> int:
    """How many of the last characters of the text are the first of the secret."""
    lengths = range(min(len(text), len(secret)), _MIN_BEGINNING - 1, -1)
    return next((length for length in lengths if text.endswith(secret[:length])), 0)


_process: Final = SecretMemory()
remember: Final = _process.remember
redact: Final = _process.redact
redact_beginning: Final = _process.redact_beginning


def url_secrets(url: str) -> Iterator[str]:
    """What is secret in a URL: all of it, its login, its keys, and every part that looks a token.

    Parts are given as they are written; one that is quoted also as what it means.
    """
    yield url
    try:
        parts = urlsplit(url)
        username, password = unquote(parts.username or ""), unquote(parts.password or "")
    except ValueError:
        return
    if password:
        yield password
        yield basic_login(username, password)
    elif is_token(username):
        yield username
    rest = url.partition("://")[2].rpartition("@")[2]
    host, *path = re.split(r"[/?&=#;]", rest)
    yield from _both(host) if is_token(host) else ()
    for part in path:
        yield from _both(part) if _holds_token(unquote(part)) else ()
    for name, value in re.findall(r"[?&;#]([^=&;#]*)=([^&;#]*)", rest):
        yield from _both(value) if SECRET_NAME.search(unquote(name)) else ()


def _both(part: str) -> Iterator[str]:
    yield part
    yield unquote(part)


def _holds_token(part: str) -> bool:
    """Whether a part of a path or a query is a token, or tokens joined by dots or colons."""
    return "@" not in part and any(is_token(piece) for piece in _JOINTS.split(part))


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
    # As PHP writes JSON, as some servers quote, and as a text is shown on one line.
    forms |= {json.dumps(stripped)[1:-1].replace("/", "\\/"), " ".join(stripped.split())}
    forms |= {_QUOTED.sub(lambda found: found[0].lower(), form) for form in tuple(forms)}
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


PLATE: Final = "[plate]"
DETAIL_LENGTH: Final = 200
_MIN_PLATE_LENGTH: Final = 3
#: What may stand between the characters of a plate, as it is or quoted.
_BETWEEN: Final = r"(?:[\W_]|%[0-9a-f]{2}|&\w{2,6};|\\u00[0-9a-f]{2}){0,3}"

#: No letter and no digit, unless they end a quoted sign: `%20`, `\u0020`, `\n`.
_BEFORE: Final = r"(?:(?<![^\W_])|(?<=%[0-9a-f]{2})|(?<=\\u[0-9a-f]{4})|(?<=\\[nrtbf]))"


def redact_outcome(outcome: Outcome, alert: Alert) -> Outcome:
    """The outcome without secrets and without the alert's plate, which receivers may echo.

    The detail is cut last: a secret that were cut before could not be told.
    """
    if not outcome.detail:
        return outcome
    detail = redact_beginning(outcome.detail)
    for pattern in _plates(alert):
        detail = pattern.sub(PLATE, detail)
    return replace(outcome, detail=_short(detail))


def _short(text: str) -> str:
    return text if len(text) <= DETAIL_LENGTH else f"{text[: DETAIL_LENGTH - 1].rstrip()}…"


def _plates(alert: Alert) -> Iterator[re.Pattern[str]]:
    """Patterns of the plate as the event has it, and as others write it.

    As the event has it, it is found anywhere; in small letters and with other signs between its
    own, as a word of its own.
    """
    for path in (PLATE_TEXT, NORMALIZED_PLATE):
        text = value_at(alert.event, path)
        if not isinstance(text, str) or len(text.strip()) < _MIN_PLATE_LENGTH:
            continue
        yield re.compile(re.escape(text))
        signs = [sign for sign in text if sign.isalnum()]
        if len(signs) >= _MIN_PLATE_LENGTH:
            plate = _BETWEEN.join(map(_sign, signs))
            yield re.compile(rf"{_BEFORE}{plate}(?![^\W_])", re.IGNORECASE)


def _sign(sign: str) -> str:
    """One character of a plate: itself, or as JSON, a URL or HTML may write it."""
    forms = {sign, quote(sign), json.dumps(sign)[1:-1], html.escape(sign), f"&#{ord(sign)};"}
    return f"(?:{'|'.join(map(re.escape, sorted(forms)))})"
