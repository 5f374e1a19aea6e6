"""Where in a URL a value stands."""

from __future__ import annotations

import pytest

from channels.definitions.variables import UrlPlace, UrlValueError, expand, place_of, written
from engine.errors import ChannelError

HARD = "a:b@c/d?e#f%41&g=h+i j;ü"
LOGIN = "a%3Ab%40c%2Fd%3Fe%23f%2541%26g%3Dh%2Bi%20j%3B%C3%BC"


@pytest.mark.parametrize(
    ("before", "after", "place"),
    [
        ("", "/x", UrlPlace.START),
        (" ", "", UrlPlace.START),
        ("mailto://", ":p@h/", UrlPlace.LOGIN),
        ("mailto://u:", "@h", UrlPlace.LOGIN),
        ("mailto://u@d:", "@h", UrlPlace.LOGIN),
        ("mailto://u:p@", ":25/", UrlPlace.HOST),
        ("mailto://u:p@", "?to=a@b", UrlPlace.HOST),
        ("slack://", "/@joe", UrlPlace.HOST),
        ("https://", ".example.org/x", UrlPlace.HOST),
        ("https://[", "]:80/", UrlPlace.HOST),
        ("https://[::1]:", "/", UrlPlace.PORT),
        ("https://h:", "/a@b", UrlPlace.PORT),
        ("mailto://u:p@h:", "", UrlPlace.PORT),
        ("tgram://123:", "/4", UrlPlace.HOST),
        ("https://h/", "", UrlPlace.PATH),
        ("https://h/a@b/", "@c", UrlPlace.PATH),
        ("slack://t/#", "", UrlPlace.PATH),
        ("https://h?", "", UrlPlace.QUERY),
        ("https://h/a?b=", "/c@d", UrlPlace.QUERY),
        ("https://h/a?b=c#", "", UrlPlace.QUERY),
        ("no url ", "", UrlPlace.QUERY),
    ],
)
def test_a_place_is_known_by_what_stands_around_it(
    before: str, after: str, place: UrlPlace
) -> None:
    assert place_of(before, after) is place


@pytest.mark.parametrize(
    ("value", "place", "text"),
    [
        (HARD, UrlPlace.START, HARD),
        (HARD, UrlPlace.LOGIN, LOGIN),
        (HARD, UrlPlace.QUERY, LOGIN),
        (HARD, UrlPlace.PATH, LOGIN.replace("%2F", "/").replace("%3A", ":")),
        ("T0/B0/abc", UrlPlace.PATH, "T0/B0/abc"),
        ("h.example.org", UrlPlace.HOST, "h.example.org"),
        ("10.0.0.7:8443", UrlPlace.HOST, "10.0.0.7:8443"),
        ("[::1]:80", UrlPlace.HOST, "[::1]:80"),
        ("123:ab-c_d", UrlPlace.HOST, "123:ab-c_d"),
        ("+15550001111", UrlPlace.HOST, "+15550001111"),
        ("bücher.example", UrlPlace.HOST, "bücher.example"),
        ("a%2Fb", UrlPlace.HOST, "a%2Fb"),
        ("8443", UrlPlace.PORT, "8443"),
    ],
)
def test_a_value_is_written_as_its_place_wants(value: str, place: UrlPlace, text: str) -> None:
    assert written(value, place) == text


@pytest.mark.parametrize(
    "value", ["a/b", "u@h", "a b", "h?x", "h#x", "100%", "https://h.example.org", "h\n.org", "a\\b"]
)
def test_what_no_host_can_be_is_refused(value: str) -> None:
    with pytest.raises(UrlValueError, match="has its host"):
        written(value, UrlPlace.HOST)


@pytest.mark.parametrize("value", ["0", "65536", "80/a", "http", "٣", "-1", "8 0"])
def test_what_no_port_can_be_is_refused(value: str) -> None:
    with pytest.raises(UrlValueError, match="has its port"):
        written(value, UrlPlace.PORT)


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
