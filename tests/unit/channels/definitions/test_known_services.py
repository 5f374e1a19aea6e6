"""Services that do not take the engine's JSON are recognized by their URLs."""

from __future__ import annotations

import re

import pytest

from channels.definitions.channel_entry import entry_targets
from channels.definitions.webhook_settings import SERVICES, find_service
from engine.errors import ChannelError

#: What stands for the capitals of a remedy, as the services make it.
TOKENS = {
    "TOKEN_A": "T00000000",
    "TOKEN_B": "B00000000",
    "TOKEN_C": "XXXXXXXXXXXXXXXXXXXXXXXX",
    "WEBHOOK_ID": "123456789012345678",
    "WEBHOOK_TOKEN": "aBcDeFgHiJkLmNoPqRsTuVwXyZ",
    "BOT_TOKEN": "123456789:AAAABBBBCCCCDDDDEEEEFFFFGGGGHHHHIII",
    "CHAT_ID": "12315544",
    "HOST": "prod-01.westus.logic.azure.com:443",
    "WORKFLOW": "643e69f83c8944",
    "SIGNATURE": "aBcDeFgHi",
    "SPACE": "AAAAbbbbCCC",
    "KEY": "A1b2c3d4-A1b2",
    "TOKEN": "3ccdd113474722377935511fc85d3dd4",
    "BOT_NAME": "gate",
    "ORGANISATION": "example",
    "USER_KEY": "uuuuuuuuuuuuuuuuuuuuuuuuuuuuuu",
    "APP_TOKEN": "tttttttttttttttttttttttttttttt",
    "INTEGRATION_KEY": "abcdefghij0123456789abcdefghij01",
    "API_KEY": "KEYKEYKEYKEYKEYKEYKEYKEYKEYKEYKE",
    "ROUTING_KEY": "gate",
    "SID": "AC0123456789abcdef0123456789abcdef",
    "AUTH_TOKEN": "feedfacefeedfacefeedfacefeedface",
    "FROM": "+15550001111",
    "TO": "+15550002222",
    "TOPIC": "plates",
    "ACCESS_TOKEN": "syt_abcdef",
    "ROOM": "plates",
}
MATTERMOST = "3ccdd113474722377935511fc8"
ROCKET = "aBcDeFgHiJkLmNoPq/aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789aBcDeF"
WHOLE = {
    "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX": "Slack",
    "https://hooks.slack.com/triggers/T00000000/123/aBcDeF": "Slack",
    "https://discord.com/api/webhooks/123456789012345678/aBcD_eF-g": "Discord",
    "https://canary.discord.com/api/v10/webhooks/123456789012345678/aBcD": "Discord",
    "https://discordapp.com/api/webhooks/123456789012345678/aBcD/slack": "Discord",
    "https://acme.webhook.office.com/webhookb2/0a1b@2c3d/IncomingWebhook/4e5f/6a7b": (
        "a Microsoft Teams connector"
    ),
    "https://prod-01.westus.logic.azure.com:443/workflows/643e/triggers/manual/paths/invoke"
    "?api-version=2016-06-01&sp=x&sv=1.0&sig=aBcD": "Microsoft Teams",
    "https://default0a1b.2c.environment.api.powerplatform.com/powerautomate/automations/direct"
    "/workflows/643e/triggers/manual/paths/invoke?api-version=1&sig=aBcD": "Microsoft Teams",
    "https://chat.googleapis.com/v1/spaces/AAAA/messages?key=AIza&token=vUx9": "Google Chat",
    "https://chat.googleapis.com/v1/spaces/AAAA/messages?token=vUx9&key=AIza": "Google Chat",
    "https://api.telegram.org/bot123456789:AAAABBBB-CCC/sendMessage?chat_id=1": "Telegram",
    "https://webexapis.com/v1/webhooks/incoming/Y2lzY29zcGFyazov": "Webex",
    "https://open.larksuite.com/open-apis/bot/v2/hook/0a1b2c3d-4e5f": "Lark",
    "https://open.feishu.cn/open-apis/bot/v2/hook/0a1b2c3d-4e5f": "Feishu",
    "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=0a1b2c3d": "WeCom",
    "https://api.flock.com/hooks/sendMessage/0a1b2c3d-4e5f-6a7b-8c9d0": "Flock",
    "https://alert.victorops.com/integrations/generic/20131114/alert/0a1b/gate": "Splunk On-Call",
    "https://example.zulipchat.com/api/v1/messages": "Zulip",
    "https://api.pushover.net/1/messages.json": "Pushover",
    "https://events.eu.pagerduty.com/v2/enqueue": "PagerDuty",
    "https://api.opsgenie.com/v2/alerts": "Opsgenie",
    "https://api.twilio.com/2010-04-01/Accounts/AC0123/Messages.json": "Twilio",
    "https://ntfy.sh/plates": "ntfy",
    f"https://chat.example.com/hooks/{MATTERMOST}": "Mattermost",
    f"http://example.com:8065/mattermost/hooks/{MATTERMOST}": "Mattermost",
    f"https://open.rocket.chat/hooks/{ROCKET}": "Rocket.Chat",
    "https://matrix.example.com/_matrix/client/v3/rooms/!a:b/send/m.room.message": "Matrix",
}
CUT_OFF = {
    "https://hooks.slack.com/services/T00/B00": "Slack",
    "https://hooks.slack.com/services/": "Slack",
    "https://hooks.slack.com": "Slack",
    "https://app.slack.com/client/T00/C00": "Slack",
    "https://discord.com/api/webhooks/123": "Discord",
    "https://discord.com/channels/123/456": "Discord",
    "https://discord.gg/aBcDeF": "Discord",
    "https://teams.microsoft.com/l/channel/19%3aabc/General": "Microsoft Teams",
    "https://prod-01.westus.logic.azure.com:443/workflows/643e": "Microsoft Teams",
    "https://chat.googleapis.com/v1/spaces/AAAA/messages?key=AIza": "Google Chat",
    "https://chat.google.com/room/AAAA": "Google Chat",
    "https://api.telegram.org/bot": "Telegram",
    "https://t.me/plates": "Telegram",
    "https://webexapis.com/v1/webhooks/incoming/": "Webex",
    "https://qyapi.weixin.qq.com/cgi-bin/webhook/send": "WeCom",
    "https://api.flock.com/hooks/sendMessage/0a1b2c3d": "Flock",
    "https://alert.victorops.com/integrations/generic/20131114/alert/0a1b": "Splunk On-Call",
}
OTHERS = [
    "https://dispatch.example.com/alerts",
    "https://hooks.zapier.com/hooks/catch/1234567/abcdefg/",
    "https://maker.ifttt.com/trigger/plate/json/with/key/aBcDeFgHiJkLmNoPqRsTuV",
    "https://hook.eu2.make.com/abcdefghijklmnopqrstuvwxyz012345",
    "https://home.example.com/api/webhook/-aBcDeFgHiJkLmNoP",
    "https://n8n.example.com/webhook/0a1b2c3d-4e5f-6a7b-8c9d-0e1f2a3b4c5d",
    "https://prod-01.westus.logic.azure.com:443/workflows/643e/triggers"
    "/When_a_HTTP_request_is_received/paths/invoke?api-version=2016-06-01&sig=aBcD",
    "https://hooks.example.com/hooks/plates",
    "https://notslack.com/services/T00/B00",
    "https://discord.com.example.org/api/webhooks/123",
    "http://localhost:8080/in?token=abc",
]


