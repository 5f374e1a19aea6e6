"""Null guards: each way to write one silences the warning."""

from __future__ import annotations

import pytest

from tests.unit.cel.plate_variables import compiled, value_of

USE = "vehicle.make.startsWith('F')"


@pytest.mark.parametrize(
    "text",
    [
        f"vehicle.make != null && {USE}",
        f"{USE} && vehicle.make != null",
        f"null != vehicle.make && latency_ms > 1 && {USE}",
        f"has(vehicle.make) && {USE}",
        f"vehicle.make == null || {USE}",
        f"!(vehicle.make == null) && {USE}",
        f"!(vehicle.make != null) || {USE}",
        f"!has(vehicle.make) || {USE}",
        f"vehicle.make != null ? {USE} : false",
        f"vehicle.make == null ? false : {USE}",
        f"(vehicle.make == 'a' || vehicle.make == 'Fb') && {USE}",
        f"!(vehicle.make == null || is_test) && {USE}",
        f"vehicle.make != 'a' || {USE}",
        f"has(vehicle.make) && (is_test || {USE})",
        f"has(vehicle.make) && tags.exists(t, {USE})",
        f"vehicle.make in ['Ford', 'Fiat'] && {USE}",
    ],
)
def test_a_guard_in_any_form_silences_the_warning(text: str) -> None:
    assert compiled(text).warnings == ()
    assert value_of(text, vehicle={"make": None, "color": None}) in (True, False)


@pytest.mark.parametrize(
    "text",
    [
        USE,
        f"vehicle.make != null || {USE}",
        f"vehicle.make == null && {USE}",
        f"(vehicle.make != null || is_test) && {USE}",
        f"vehicle.color != null && {USE}",
        f"vehicle.make != null ? true : {USE}",
        f"vehicle.make == null ? {USE} : true",
        f"!(vehicle.make == null && is_test) && {USE}",
        f"vehicle.make in ['Ford', null] && {USE}",
        f"vehicle.make in tags && {USE}",
    ],
)
def test_what_guards_nothing_leaves_the_warning(text: str) -> None:
    # A guard on the wrong side is told by `contradictions` too.
    codes = [warning.code for warning in compiled(text).warnings]
    assert [code for code in codes if code not in {"never-true", "always-true"}] == ["may-be-null"]


def test_a_guarded_comparison_needs_no_second_guard() -> None:
    score = "extras.quality_score"
    assert compiled(f"{score} != null && {score} > 0.5 && {score} + 1.0 > 1.0").warnings == ()
    for other in ("||", "&&"):
        assert len(compiled(f"{score} > 0.5 {other} is_test").warnings) == 1
