"""The login of an ntfy URL.

Apprise takes what stands before the `@` for a token where it begins with `tk_`, and else for a user
without a password, whom no server lets in.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import unquote

SCHEMES: Final = frozenset({"ntfy", "ntfys"})
TOKEN_DOUBT: Final = (
    "what stands before the @ is sent as an access token, though ntfy's begin with tk_",
    "write ntfy://USER:PASSWORD@… for a login, or add ?auth=token for a token of another kind",
)


def take_token(keywords: dict[str, Any]) -> bool:
    """Make a user without a password the token; whether that was done.

    `keywords` are those of the plugin, as its URL gave them; what `?auth=` says stays.
    """
    asked = keywords.get("qsd", {}).get("auth")
    user = keywords.get("user")
    is_ntfy = str(keywords["schema"]).lower() in SCHEMES
    if not is_ntfy or asked or not user or keywords.get("password") or keywords.get("token"):
        return False
    keywords.update(auth="token", token=unquote(user), user=None)
    return True
