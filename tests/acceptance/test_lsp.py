"""`alert-engine lsp` helps a real LSP client: findings, completion, hover, and tests by lenses."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.support.command import alert_engine, alert_engine_process
from tests.support.lsp_client import Editor
from tests.support.missing_package import without

pytestmark = pytest.mark.slow

GOOD = """\
rules:
  - id: gate
    when: |
      // on the way
      plate.confidence > 0.5 && camera_id.startsWith("g")
    notify: []
    conditions:
      - {field: plate.normalized_text, operator: in_list, value: [ABC123]}
    tests:
      - {name: fires, event: {camera_id: gate, plate: {normalized_text: ABC123, confidence: 0.9}},
         expect: match}
      - name: unsure
        event: {camera_id: gate, plate: {normalized_text: ABC123, confidence: 0.4}}
        expect: no_match
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "gate.yaml").write_text(GOOD, encoding="utf-8")
    (rules / "channels.yaml").write_text("channels: {guards: 'json://127.0.0.1:1/'}\n")
    (tmp_path / "stolen.csv").write_text("plate\nABC123\n")
    return tmp_path


def test_what_is_typed_is_checked_before_it_is_saved(site: Path) -> None:
    async def play() -> None:
        async with Editor(site) as editor:
            editor.open("rules/gate.yaml")
            assert await editor.findings("rules/gate.yaml") == []
            for wrong, line, start, end in (
                # Within the expression, where a character beyond 16 bits counts as two.
                (GOOD.replace("plate.", "'🚗' != plate.text && plate.co", 1), 4, 34, 46),
                (GOOD.replace("camera_id.starts", "camera_ib.starts"), 4, 32, 52),
                (GOOD.replace("notify: []", "notfy: []"), 5, 4, 9),
                (GOOD.replace("notify: []", "notify: [nobody]"), 5, 13, 19),
            ):
                editor.type("rules/gate.yaml", wrong)
                found = await editor.findings("rules/gate.yaml")
                ranges = [(each.range.start, each.range.end) for each in found]
                shown = [(a.line, a.character, b.character) for a, b in ranges]
                assert (line, start, end) in shown, found
            editor.type("rules/gate.yaml", GOOD)
            assert await editor.findings("rules/gate.yaml") == []

    asyncio.run(play())


def test_the_findings_are_those_of_check(site: Path) -> None:
    wrong = GOOD.replace("notify: []", "priority: urgent")
    (site / "rules" / "gate.yaml").write_text(wrong, encoding="utf-8")
    report = alert_engine(site, "check")

    async def play() -> None:
        async with Editor(site) as editor:
            editor.open("rules/gate.yaml")
            found = await editor.findings("rules/gate.yaml")
            lines = [
                f"rules/gate.yaml:{each.range.start.line + 1}:{each.range.start.character + 1}: "
                f"{'warning: ' if each.severity == 2 else ''}{each.message}"
                for each in found
            ]
            assert lines
            assert [line for line in report.stdout.splitlines() if line in lines] == lines

    asyncio.run(play())


def test_a_channel_that_another_open_document_defines_is_known(site: Path) -> None:
    async def play() -> None:
        async with Editor(site) as editor:
            editor.open("rules/gate.yaml", GOOD.replace("notify: []", "notify: [pager]"))
            (unknown,) = await editor.findings("rules/gate.yaml")
            assert unknown.message.startswith("unknown channel `pager`")
            editor.open("rules/new.yaml", "channels: {pager: 'json://127.0.0.1:1/'}\n")
            await editor.wait_until(
                lambda: not editor._diagnostics[editor.uri("rules/gate.yaml")].diagnostics
            )
            assert "pager" in await editor.complete("rules/gate.yaml", 5, 13)
            editor.close("rules/new.yaml")
            await editor.wait_until(
                lambda: bool(editor._diagnostics[editor.uri("rules/gate.yaml")].diagnostics)
            )

    asyncio.run(play())


def test_other_yaml_files_are_left_alone(site: Path) -> None:
    async def play() -> None:
        async with Editor(site) as editor:
            editor.open("compose.yml", "services:\n  kafka: {image: x}\n")
            assert await editor.findings("compose.yml") == []
            assert await editor.complete("compose.yml", 2, 0) == []

    asyncio.run(play())


def test_completion_and_hover_know_the_language(site: Path) -> None:
    async def play() -> None:
        async with Editor(site) as editor:
            editor.open("rules/gate.yaml")
            await editor.findings("rules/gate.yaml")
            fields = await editor.complete("rules/gate.yaml", 4, 12)
            assert {"text", "normalized_text", "confidence", "region"} == {*fields}
            assert "guards" in await editor.complete("rules/gate.yaml", 5, 13)
            about = await editor.hover("rules/gate.yaml", 4, 14)
            assert about.startswith("`plate.confidence`: double")
            assert "from 0 to 1" in about
            lowered = await editor.hover("rules/gate.yaml", 7, 52)
            assert 'lower(plate.normalized_text) in ["abc123"]' in lowered

    asyncio.run(play())


def test_a_lens_runs_a_rules_tests_on_what_is_typed(site: Path) -> None:
    async def play() -> None:
        async with Editor(site) as editor:
            editor.open("rules/gate.yaml")
            await editor.findings("rules/gate.yaml")
            every, first, second = await editor.lenses("rules/gate.yaml")
            assert [(every[0], every[1]), (first[0], first[1]), (second[0], second[1])] == [
                (8, "run 2 tests"),
                (9, "run test"),
                (11, "run test"),
            ]
            assert await editor.run(every[2]) == {"passed": 2, "failed": []}
            assert editor.messages == ["gate: 2 passed, 0 failed"]
            await editor.wait_until(lambda: editor.refreshed == 1)
            titles = [title for _, title, _ in await editor.lenses("rules/gate.yaml")]
            assert titles[0] == "2 passed, 0 failed · run 2 tests"

            editor.type("rules/gate.yaml", GOOD.replace("> 0.5", "> 0.3"))
            await editor.findings("rules/gate.yaml")
            assert (await editor.lenses("rules/gate.yaml"))[0][1] == "run 2 tests"
            done = await editor.run(second[2])
            assert done["passed"] == 0
            (failure,) = await editor.findings("rules/gate.yaml")
            assert failure.message == "unsure: expected no_match, got alert"
            assert failure.range.start.line == 11

    asyncio.run(play())


def test_without_its_package_it_says_what_to_install(tmp_path: Path) -> None:
    report = alert_engine_process(tmp_path, "lsp", variables=without(tmp_path, "pygls"))
    assert report.status == 2
    assert report.stderr.endswith(
        "needs pygls, which is not installed: pip install 'alpr-alert-engine[editor]'\n"
    )


def test_a_fault_of_the_settings_is_shown(site: Path) -> None:
    variables = {"SCHEMAS_PATH": "nowhere"}

    async def play() -> None:
        async with Editor(site, variables) as editor:
            await editor.wait_until(lambda: bool(editor.messages))
            assert editor.messages[0].startswith("alert-engine: nowhere/plate_event.avsc: ")

    asyncio.run(play())
