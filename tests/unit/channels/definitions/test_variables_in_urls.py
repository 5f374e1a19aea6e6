"""Where in a URL a value stands."""

from __future__ import annotations

import pytest

from channels.definitions.block import UrlPart, UrlValueError, expand, part_at, quoted_for
from engine.errors import ChannelError

HARD = "a:b@c/d?e#f%41&g=h+i j;ü"
LOGIN = "a%3Ab%40c%2Fd%3Fe%23f%2541%26g%3Dh%2Bi%20j%3B%C3%BC"


@pytest.mark.parametrize(
    ("before", "after", "place"),
    [
        ("", "/x", UrlPart.START),
        (" ", "", UrlPart.START),
        ("mailto://", ":p@h/", UrlPart.LOGIN),
        ("mailto://u:", "@h", UrlPart.LOGIN),
        ("mailto://u@d:", "@h", UrlPart.LOGIN),
        ("mailto://u:p@", ":25/", UrlPart.HOST),
        ("mailto://u:p@", "?to=a@b", UrlPart.HOST),
        ("slack://", "/@joe", UrlPart.HOST),
        ("https://", ".example.org/x", UrlPart.HOST),
        ("https://[", "]:80/", UrlPart.HOST),
        ("https://[::1]:", "/", UrlPart.PORT),
        ("https://h:", "/a@b", UrlPart.PORT),
        ("mailto://u:p@h:", "", UrlPart.PORT),
        ("tgram://123:", "/4", UrlPart.HOST),
        ("https://h/", "", UrlPart.PATH),
        ("https://h/a@b/", "@c", UrlPart.PATH),
        ("slack://t/#", "", UrlPart.PATH),
        ("https://h?", "", UrlPart.QUERY),
        ("https://h/a?b=", "/c@d", UrlPart.QUERY),
        ("https://h/a?b=c#", "", UrlPart.QUERY),
        ("no url ", "", UrlPart.QUERY),
    ],
)
def test_a_place_is_known_by_what_stands_around_it(before: str, after: str, place: UrlPart) -> None:
    assert part_at(before, after) is place


@pytest.mark.parametrize(
    ("value", "place", "text"),
    [
        (HARD, UrlPart.START, HARD),
        (HARD, UrlPart.LOGIN, LOGIN),
        (HARD, UrlPart.QUERY, LOGIN),
        (HARD, UrlPart.PATH, LOGIN.replace("%2F", "/").replace("%3A", ":")),
        ("T0/B0/abc", UrlPart.PATH, "T0/B0/abc"),
        ("h.example.org", UrlPart.HOST, "h.example.org"),
        ("10.0.0.7:8443", UrlPart.HOST, "10.0.0.7:8443"),
        ("[::1]:80", UrlPart.HOST, "[::1]:80"),
        ("123:ab-c_d", UrlPart.HOST, "123:ab-c_d"),
        ("+15550001111", UrlPart.HOST, "+15550001111"),
        ("bücher.example", UrlPart.HOST, "bücher.example"),
        ("a%2Fb", UrlPart.HOST, "a%2Fb"),
        ("8443", UrlPart.PORT, "8443"),
    ],
)
def test_a_value_is_written_as_its_place_wants(value: str, place: UrlPart, text: str) -> None:
    assert quoted_for(value, place) == text


@pytest.mark.parametrize(
    "value", ["a/b", "u@h", "a b", "h?x", "h#x", "100%", "https://h.example.org", "h\n.org", "a\\b"]
)
def test_what_no_host_can_be_is_refused(value: str) -> None:
    with pytest.raises(UrlValueError, match="has its host"):
        quoted_for(value, UrlPart.HOST)


@pytest.mark.parametrize("value", ["0", "65536", "80/a", "http", "٣", "-1", "8 0"])
def test_what_no_port_can_be_is_refused(value: str) -> None:
    with pytest.raises(UrlValueError, match="has its port"):
        quoted_for(value, UrlPart.PORT)


def test_the_fault_names_the_variable_and_not_its_value() -> None:
    with pytest.raises(ChannelError) as caught:
        expand("https://${HOST}/x", {"HOST": "https://hush.example.org"}, ("url",), is_url=True)
    assert str(caught.value) == (
        "the environment variable HOST stands where the URL has its host, and holds what no host "
        "can: a blank or one of / ? # @ %, let it hold the host alone, like example.org or "
        "10.0.0.7:8443"
    )
    assert caught.value.path == ("url",)


def test_every_part_of_one_url_is_written_as_its_place_wants() -> None:
    text = "https://${U}:${P}@${H}:${N}/a/${D:-x/y}/${R}?k=${Q}&${K}=1#${F}"
    given = {"U": "u@d", "P": "p/:", "H": "h.org", "N": "81", "R": "b/c d", "Q": "a/b", "K": "k="}
    assert expand(text, {**given, "F": "f"}, is_url=True) == (
        "https://u%40d:p%2F%3A@h.org:81/a/x/y/b/c%20d?k=a%2Fb&k%3D=1#f"
    )
