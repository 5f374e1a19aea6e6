"""Base64, there and back."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.cel import evaluate
from engine.cel.values.text import decode, encode
from engine.errors import EvaluationError
from tests.support.random_cases import examples


@examples(100)
@given(st.binary(max_size=40))
def test_bytes_survive_with_padding_without_it_and_in_lines(data: bytes) -> None:
    text = encode(data)
    assert text == base64.b64encode(data).decode()
    assert decode(text) == data
    assert decode(text.rstrip("=")) == data
    assert decode(" ".join(text) + "\r\n") == data


@pytest.mark.parametrize(
    "text", ["a", "=", "====", "aG=", "aGVsbG8==", "aGVsbG8=aGVs", "aGU.", "-_-_", "é", "aGVsbA\0"]
)
def test_what_is_no_base64_is_refused(text: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        decode(text)
    assert caught.value.error_type == "bad_conversion"


def test_too_many_bytes_are_refused() -> None:
    with pytest.raises(EvaluationError) as caught:
        evaluate("base64.encode(data)", {"data": b"x" * 800_000})
    assert caught.value.error_type == "too_large"


def test_text_is_not_encoded_and_bytes_are_not_decoded() -> None:
    for call in ("base64.encode('a')", "base64.decode(b'YQ==')"):
        with pytest.raises(EvaluationError):
            evaluate(call)
