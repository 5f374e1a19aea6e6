"""Settings read with checks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from channels.definitions.block import Block, ChannelFaultsError, faults_of
from channels.redact import redact
from engine.errors import ChannelError

KEYS = ("text", "flag", "number", "list", "map", "password")


def block(**values: Any) -> Block:
    return Block(values, {"VAR": "from-variable", "PORT": "25", "ON": "yes"}, KEYS)


def faults(check: Callable[[Block], object], **values: Any) -> list[str]:
    reader = block(**values)
    check(reader)
    try:
        reader.check()
    except ChannelError as error:
        return [f"{'.'.join(map(str, fault.path))}: {fault}" for fault in faults_of(error)]
    return []


def test_unknown_key_gets_a_suggestion() -> None:
    reader = Block({"txet": 1}, {}, KEYS)
    with pytest.raises(
        ChannelError, match=r"the key txet is unknown, did you mean text\?"
    ) as caught:
        reader.check()
    assert caught.value.path == ("txet",)


def test_unknown_key_that_is_like_none_gets_the_list() -> None:
    with pytest.raises(ChannelError, match="the keys are text, flag"):
        Block({"zzz": 1}, {}, KEYS).check()


def test_all_faults_are_reported_together() -> None:
    reader = block(txet="a", text=[1])
    reader.text("text")
    reader.text("password", is_required=True)
    with pytest.raises(ChannelFaultsError) as caught:
        reader.check()
    assert [fault.path for fault in caught.value.faults] == [("txet",), ("text",), ("password",)]
    assert caught.value.what == "the key txet is unknown"


@pytest.mark.parametrize(
    ("value", "text"),
    [("a", "a"), (" a ", "a"), (7, "7"), ("${VAR}", "from-variable"), ("", None), (None, None)],
)
def test_text(value: object, text: str | None) -> None:
    assert block(text=value).text("text") == text


@pytest.mark.parametrize("value", [True, 1.5, [], {}, b"x"])
def test_other_type_is_no_text(value: object) -> None:
    assert faults(lambda reader: reader.text("text"), text=value) == [
        "text: text is not a text, put it in quotes"
    ]


def test_secret_keeps_its_blanks_but_not_a_files_line_end() -> None:
    assert block(password=" p w \r\n").text("password", is_secret=True) == " p w "


def test_secret_is_remembered() -> None:
    block(password="secret-of-block").text("password", is_secret=True)
    assert redact("secret-of-block") == "***"


def test_required_text_must_not_be_missing_or_empty() -> None:
    read = lambda reader: reader.text("text", is_required=True)  # noqa: E731
    assert faults(read) == ["text: text is missing, add it"]
    assert faults(read, text="  ") == ["text: text is empty, give it a value"]


@pytest.mark.parametrize(
    ("value", "flag"),
    [(True, True), (False, False), ("yes", True), ("OFF", False), ("${ON}", True), (None, True)],
)
def test_flag(value: object, flag: bool) -> None:
    assert block(flag=value).flag("flag", default=True) is flag


def test_other_word_is_no_flag() -> None:
    assert faults(lambda reader: reader.flag("flag", default=True), flag="maybe") == [
        "flag: flag is neither true nor false, write true or false"
    ]


@pytest.mark.parametrize(
    ("value", "number"), [(7, 7), ("25", 25), ("${PORT}", 25), (None, 9), (30.0, 30)]
)
def test_whole_number(value: object, number: int) -> None:
    assert block(number=value).integer("number", 9, 1, 100) == number


@pytest.mark.parametrize("value", ["x", 0, 101, True, [], 1.5, "1e3", float("nan")])
def test_other_value_is_no_whole_number_of_the_range(value: object) -> None:
    found = faults(lambda reader: reader.integer("number", 9, 1, 100), number=value)
    assert len(found) == 1
    assert found[0].startswith("number: number is ")


def test_choice_is_one_of_the_words_in_any_case() -> None:
    assert block(text="put").choice("text", "POST", ("POST", "PUT")) == "PUT"
    assert block().choice("text", "POST", ("POST", "PUT")) == "POST"
    read = lambda reader: reader.choice("text", "POST", ("POST", "PUT"))  # noqa: E731
    assert faults(read, text="GET") == ["text: text can't be 'GET', write POST or PUT"]


def test_list_may_be_a_single_text() -> None:
    assert block(list=["a", 2]).texts("list") == [(("list", 0), "a"), (("list", 1), "2")]
    assert block(list="a").texts("list") == [(("list",), "a")]


@pytest.mark.parametrize("value", [None, []])
def test_list_needs_an_entry(value: object) -> None:
    assert faults(lambda reader: reader.texts("list"), list=value) == [
        "list: list is missing or empty, list at least one"
    ]


def test_fault_of_a_lists_entry_has_its_place() -> None:
    assert faults(lambda reader: reader.texts("list"), list=["a", None]) == [
        "list.1: list is not a text, put it in quotes"
    ]


def test_mapping_has_texts() -> None:
    assert block(map={"a": "${VAR}", "b": 1}).mapping("map") == {"a": "from-variable", "b": "1"}
    assert block().mapping("map") == {}
    assert faults(lambda reader: reader.mapping("map"), map=["a"]) == [
        "map: map is not a mapping, write one `name: value` a line"
    ]
    assert faults(lambda reader: reader.mapping("map"), map={"a": []}) == [
        "map.a: map is not a text, put it in quotes"
    ]


@pytest.mark.parametrize(
    "read",
    [
        lambda reader: reader.text("text"),
        lambda reader: reader.flag("text", default=False),
        lambda reader: reader.number("text", 1, 0, 9),
        lambda reader: reader.texts("text"),
    ],
)
def test_unset_variable_is_a_fault_that_names_it(read: Callable[[Block], object]) -> None:
    assert faults(read, text="${GONE}") == [
        "text: the environment variable GONE is unset or empty, set it, or disable this channel"
    ]
