"""CEL's `encoders` extension: bytes as Base64 text, and back."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from engine.cel.arithmetic import MAX_SIZE
from engine.cel.failures import Failure, failure

_SPACE: Final = str.maketrans("", "", "\t\n\v\f\r ")
#: Whole groups of four, then what is left of one, with its padding or without any.
_BASE64: Final = re.compile(
    r"(?:[A-Za-z0-9+/]{4})*+(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?", re.ASCII
)


def encode(data: bytes) -> str:
    """Bytes as Base64 text, padded, by the alphabet with `+` and `/` (RFC 4648, section 4)."""
    if len(data) * 4 // 3 > MAX_SIZE:
        raise failure(Failure.TOO_LARGE, f"Base64 of {len(data):,} bytes")
    return base64.b64encode(data).decode("ascii")


def decode(text: str) -> bytes:
    """The bytes of a Base64 text; padding may be left out, white space is passed over."""
    plain = text.translate(_SPACE)
    if _BASE64.fullmatch(plain) is None:
        raise failure(Failure.BAD_CONVERSION, f"'{text[:40]}' can't be read as Base64")
    digits = plain.rstrip("=")
    return binascii.a2b_base64(digits + "=" * (-len(digits) % 4))
