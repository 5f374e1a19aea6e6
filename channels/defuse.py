"""Data kept from waking a room, from turning a line around, and from being a message of nothing."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

#: Parts what would be a mention; it is not seen.
_PARTING: Final = "\u200b"
#: A room's word behind an `@`, unless the two are inside a mail address such as x@here.com.
_WORDS: Final = re.compile(
    r"@(?=(?:everyone|here|channel|all|group|room|online|team|stream|topic)\b)"
    r"(?!(?<=[\w.+%'-]@)[\w-]+\.\w)",
    re.I,
)
#: `@**all**` and `@_**Ann**` of Zulip, and its groups, `@*ops*`.
_STARRED: Final = re.compile(r"@(?=_?\*)")
#: Mentions in angle brackets: Discord's `<@&1>`, Webex' `<@all>`, Google Chat's `<users/all>`,
#: Lark's `<at user_id="all">`, and `<!channel>`, which Mattermost knows too.
_BRACKETS: Final = re.compile(r"<(?=[@!]|users/|at\b|/?mention\b)", re.I)
#: Characters that order the letters after them from right to left, or isolate them.
_ORDERING: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")
#: Letters and signs without a shape, which their category does not tell.
_SHAPELESS: Final = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5")
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs"})


def defuse(text: str, *, has_brackets: bool = True) -> str:
    """The text with every mention parted by a character that is not seen.

    `has_brackets` is whether the service gives `<` a meaning in such a text.
    """
    for pattern in (_WORDS, _STARRED):
        text = pattern.sub(f"@{_PARTING}", text)
    return _BRACKETS.sub(f"<{_PARTING}", text) if has_brackets else text


def without_ordering(text: str) -> str:
    """The text in the order of its letters: without bidirectional overrides and isolates."""
    return _ORDERING.sub("", text)


def is_blank(text: str) -> bool:
    """Whether nothing of the text is seen: blanks, controls, zero-width characters, marks alone."""
    return all(
        sign in _SHAPELESS
        or unicodedata.category(sign) in _UNSEEN
        or unicodedata.combining(sign)
        or "\ufe00" <= sign <= "\ufe0f"
        for sign in text
    )
