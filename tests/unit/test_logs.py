from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from engine.logs import configure_logs, mask_plate


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:], root.level = handlers, level


def test_a_container_gets_one_json_object_a_line() -> None:
    stream = io.StringIO()
    configure_logs("info", "auto", stream)
    structlog.get_logger("x").warning("channel.held", channel="sms")
    line = json.loads(stream.getvalue())
    assert (line["event"], line["channel"], line["level"]) == ("channel.held", "sms", "warning")
    assert line["timestamp"].endswith("Z")


def test_console_lines_are_for_people() -> None:
    stream = io.StringIO()
    configure_logs("info", "console", stream)
    structlog.get_logger("x").info("engine.started", rules=3)
    assert "engine.started" in stream.getvalue()
    assert "rules=3" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


def test_lines_below_the_level_are_not_written() -> None:
    stream = io.StringIO()
    configure_logs("warning", "json", stream)
    structlog.get_logger("x").info("quiet")
    assert stream.getvalue() == ""


def test_what_libraries_log_takes_our_form() -> None:
    stream = io.StringIO()
    configure_logs("info", "json", stream)
    logging.getLogger("some.library").error("it %s", "broke")
    assert json.loads(stream.getvalue())["event"] == "it broke"


def test_plates_are_masked_to_two_characters() -> None:
    assert (mask_plate("ABC123"), mask_plate("")) == ("AB***", "")


def test_secrets_are_taken_out_of_every_line() -> None:
    stream = io.StringIO()
    configure_logs("info", "json", stream, lambda line: line.replace("hunter2", "***"))
    structlog.get_logger("x").info("login", detail="user:hunter2")
    logging.getLogger("some.library").error("hunter2 was refused")
    assert "hunter2" not in stream.getvalue()
    assert stream.getvalue().count("***") == 2
