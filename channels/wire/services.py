"""How services say in an answer's body why they refuse, as tables.

A service is known by its plugin, since Mattermost, Matrix, ntfy and Gotify run on anybody's host.
`outcomes` decides what follows from a reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from apprise import NotifyBase

from channels.alert import Reason
from channels.wire.capture import json_object


@dataclass(frozen=True, slots=True)
class Service:
    """What tells the reason in a JSON body of the service.

    `keys` lead to what tells, `error.code` being `code` inside of `error`. A code is all of that
    text; a phrase is a part of it in lower-case letters, and the first one that is found counts.
    `failed` is the key and value by which the body says, even after a 2xx, that it has failed.
    `status_key` has the status that the answer should have had then.
    """

    keys: tuple[str, ...]
    codes: Mapping[str, Reason] = field(default_factory=dict)
    phrases: Mapping[str, Reason] = field(default_factory=dict)
    failed: tuple[str, object] | None = None
    status_key: str = ""

    def reason(self, body: bytes) -> Reason | None:
        """The reason that the body tells; None where it tells none that is known."""
        document = json_object(body)
        # Slack's webhooks answer with the code alone.
        given = [*_told(document, self.keys)] if document else [_text(body).strip()]
        code = next((self.codes[each] for each in given if each in self.codes), None)
        if code is not None or not document:
            return code
        told = " ".join(given).lower()
        return next((reason for phrase, reason in self.phrases.items() if phrase in told), None)

    def reports_failure(self, body: bytes) -> bool:
        """Whether the body says that the message was not taken."""
        if self.failed is None:
            return False
        key, value = self.failed
        found = json_object(body).get(key)
        return type(found) is type(value) and found == value

    def status(self, body: bytes) -> int | None:
        """The status that the body tells, where it tells one."""
        found = json_object(body).get(self.status_key)
        return found if isinstance(found, int) and 300 <= found < 600 else None


def service_of(plugin: NotifyBase) -> str:
    """The name of a plugin's service: its scheme with TLS, and its first one of several."""
    scheme: object = plugin.secure_protocol or plugin.protocol
    return str(next(iter(scheme), "")) if isinstance(scheme, (tuple, list)) else str(scheme or "")


def _told(document: Mapping[str, object], keys: tuple[str, ...]) -> Iterator[str]:
    for path in keys:
        found: object = document
        for key in path.split("."):
            found = found.get(key) if isinstance(found, Mapping) else None
        for each in found if isinstance(found, list) else [found]:
            if isinstance(each, (str, int)):
                yield str(each)


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace")


def _codes(reasons: Mapping[Reason, str]) -> dict[str, Reason]:
    return {word: reason for reason, words in reasons.items() for word in words.split()}


