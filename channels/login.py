"""What the login in a URL becomes, where it is easily another than is meant."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import unquote

_NTFY: Final = frozenset({"ntfy", "ntfys"})
# Their plugins give a missing password to requests, which sends the word None.
_BASIC: Final = frozenset({"json", "jsons", "xml", "xmls", "form", "forms", *_NTFY})
_AUTHORIZATION: Final = "authorization"

Doubt = tuple[str, str]
"""What is odd, and the remedy."""
TOKEN_DOUBT: Final[Doubt] = (
    "what stands before the @ is sent as an access token, though ntfy's begin with tk_",
    "write ntfy://USER:PASSWORD@… for a login, or add ?auth=token for a token of another kind",
)
HEADER_DOUBT: Final[Doubt] = (
    "the login in the URL is sent in place of the header Authorization",
    "remove one of them",
)
NO_PASSWORD_DOUBT: Final[Doubt] = (
    "the URL's user has no password, so that no login is sent",
    "write USER:PASSWORD@, or USER:@ for one without a password",
)


def has_authorization(headers: Iterable[str]) -> bool:
    """Whether one of the headers is the login."""
    return any(name.lower() == _AUTHORIZATION for name in headers)


def settle_login(keywords: dict[str, Any]) -> tuple[Doubt, ...]:
    """Make the login of an Apprise URL what it means; what `check` warns of.

    `keywords` are those of the plugin, as its URL gave them. A user of ntfy without a password is a
    token, whatever it begins with: no server lets such a user in. What `?auth=` says stays.
    """
    schema, user = str(keywords["schema"]).lower(), keywords.get("user")
    doubts: list[Doubt] = []
    if not user or schema not in _BASIC:
        return ()
    if keywords.get("password") is None:
        keywords["password"] = ""
        asked = keywords.get("qsd", {}).get("auth")
        if schema in _NTFY and not asked and not keywords.get("token"):
            keywords.update(auth="token", token=unquote(user), user=None)
            doubts.append(TOKEN_DOUBT)
    if has_authorization(keywords.get("headers") or ()):
        doubts.append(HEADER_DOUBT)
    return tuple(doubts)
