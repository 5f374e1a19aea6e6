"""Masks secrets and plates in texts: logs, errors, and the details of outcomes.

Whoever reads a secret gives it to `remember`. `redact` masks every remembered secret in a text, and
`redact_outcome` the alert's plate too.
"""

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
# Shorter secrets are masked only where they are a word of their own.
_MIN_LENGTH_INSIDE_WORDS: Final = 5
# Letters with digits are a token; letters alone only where no word is as long.
_TOKEN: Final = re.compile(
    r"(?=[^\s@.:]*\d)(?=[^\s@.:]*[A-Za-z])[^\s@.:]{8,}|[A-Za-z0-9+_]{24,}|[A-Za-z]{20,}"
)
# Separates the parts of a JWT, or of Telegram's `123456789:AAHdq…`.
_TOKEN_SEPARATOR: Final = re.compile(r"[.:~,;!|]")
_QUOTED: Final = re.compile(r"%[0-9A-F]{2}")
#: Names of headers, and of keys in a URL, whose values are secrets.
SECRET_NAME: Final = re.compile(
    r"auth|token|key|secret|signature|cookie|passw|credential|session|jwt"
    r"|^(sig|pass|pwd|pw|code|sid|hash|hmac|access|t|k|s)$",
    re.I,
)
# The shortest beginning of a secret that is masked at the end of a text that was cut.
_MIN_PREFIX: Final = 6
PLATE: Final = "[plate]"
DETAIL_LENGTH: Final = 200
_MIN_PLATE_LENGTH: Final = 3
#: What may be between the characters of a plate, as it is or quoted.
_PLATE_SEPARATORS: Final = r"(?:[\W_]|%[0-9a-f]{2}|&\w{2,6};|\\u00[0-9a-f]{2}){0,3}"
#: Neither a letter nor a digit, unless it ends a quoted character: `%20`, `\u0020`, `\n`.
_BEFORE_PLATE: Final = r"(?:(?<![^\W_])|(?<=%[0-9a-f]{2})|(?<=\\u[0-9a-f]{4})|(?<=\\[nrtbf]))"


class SecretMemory:
    """A set of secrets that masks them in texts; safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._secrets: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        # Loading rules remembers many in a row, so the pattern is compiled only when it is needed.
        self._is_stale = False

    def remember(self, secrets: Iterable[str]) -> None:
        """Mask these values from now on: as they are, URL-quoted, in JSON, in HTML and in Base64.

        A value of less than four characters is ignored.
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

    def redact_cut(self, text: str) -> str:
        """As `redact`, for a text that may end inside a secret: that part of it is masked too."""
        text = self.redact(text)
        with self._lock:
            secrets = tuple(self._secrets)
        longest = max((_overlap(text, secret) for secret in secrets), default=0)
        return text[: len(text) - longest] + MASK if longest >= _MIN_PREFIX else text


_process: Final = SecretMemory()
remember: Final = _process.remember
redact: Final = _process.redact
redact_cut: Final = _process.redact_cut


def url_secrets(url: str) -> Iterator[str]:
    """The secrets of a URL: the URL itself, its login, its keys, and all that looks like a token.

    Each part is given as it is written, and unquoted.
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
    yield from _quoted_and_unquoted(host) if is_token(host) else ()
    for part in path:
        yield from _quoted_and_unquoted(part) if _holds_token(unquote(part)) else ()
    for name, value in re.findall(r"[?&;#]([^=&;#]*)=([^&;#]*)", rest):
        yield from _quoted_and_unquoted(value) if SECRET_NAME.search(unquote(name)) else ()


def basic_login(username: str, password: str) -> str:
    """User and password in Base64, as in the header of HTTP's Basic authentication."""
    return base64.b64encode(f"{username}:{password}".encode()).decode()


def is_token(text: str) -> bool:
    """Whether a text looks like a token and not like a word."""
    return _TOKEN.fullmatch(text) is not None


