from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Iterator

import pytest
import structlog

from engine.logs.setup import configure_logs
from engine.logs.text import mask_plate


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, hook = root.handlers[:], root.level, threading.excepthook
    yield
    structlog.reset_defaults()
    threading.excepthook = hook
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


@pytest.mark.parametrize("level", [logging.WARNING + 5, logging.CRITICAL + 10])
def test_a_level_of_a_librarys_own_is_no_failure(level: int) -> None:
    stream = io.StringIO()
    configure_logs("info", "json", stream)
    logging.getLogger("some.library").log(level, "odd")
    assert json.loads(stream.getvalue())["event"] == "odd"


def test_a_library_that_formats_wrongly_is_heard_all_the_same() -> None:
    stream = io.StringIO()
    configure_logs("info", "json", stream)
    logging.getLogger("some.library").error("%d plates", "many")
    assert json.loads(stream.getvalue())["event"] == "%d plates"


class Broken(io.StringIO):
    """A log whose reader has gone, or whose disk is full."""

    def write(self, text: str, /) -> int:
        raise BrokenPipeError

    def flush(self) -> None:
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_line_that_cannot_be_written_ends_no_thread(form: str) -> None:
    configure_logs("info", form, Broken())
    structlog.get_logger("x").warning("channel.held")
    logging.getLogger("some.library").error("it broke")


def test_a_log_that_was_closed_ends_no_thread() -> None:
    stream = io.StringIO()
    configure_logs("info", "json", stream)
    stream.close()
    structlog.get_logger("x").warning("channel.held")


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_thread_that_dies_is_told_without_its_variables(form: str) -> None:
    def work() -> None:
        local = "local"
        raise RuntimeError("the disk " + "is gone"[: len(local) + 5])

    stream = io.StringIO()
    configure_logs("info", form, stream)
    thread = threading.Thread(target=work, name="watch")
    thread.start()
    thread.join()
    assert "thread.died" in stream.getvalue()
    assert "watch" in stream.getvalue()
    assert "RuntimeError: the disk is gone" in stream.getvalue()
    assert "'local'" not in stream.getvalue()


def test_plates_are_masked_to_two_characters() -> None:
    assert (mask_plate("ABC123"), mask_plate("")) == ("AB***", "")


def test_secrets_are_taken_out_of_every_line() -> None:
    stream = io.StringIO()
    configure_logs("info", "json", stream, lambda line: line.replace("hunter2", "***"))
    structlog.get_logger("x").info("login", detail="user:hunter2")
    logging.getLogger("some.library").error("hunter2 was refused")
    assert "hunter2" not in stream.getvalue()
    assert stream.getvalue().count("***") == 2
