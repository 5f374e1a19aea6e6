"""Details fit for logs and the store."""

from __future__ import annotations

from channels.alert import SENT, Outcome, Reason, Status
from channels.detail import safe
from channels.redact import remember
from tests.unit.channels.samples import alert


def detail_of(text: str, **changes: object) -> str:
    return safe(Outcome(Status.REFUSED, Reason.BAD_REQUEST, text), alert(**changes)).detail


def test_secret_and_plate_are_taken_out() -> None:
    remember(["detail-s3cret"])
    assert detail_of("no ABC123 / ABC-123 with detail-s3cret") == "no [plate] / [plate] with ***"


def test_event_without_a_usable_plate_leaves_the_text() -> None:
    for event in ({}, {"plate": None}, {"plate": {"text": "A", "normalized_text": None}}):
        assert detail_of("an A", event=event) == "an A"


def test_outcome_without_detail_is_untouched() -> None:
    assert safe(SENT, alert()) is SENT
