"""Apprise's mail plugin, imported without a warning that is not ours to heed.

Its mails say that no person wrote them, and every try of one has the same Message-ID, by which a
mail system knows a repeat. Its domain is the sender's.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, Final

with warnings.catch_warnings():
    # Its PGP support still imports `imghdr`, which Python 3.13 removed, and has a substitute.
    warnings.filterwarnings("ignore", message="'imghdr' is deprecated")
    from apprise.plugins.email import NotifyEmail, base

__all__ = ["MAIL_HEADERS", "NotifyEmail", "mail_key"]

#: RFC 3834: no vacation responder answers such a mail.
MAIL_HEADERS: Final = {"Auto-Submitted": "auto-generated"}
_key: ContextVar[str] = ContextVar("channels_mail_key", default="")


@contextlib.contextmanager
def mail_key(key: str) -> Iterator[None]:
    """Let mails inside this block, in this thread, have a Message-ID made of `key`."""
    token = _key.set(key)
    try:
        yield
    finally:
        _key.reset(token)


def _with_key(make: Callable[..., str]) -> Callable[..., str]:
    def made(idstring: str | None = None, domain: str | None = None) -> str:
        key = _key.get()
        return f"<{key}@{domain}>" if key and domain else make(idstring, domain)

    return made


def _of_sender(prepare: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    def prepared(**keywords: Any) -> Iterator[Any]:
        # Without a host, the plugin makes the Message-ID of the sender's domain.
        return prepare(**{**keywords, "smtp_host": ""})

    return prepared


NotifyEmail.prepare_emails = staticmethod(  # type: ignore[method-assign]
    _of_sender(NotifyEmail.prepare_emails)
)
vars(base)["make_msgid"] = _with_key(vars(base)["make_msgid"])