def redact_outcome(outcome: Outcome, *alerts: Alert) -> Outcome:
    """The outcome with secrets and the alerts' plates masked in its detail, which is then cut.

    Receivers may send both back. A secret that was cut before would not be recognized. The answer
    of who took the message is left out but for a drill: to mask it each time costs a millisecond.
    """
    if not outcome.detail and not outcome.answer:
        return outcome
    is_test = any(alert.is_test for alert in alerts)
    answer = _masked(outcome.answer, alerts) if is_test else ""
    return replace(outcome, detail=_masked(outcome.detail, alerts), answer=answer)


def _masked(text: str, alerts: Iterable[Alert]) -> str:
    if not text:
        return text
    text = redact_cut(text)
    for alert in alerts:
        for pattern in _plate_patterns(alert):
            text = pattern.sub(PLATE, text)
    return _short(text)


def _overlap(text: str, secret: str) -> int:
    """The length of the longest end of the text that is a beginning of the secret."""
    lengths = range(min(len(text), len(secret)), _MIN_PREFIX - 1, -1)
    return next((length for length in lengths if text.endswith(secret[:length])), 0)


def _quoted_and_unquoted(part: str) -> Iterator[str]:
    yield part
    yield unquote(part)


def _holds_token(part: str) -> bool:
    """Whether a part of a path or a query has a token in it, between dots, colons or the like."""
    return "@" not in part and any(is_token(piece) for piece in _TOKEN_SEPARATOR.split(part))


def _forms(secret: str) -> set[str]:
    stripped = secret.strip()
    forms = {secret, stripped, quote(stripped), quote(stripped, safe=""), quote_plus(stripped)}
    forms |= {json.dumps(stripped)[1:-1], html.escape(stripped), repr(stripped)[1:-1]}
    # JSON as PHP writes it, and a text on one line; then quotes in lower-case.
    forms |= {json.dumps(stripped)[1:-1].replace("/", "\\/"), " ".join(stripped.split())}
    forms |= {_QUOTED.sub(lambda found: found[0].lower(), form) for form in tuple(forms)}
    if len(stripped) >= _MIN_LENGTH_INSIDE_WORDS:
        forms.add(base64.b64encode(stripped.encode("utf-8", "surrogateescape")).decode())
    return forms


def _compile(secrets: set[str]) -> re.Pattern[str]:
    # The longest first, so that a secret that holds another is masked as a whole.
    ordered = sorted(secrets, key=lambda secret: (-len(secret), secret))
    return re.compile("|".join(_secret_pattern(secret) for secret in ordered))


def _secret_pattern(secret: str) -> str:
    if len(secret) >= _MIN_LENGTH_INSIDE_WORDS:
        return re.escape(secret)
    return rf"(?<![^\W_]){re.escape(secret)}(?![^\W_])"


def _short(text: str) -> str:
    return text if len(text) <= DETAIL_LENGTH else f"{text[: DETAIL_LENGTH - 1].rstrip()}…"


def _plate_patterns(alert: Alert) -> Iterator[re.Pattern[str]]:
    """Patterns of the alert's plate.

    One matches the plate as the event has it, anywhere. The other matches it in any case and with
    other separators, as a word of its own.
    """
    for path in (PLATE_TEXT, NORMALIZED_PLATE):
        text = value_at(alert.event, path)
        if not isinstance(text, str) or len(text.strip()) < _MIN_PLATE_LENGTH:
            continue
        yield re.compile(re.escape(text))
        characters = [character for character in text if character.isalnum()]
        if len(characters) >= _MIN_PLATE_LENGTH:
            plate = _PLATE_SEPARATORS.join(map(_character_pattern, characters))
            yield re.compile(rf"{_BEFORE_PLATE}{plate}(?![^\W_])", re.IGNORECASE)


def _character_pattern(character: str) -> str:
    """A pattern of one character, as it is and as it is quoted in JSON, a URL or HTML."""
    forms = {
        character,
        quote(character),
        json.dumps(character)[1:-1],
        html.escape(character),
        f"&#{ord(character)};",
    }
    return f"(?:{'|'.join(map(re.escape, sorted(forms)))})"