#: By the name that `service_of` gives.
SERVICES: Final[Mapping[str, Service]] = {
    "slack": Service(
        keys=("error",),
        codes=_codes(
            {
                Reason.UNAUTHORIZED: (
                    "invalid_auth not_authed account_inactive token_expired token_revoked "
                    "no_service no_service_id no_team team_disabled invalid_token"
                ),
                Reason.FORBIDDEN: (
                    "access_denied missing_scope no_permission not_allowed_token_type "
                    "action_prohibited org_login_required ekm_access_denied "
                    "team_access_not_granted restricted_action posting_to_general_channel_denied"
                ),
                Reason.NOT_FOUND: (
                    "channel_not_found channel_is_archived is_archived not_in_channel "
                    "user_not_found users_not_found"
                ),
                Reason.RATE_LIMITED: "ratelimited rate_limited message_limit_exceeded",
                Reason.SERVER_ERROR: (
                    "internal_error fatal_error service_unavailable request_timeout rollup_error"
                ),
                Reason.TOO_LARGE: "msg_too_long msg_blocks_too_long too_many_attachments",
                Reason.MESSAGE_REFUSED: (
                    "invalid_payload no_text invalid_blocks invalid_attachments"
                ),
            }
        ),
        failed=("ok", False),
    ),
    "twilio": Service(
        keys=("code",),
        codes=_codes(
            {
                Reason.UNKNOWN_RECIPIENT: (
                    "21211 21214 21217 21219 21265 21407 21421 21608 21610 21612 21614 21635 63003"
                ),
                Reason.MESSAGE_REFUSED: "21602 21619",
                Reason.TOO_LARGE: "21617",
                # The account, or the number that it sends from, has no permission for it.
                Reason.FORBIDDEN: (
                    "20008 21210 21212 21213 21408 21601 21603 21606 21607 21616 21659 21660"
                ),
                Reason.UNAUTHORIZED: "20003 20006 21705",
                Reason.RATE_LIMITED: "20429 14107 21611",
            }
        ),
    ),
    "tgram": Service(
        keys=("description",),
        # Telegram has no codes but the status, and says that its texts may change.
        phrases={
            "too many requests": Reason.RATE_LIMITED,
            "unauthorized": Reason.UNAUTHORIZED,
            "chat not found": Reason.NOT_FOUND,
            "user not found": Reason.NOT_FOUND,
            "peer_id_invalid": Reason.NOT_FOUND,
            "message thread not found": Reason.NOT_FOUND,
            # It has another id since.
            "upgraded to a supergroup": Reason.NOT_FOUND,
            "bot was blocked": Reason.FORBIDDEN,
            "bot was kicked": Reason.FORBIDDEN,
            "bot is not a member": Reason.FORBIDDEN,
            "user is deactivated": Reason.FORBIDDEN,
            "group chat was deactivated": Reason.FORBIDDEN,
            "can't initiate conversation": Reason.FORBIDDEN,
            "can't send messages to bots": Reason.FORBIDDEN,
            "rights to send": Reason.FORBIDDEN,
            "chat_write_forbidden": Reason.FORBIDDEN,
            "topic_closed": Reason.FORBIDDEN,
            "message is too long": Reason.TOO_LARGE,
            "entities are too long": Reason.TOO_LARGE,
            "message text is empty": Reason.MESSAGE_REFUSED,
            "can't parse entities": Reason.MESSAGE_REFUSED,
        },
        failed=("ok", False),
        status_key="error_code",
    ),
    "discord": Service(
        keys=("code",),
        codes=_codes(
            {
                # Unknown channel, server, webhook.
                Reason.NOT_FOUND: "10003 10004 10015",
                Reason.UNAUTHORIZED: "40001 50014 50027",
                # No access or right; a thread that is archived or locked; a forum, which takes
                # threads only.
                Reason.FORBIDDEN: "50001 50013 50024 50083 160005 220001 220002 220003",
                Reason.RATE_LIMITED: "20016 20028",
                Reason.SERVER_ERROR: "130000",
                Reason.TOO_LARGE: "40005",
                # Empty, an invalid form, and what moderation or its filter of links blocks.
                Reason.MESSAGE_REFUSED: "50006 50035 50109 200000 200001 240000",
            }
        ),
    ),
    "pover": Service(
        keys=("errors",),
        phrases={
            "token is invalid": Reason.UNAUTHORIZED,
            "user identifier is not": Reason.NOT_FOUND,
            "user key is invalid": Reason.NOT_FOUND,
            "device name is not": Reason.NOT_FOUND,
            "no active devices": Reason.NOT_FOUND,
            "too long": Reason.TOO_LARGE,
            "too large": Reason.TOO_LARGE,
            "cannot be blank": Reason.MESSAGE_REFUSED,
        },
        failed=("status", 0),
    ),
    "pagerduty": Service(
        keys=("status", "errors"),
        phrases={
            "throttle": Reason.RATE_LIMITED,
            # The key of the integration is a part of the event.
            "routing_key": Reason.UNAUTHORIZED,
            "service_key": Reason.UNAUTHORIZED,
            "invalid event": Reason.MESSAGE_REFUSED,
        },
    ),
    "mmosts": Service(
        keys=("id",),
        codes=_codes(
            {
                Reason.UNAUTHORIZED: (
                    "api.context.session_expired.app_error api.context.invalid_token.error "
                    "api.context.token_provided.app_error"
                ),
                Reason.FORBIDDEN: (
                    "api.context.permissions.app_error api.post.create_post.town_square_read_only "
                    "web.incoming_webhook.disabled.app_error "
                    "web.incoming_webhook.channel_locked.app_error "
                    "web.incoming_webhook.permissions.app_error"
                ),
                Reason.NOT_FOUND: (
                    "web.incoming_webhook.invalid.app_error web.incoming_webhook.channel.app_error "
                    "web.incoming_webhook.user.app_error app.channel.get.existing.app_error "
                    "api.post.create_post.can_not_post_to_deleted.error"
                ),
                Reason.TOO_LARGE: (
                    "model.post.is_valid.message_length.app_error "
                    "web.incoming_webhook.split_props_length.app_error"
                ),
                Reason.MESSAGE_REFUSED: (
                    "web.incoming_webhook.text.app_error web.incoming_webhook.parse.app_error "
                    "web.incoming_webhook.decode.app_error"
                ),
            }
        ),
    ),
    "matrixs": Service(
        keys=("errcode",),
        codes=_codes(
            {
                Reason.UNAUTHORIZED: "M_UNKNOWN_TOKEN M_MISSING_TOKEN M_UNAUTHORIZED",
                Reason.FORBIDDEN: (
                    "M_FORBIDDEN M_USER_DEACTIVATED M_USER_LOCKED M_USER_SUSPENDED "
                    "M_GUEST_ACCESS_FORBIDDEN M_CONSENT_NOT_GIVEN M_RESOURCE_LIMIT_EXCEEDED"
                ),
                Reason.NOT_FOUND: "M_NOT_FOUND M_UNRECOGNIZED",
                Reason.RATE_LIMITED: "M_LIMIT_EXCEEDED",
                Reason.TOO_LARGE: "M_TOO_LARGE",
                Reason.MESSAGE_REFUSED: "M_BAD_JSON M_NOT_JSON M_INVALID_PARAM M_MISSING_PARAM",
            }
        ),
    ),
    "ntfys": Service(
        keys=("code",),
        codes=_codes(
            {
                Reason.UNAUTHORIZED: "40101",
                # Mails are switched off there.
                Reason.FORBIDDEN: "40001 40301",
                # The topic can't be one.
                Reason.NOT_FOUND: "40009 40010 40401",
                # A message of more than 4 KiB becomes an attachment.
                Reason.TOO_LARGE: "40014 41301 41302 41303",
                Reason.MESSAGE_REFUSED: "40007 40011 40017 40018 40021 40024",
                Reason.RATE_LIMITED: "42901 42902 42904 42905 42908",
            }
        ),
    ),
    "gotifys": Service(
        keys=("errorDescription",),
        phrases={
            "valid access token": Reason.UNAUTHORIZED,
            "application does not exist": Reason.NOT_FOUND,
            "is required": Reason.MESSAGE_REFUSED,
        },
    ),
    "workflow": Service(
        keys=("error.code",),
        codes=_codes(
            {
                Reason.UNAUTHORIZED: (
                    "DirectApiAuthorizationRequired AuthorizationFailed MisMatchingOAuthClaims"
                ),
                # Deleted, or switched off.
                Reason.NOT_FOUND: "WorkflowNotFound WorkflowTriggerIsNotEnabled",
                Reason.MESSAGE_REFUSED: "TriggerInputSchemaMismatch",
            }
        ),
    ),
}
