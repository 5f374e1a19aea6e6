"""Details fit for logs and the store."""

from __future__ import annotations

from dataclasses import replace

import pytest

from channels.alert import SENT, Outcome, Reason, Status
from channels.redact import redact_outcome, remember
from tests.unit.channels.samples import alert


def detail_of(text: str, **changes: object) -> str:
    return redact_outcome(
        Outcome(Status.REFUSED, Reason.BAD_REQUEST, text), alert(**changes)
    ).detail


def test_secret_and_plate_are_taken_out() -> None:
    remember(["detail-s3cret"])
    assert detail_of("no ABC123 / ABC-123 with detail-s3cret") == "no [plate] / [plate] with ***"


@pytest.mark.parametrize(
    "spelling",
    [
        *("ABC123", "ABC-123", "abc123", "abc-123", "ABC 123", "Abc_1.23", "A B C 1 2 3"),
        *(
            "ABC%20123",
            "abc%2d123",
            "ABC&nbsp;123",
            "abc\\u002d123",
            "ABC\u00b7123",
            "ABC\u2011123",
        ),
    ],
)
def test_plate_is_taken_out_in_every_spelling(spelling: str) -> None:
    assert detail_of(f"no {spelling}, sorry") == "no [plate], sorry"
    assert detail_of(f"text=Hit\\n{spelling}&x") == "text=Hit\\n[plate]&x"
    assert detail_of(f"?text=Hit%20{spelling}&x") == "?text=Hit%20[plate]&x"


def test_plate_of_other_letters_is_taken_out() -> None:
    event = {"plate": {"text": "MÜ-AB 12", "normalized_text": "MÜAB12"}}
    for spelling in ("mü ab 12", "M\\u00dcAB12", "m%C3%9C-ab-12"):
        assert detail_of(f"no {spelling}!", event=event) == "no [plate]!"


def test_other_words_are_no_plate() -> None:
    text = "HTTP 400: abc1234, xabc123, ABC12, 123 ABC"
    assert detail_of(text) == text


@pytest.mark.parametrize("before", range(150, 205, 5))
def test_secret_at_the_cut_is_taken_out(before: int) -> None:
    secret = "cut-s3cret/of-some-length-0123456789"
    remember([secret])
    detail = detail_of("x" * before + secret + "y" * 40)
    assert "cut-s3" not in detail
    assert len(detail) <= 200


def test_secret_whose_end_the_answer_lacks_is_taken_out() -> None:
    remember(["lacking-s3cret-0123456789"])
    assert detail_of("HTTP 400: said lacking-s3cret-01") == "HTTP 400: said ***"
    assert detail_of("HTTP 400: said lack") == "HTTP 400: said lack"


@pytest.mark.parametrize("before", range(185, 200, 3))
def test_plate_at_the_cut_is_taken_out(before: int) -> None:
    assert "AB" not in detail_of("x" * before + " ABC123 and more of it")


def test_event_without_a_usable_plate_leaves_the_text() -> None:
    for event in ({}, {"plate": None}, {"plate": {"text": "A", "normalized_text": None}}):
        assert detail_of("an A", event=event) == "an A"


def test_outcome_without_detail_is_untouched() -> None:
    assert redact_outcome(SENT, alert()) is SENT


def test_an_answer_is_kept_for_a_drill_alone_and_masked() -> None:
    remember(["answer-s3cret"])
    sent = replace(SENT, answer="HTTP 200: ABC123 taken with answer-s3cret")
    kept = redact_outcome(sent, alert(is_test=True))
    assert (kept, kept.answer) == (SENT, "HTTP 200: [plate] taken with ***")
    assert redact_outcome(sent, alert()).answer == ""
