"""Recipients in Apprise URLs: each is reached once, or the URL is refused."""

from __future__ import annotations

from collections import Counter
from urllib.parse import quote

import pytest

from channels.alert import SENT, Target
from channels.definitions.apprise_url import service_recipients
from channels.definitions.channel_entry import entry_targets
from channels.targets.identity import identify
from engine.errors import ChannelError
from tests.conftest import SMTP_PASSWORD, SMTP_USERNAME
from tests.support.services import TWILIO as TWILIO_HOST
from tests.support.services import Services
from tests.support.smtp_receiver import SmtpReceiver
from tests.unit.channels.samples import alert

TWILIO = "twilio://AC0123456789abcdef:feedface@+15550001111"
SLACK = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
MAIL = "mailtos://joe:pw@example.org"
VONAGE = "vonage://abcdef12:abcdefabcdef0123@15550001111"


def found(*urls: str, country: str = "") -> tuple[Target, ...]:
    definition = {"urls": list(urls), **({"default_country": country} if country else {})}
    return entry_targets("ops", definition, {}).checked()


def ids(*urls: str, country: str = "") -> list[str]:
    return list(identify(found(*urls, country=country), b""))


@pytest.mark.parametrize(
    "url",
    [
        f"{MAIL}?to=a@example.org&to=b@example.org",
        f"{MAIL}?to=a@example.org;b@example.org",
        f"{MAIL}?to=a@example.org;to=b@example.org",
        f"{MAIL}?to=a@example.org b@example.org",
        f"{MAIL}?TO=a@example.org&from=joe@example.org&To=b@example.org",
        f"{MAIL}/a@example.org?to=b@example.org",
        f"{MAIL}?to=Ann <a@example.org>, b@example.org",
    ],
)
def test_every_address_is_a_recipient(url: str) -> None:
    assert ids(url) == ["ops:a@example.org", "ops:b@example.org"]


@pytest.mark.parametrize(
    "url",
    [
        f"{SLACK}/#a,#b",
        f"{SLACK}/#a;#b",
        f"{SLACK}/#a/#b",
        f"{SLACK}/#a, #b/#A",
        f"{SLACK}/#a?to=#b",
        f"{SLACK}?to=%23a&to=%23b",
    ],
)
def test_every_room_is_a_recipient(url: str) -> None:
    assert [target.label for target in found(url)] == ["ops:slack:#a", "ops:slack:#b"]


@pytest.mark.parametrize("url", ["matrix://u:p@h.org/#a,#b", "rocket://u:p@h.org/#a;#b"])
def test_every_room_of_another_service_is_one_too(url: str) -> None:
    assert len(set(ids(url))) == 2


@pytest.mark.parametrize(
    "url",
    [
        f"{TWILIO}?to=+15551230001&to=+15551230002",
        f"{TWILIO}?to=+15551230001,+15551230002",
        f"{TWILIO}?to=+15551230001;+15551230002",
        f"{TWILIO}?to=+15551230001 +1 (555) 123-0002",
        f"{TWILIO}/+15551230001,+15551230002/+1-555-123-0001",
        f"{TWILIO}/1-555-123-0001?to=1 (555) 123-0002",
    ],
)
def test_every_number_is_a_recipient(url: str) -> None:
    assert ids(url) == ["ops:+15551230001", "ops:+15551230002"]