@pytest.mark.parametrize(("url", "service"), WHOLE.items())
def test_a_whole_url_of_a_service_is_known(url: str, service: str) -> None:
    found = find_service(url)
    assert found is not None
    assert (found.service, found.is_whole) == (service, True)


@pytest.mark.parametrize(("url", "service"), CUT_OFF.items())
def test_a_url_of_a_service_that_is_cut_off_is_known(url: str, service: str) -> None:
    found = find_service(url)
    assert found is not None
    assert (found.service, found.is_whole) == (service, False)


@pytest.mark.parametrize("url", OTHERS)
def test_a_true_webhook_is_nobodys(url: str) -> None:
    assert find_service(url) is None
    warnings: list[ChannelError] = []
    assert len(entry_targets("hook", url, {}, warnings=warnings).checked()) == 1
    assert warnings == []


def test_every_service_is_shown_by_a_url() -> None:
    assert {*WHOLE.values()} == {service.name for service in SERVICES}


@pytest.mark.parametrize("url", WHOLE)
def test_apprise_takes_what_is_to_be_written_instead(url: str) -> None:
    found = find_service(url)
    assert found is not None
    # Its tokens are shorter than those of the others.
    shorter = {"TOKEN": TOKENS["TOKEN"][:24]} if found.service == "Flock" else {}
    tokens = TOKENS | shorter
    written = re.sub(r"\b[A-Z][A-Z_]+\b", lambda capitals: tokens[capitals[0]], found.remedy)
    warnings: list[ChannelError] = []
    (target,) = entry_targets("chat", written, {}, warnings=warnings).checked()
    assert type(target).__name__ == "AppriseTarget"
    assert warnings == []


@pytest.mark.parametrize("url", WHOLE)
def test_what_is_to_be_written_instead_holds_no_secret(url: str) -> None:
    found = find_service(url)
    assert found is not None
    secrets = re.findall(r"[/=]([\w:@-]{4,})", url.partition("://")[2])
    words = {"mattermost", "workflows"}
    assert [secret for secret in secrets if secret in found.remedy and secret not in words] == []


def test_the_host_with_port_and_folder_is_kept() -> None:
    found = find_service(f"http://Chat.example.com:8065/team/hooks/{MATTERMOST}")
    assert found is not None
    assert found.remedy == "mmost://chat.example.com:8065/team/TOKEN"


@pytest.mark.parametrize("url", CUT_OFF)
@pytest.mark.parametrize("form", ["url", "list", "mapping", "webhook"])
def test_a_url_that_is_cut_off_is_a_fault_in_every_form(url: str, form: str) -> None:
    definition: object = url
    path: tuple[str | int, ...] = ()
    if form == "list":
        definition, path = ["https://dispatch.example.com", url], (1,)
    elif form != "url":
        definition, path = {"url": url}, ("url",)
    if form == "webhook":
        definition = {"url": url, "secret": "of ours"}
    with pytest.raises(ChannelError, match="whole") as caught:
        entry_targets("chat", definition, {}).checked()
    assert caught.value.path == path


def test_a_url_that_a_variable_cut_off_is_a_fault() -> None:
    with pytest.raises(ChannelError, match="not the whole URL of a webhook of Slack"):
        entry_targets(
            "chat", "${URL}", {"URL": "https://hooks.slack.com/services/T00/B00"}
        ).checked()
