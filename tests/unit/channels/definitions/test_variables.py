"""`${VAR}` in channel definitions."""

from __future__ import annotations

from pathlib import Path

import pytest

from channels.definitions.block import expand
from channels.redact import redact
from engine.errors import ChannelError


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("plain", "plain"),
        ("a ${NAME} b", "a value b"),
        ("${NAME}${NAME}", "valuevalue"),
        ("${MISSING:-fallback}", "fallback"),
        ("${EMPTY:-fallback}", "fallback"),
        ("${NAME:-fallback}", "value"),
        ("${MISSING:-}", ""),
        ("${MISSING:-a:-b $ c}", "a:-b $ c"),
        ("cost $$5", "cost $5"),
        ("$${NAME}", "${NAME}"),
        ("$NAME stays", "$NAME stays"),
        ("end $", "end $"),
        ("p@ss", "p@ss"),
    ],
)
def test_text_is_expanded(text: str, expanded: str) -> None:
    assert expand(text, {"NAME": "value", "EMPTY": ""}) == expanded


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"])
def test_the_line_end_after_a_secret_is_no_part_of_it(end: str) -> None:
    variables = {"USER": f"joe{end}", "PASS": f"hush{end}", "EMPTY": end}
    assert expand("Basic ${USER}:${PASS} x", variables) == "Basic joe:hush x"
    url = "mailto://${USER}:${PASS}@h/${USER}?a=${EMPTY:-e}"
    assert expand(url, variables, is_url=True) == "mailto://joe:hush@h/joe?a=e"


def test_a_secret_may_stand_in_a_file_and_is_masked(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("kept-in-a-file-91\n")
    variables = {"TOKEN_FILE": str(tmp_path / "token")}
    assert expand("Bearer ${TOKEN:-none}", variables) == "Bearer kept-in-a-file-91"
    assert redact("it was kept-in-a-file-91.") == "it was ***."


def test_a_file_that_cant_be_read_is_a_fault_at_its_place_whatever_the_default() -> None:
    with pytest.raises(ChannelError) as caught:
        expand("${TOKEN:-none}", {"TOKEN_FILE": "/no/such"}, ("headers", "X"))
    assert caught.value.what == (
        "the file /no/such, which TOKEN_FILE names, can't be read (No such file or directory)"
    )
    assert caught.value.path == ("headers", "X")


@pytest.mark.parametrize("text", ["${MISSING}", "${EMPTY}"])
def test_unset_or_empty_variable_is_an_error_that_names_it(text: str) -> None:
    with pytest.raises(ChannelError, match=f"variable {text[2:-1]} is unset or empty") as caught:
        expand(text, {"EMPTY": ""}, ("password",))
    assert caught.value.path == ("password",)


@pytest.mark.parametrize(
    "text", ["${", "${NAME", "${}", "${NA ME}", "${1}", "${NAME:+x}", "${a${b}}"]
)
def test_malformed_reference_is_an_error(text: str) -> None:
    with pytest.raises(ChannelError, match="malformed"):
        expand(text, {"NAME": "value"})


def test_value_in_a_url_is_quoted() -> None:
    url = expand("mailto://u:${P}@example.org", {"P": "p@/#?% ü"}, is_url=True)
    assert url == "mailto://u:p%40%2F%23%3F%25%20%C3%BC@example.org"


def test_variable_that_begins_a_url_is_its_start() -> None:
    url = expand("${URL}/x?t=${T}", {"URL": "https://h.example/a", "T": "a&b"}, is_url=True)
    assert url == "https://h.example/a/x?t=a%26b"


def test_default_in_a_url_is_taken_as_quoted_for() -> None:
    assert expand("http://h:${PORT:-80/a}", {}, is_url=True) == "http://h:80/a"


def test_value_is_not_expanded_again() -> None:
    assert expand("${A}", {"A": "${B} $$", "B": "no"}) == "${B} $$"


def test_what_was_put_in_is_a_secret_from_then_on() -> None:
    expand("x ${TOKEN}", {"TOKEN": "kept-from-variables"})
    assert redact("it was kept-from-variables.") == "it was ***."


def test_plain_value_is_no_secret() -> None:
    expand("${HOST}", {"HOST": "plain.example.net"}, is_secret=False)
    assert redact("plain.example.net") == "plain.example.net"