@pytest.mark.parametrize(
    ("url", "what"),
    [
        (f"{MAIL}?to=", "`to=` has no recipient behind it"),
        (f"{MAIL}?to=%20,&from=a@example.org", "`to=` has no recipient behind it"),
        (f"{MAIL}?to=a@example.org&cc=", "`cc=` has no recipient behind it"),
        (f"{TWILIO}/+15551230001?to=", "`to=` has no recipient behind it"),
        (f"{MAIL}?too=a@example.org", "`too` means nothing to E-Mail"),
        (f"{MAIL}?to=a@example.org&bc=b@example.org", "`bc` means nothing to E-Mail"),
        (f"{MAIL}?recipients=a@example.org", "`recipients` means nothing to E-Mail"),
        (f"{MAIL}?to=a@example.org&b@example.org", "a key in the URL means nothing to E-Mail"),
        (f"{MAIL}?an=a@example.org", "`an` means nothing to E-Mail"),
        (f"{TWILIO}/+15551230001?reciever=+15551230002", "`reciever` means nothing to Twilio"),
        (f"{SLACK}?room=#a", "`room` means nothing to Slack"),
        (f"{TWILIO}?to=+15551230001,call-me", "'call-me' is not a telephone number"),
        (f"{VONAGE}/+15551230001?to=+15551230002,call-me", "call-me"),
        (f"{MAIL}?to=a@example.org|b@example.org", "is not a mail address"),
        (f"{MAIL}?to=a@example.org&cc=nobody", "'nobody' is not a mail address"),
    ],
)
def test_recipients_who_would_get_nothing_are_a_fault(url: str, what: str) -> None:
    with pytest.raises(ChannelError) as caught:
        service_recipients(url, ("url",))
    assert what in caught.value.what
    assert caught.value.path == ("url",)


@pytest.mark.parametrize(
    "url",
    [
        f"{MAIL}?to=a@example.org&verify=no&name=Joe&format=text&smtp=mail.example.org",
        f"{MAIL}?to=a@example.org&+X-Unit=7@example.org",
        f"{TWILIO}/+15551230001?source=+15550001112",
        "ntfys://h.example.org/topic?color=red",
        "json://h.example.org/x?to=a@example.org",
    ],
)
def test_keys_that_are_read_or_name_nobody_are_none(url: str) -> None:
    assert len(ids(url)) == 1


@pytest.mark.parametrize(
    "urls",
    [
        (f"{MAIL}?to=a@example.org,A@Example.ORG",),
        (f"{MAIL}?to=a@example.org", f"{MAIL}?to=A@example.org"),
        (f"{TWILIO}/+15551230001", f"{TWILIO}/15551230001"),
        (f"{SLACK}/#a", f"{SLACK}/#A"),
        ("https://h.example.org/in", "https://H.example.org/in"),
        ("ntfys://h.example.org/topic", "ntfys://h.example.org/topic"),
        (f"{VONAGE}/+15551230001", f"{VONAGE}/+1 555 123 0001"),
    ],
)
def test_one_recipient_written_twice_is_one(urls: tuple[str, ...]) -> None:
    assert len(ids(*urls)) == 1


@pytest.mark.parametrize(
    "urls",
    [
        ("https://h.example.org/in", "https://h.example.org/In"),
        (f"{TWILIO}/+15551230001", f"{TWILIO}/whatsapp:+15551230001"),
        (f"{TWILIO}/+15551230001", f"{TWILIO}/+15551230001?method=call"),
        ("ntfys://h.example.org/topic", "ntfys://h.example.org/Topic"),
        ("discord://4174216298/JHMHI8qBe7bk2ZwO5U7", "discord://4174216299/JHMHI8qBe7bk2ZwO5U7"),
    ],
)
def test_others_stay_two(urls: tuple[str, ...]) -> None:
    assert len(set(ids(*urls))) == 2


@pytest.mark.parametrize("url", [f"{TWILIO}/(212) 555-1234", f"{VONAGE}/2125551234"])
def test_number_without_its_country_needs_one(url: str) -> None:
    with pytest.raises(ChannelError, match=r"without its country, write it with \+"):
        ids(url)
    assert len(ids(url, country="US")) == 1


def test_number_goes_to_the_country_that_is_given() -> None:
    assert ids(f"{TWILIO}/(212) 555-1234", country="us") == ["ops:+12125551234"]
    assert ids(f"{TWILIO}/020 7946 0958", country="GB") == ["ops:+442079460958"]
    assert ids(f"{TWILIO}/+49 171 1234567", country="GB") == ["ops:+491711234567"]


