"""Apprise's Twilio plugin with the one sender that it refuses, a name; and what Twilio refuses."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from apprise.plugins.twilio import NotifyTwilio

from channels.recipients import is_sender_name

# Only a number gets through the plugin's own check.
_STAND_IN: Final = "+15550000000"
# The plugin's own patterns; real ones have 32 digits.
_SID: Final = re.compile(r"AC[0-9a-fA-F]+")
_TOKEN: Final = re.compile(r"[A-Za-z0-9]+")


class TwilioPlugin(NotifyTwilio):  # type: ignore[no-untyped-call]
    """Twilio, sending also from a name such as `ACME` (an alphanumeric sender ID)."""

    def __init__(self, source: str, **keywords: Any) -> None:
        is_name = is_sender_name(source)
        super().__init__(source=_STAND_IN if is_name else source, **keywords)  # type: ignore[no-untyped-call]
        if is_name:
            self.source = source


class Part(StrEnum):
    """What Twilio is spoken to with."""

    SID = "SID"
    TOKEN = "TOKEN"  # noqa: S105 - the name of a part
    FROM = "FROM"


@dataclass(frozen=True, slots=True)
class TwilioFault:
    """What is wrong with a part; the part's text is not repeated, since it may be a secret."""

    part: Part
    what: str
    remedy: str


def twilio_faults(
    sid: str, token: str, source: str, numbers: Sequence[str], *, is_call: bool = False
) -> Iterator[TwilioFault]:
    """What is wrong with an account's SID, its token, and a sender towards these numbers.

    A text that is empty is no fault here.
    """
    if sid and not _SID.fullmatch(sid):
        what = "the account's SID is not one of Twilio's, which are AC and 32 digits of 0-9 and a-f"
        yield TwilioFault(Part.SID, what, "copy it from Twilio's console")
    if token and not _TOKEN.fullmatch(token):
        what = "the auth token is not one of Twilio's, which have letters and digits only"
        yield TwilioFault(Part.TOKEN, what, "copy it from Twilio's console")
    if is_sender_name(source):
        if is_call:
            what = "a name can't call: a call comes from a number"
            yield TwilioFault(Part.FROM, what, "write one of your numbers at Twilio")
        elif any(number.startswith("whatsapp:") for number in numbers):
            what = "a name can't write to WhatsApp"
            yield TwilioFault(Part.FROM, what, "write whatsapp: and your number there")