def test_number_of_a_service_inside_one_country_stays_as_it_is() -> None:
    assert ids("voipms://s3cretpass:joe@example.org/2125550001/2125551234") != []


def test_default_country_must_be_one() -> None:
    with pytest.raises(ChannelError, match="default_country 'USA' is not a country's code"):
        ids(f"{TWILIO}/(212) 555-1234", country="USA")


def test_copies_go_out_once(trusted: None, smtp_receiver: SmtpReceiver) -> None:
    url = (
        f"mailtos://{quote(SMTP_USERNAME)}:{quote(SMTP_PASSWORD, safe='')}@localhost"
        f":{smtp_receiver.port}?from=o'hara@example.org&to=o'brien@example.org,b@example.org"
        "&cc=c@example.org,B@example.org,Dee <d'arcy@example.org>&bcc=c@example.org,e@example.org"
    )
    for target in entry_targets("ops", url, {}).checked():
        assert target.send(alert(), "k") == SENT
    mails = smtp_receiver.wait_for(2)
    assert Counter(address for mail in mails for address in mail.recipients) == Counter(
        f"{name}@example.org" for name in ("o'brien", "b", "c", "d'arcy", "e")
    )
    first = mails[0].message
    assert (first["From"], first["To"]) == ("o'hara@example.org", "o'brien@example.org")
    assert "Dee <d'arcy@example.org>" in first["Cc"]
    assert mails[1].message["Cc"] is None


def test_part_of_a_password_is_not_repeated() -> None:
    with pytest.raises(ChannelError) as caught:
        service_recipients("mailtos://joe:pa?ssw0rd@example.org?to=a@example.org", ())
    assert "ssw0rd" not in str(caught.value)


def test_copies_of_another_service_go_with_the_first() -> None:
    url = "sendgrid://abcd123456abcd:a@example.org/b@example.org/c@example.org?cc=d@example.org"
    copies = [vars(each.plugin)["cc"] for each in service_recipients(url, ())]
    assert copies == [{"d@example.org"}, set()]


def test_text_message_may_come_from_a_name(outside: Services) -> None:
    url = f"{TWILIO.replace('+15550001111', 'ACME%20Cars')}/+15551230001"
    (target,) = entry_targets("ops", url, {}).checked()
    assert target.send(alert(), "k") == SENT
    (request,) = outside.to(TWILIO_HOST)
    assert (request.form()["From"], request.form()["To"]) == (["ACME Cars"], ["+15551230001"])


@pytest.mark.parametrize(
    ("url", "what"),
    [
        (TWILIO.replace("+15550001111", "MG" + "0" * 32), "the SID of a Messaging Service"),
        (TWILIO.replace("+15550001111", "ACME*Cars"), "is not a number to send from"),
        (TWILIO.replace("AC0123456789abcdef", "SK0123456789abcdef"), "the account's SID is not"),
        (TWILIO.replace("feedface", "feed-face"), "the auth token is not"),
        (TWILIO.replace("+15550001111", "2125551234"), "a number to send from without its country"),
    ],
)
def test_fault_of_a_twilio_url_names_its_part(url: str, what: str) -> None:
    with pytest.raises(ChannelError) as caught:
        service_recipients(f"{url}/+15551230001", ())
    assert what in caught.value.what
    assert "feed-face" not in str(caught.value)


@pytest.mark.parametrize(
    ("rest", "what"),
    [
        ("/whatsapp:+15551230001", "a name can't write to WhatsApp"),
        ("/+15551230001?method=call", "a name can't call"),
    ],
)
def test_name_sends_text_messages_only(rest: str, what: str) -> None:
    with pytest.raises(ChannelError, match=what):
        service_recipients(TWILIO.replace("+15550001111", "ACME") + rest, ())
