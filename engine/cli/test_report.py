"""Writes the results of rules' tests: as text for people, as JSON, JUnit's XML and TAP."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from engine.rules import Rule
from engine.simulate.coverage import PartCoverage, RuleCoverage
from engine.simulate.rule_tests import Difference, RuleTestResult

#: What XML can't hold.
_NO_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_INDENT: Final = "    "


class ReportFormat(StrEnum):
    """How the results of tests are written."""

    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"
    TAP = "tap"


@dataclass(frozen=True, slots=True)
class RuleTestReport:
    """The results of all tests, and what was not tested: the ids of rules without tests.

    `disabled` are the ids of disabled rules. `coverage` is None where nobody asked for it.
    """

    results: Sequence[RuleTestResult]
    untested: Sequence[str]
    disabled: Sequence[str]
    coverage: Sequence[RuleCoverage] | None = None

    @property
    def failed(self) -> list[RuleTestResult]:
        """The tests that did not pass."""
        return [each for each in self.results if each.differences]

    @property
    def left_out(self) -> list[RuleTestResult]:
        """The tests that were not run."""
        return [each for each in self.results if each.disabled]

    def written(self, form: ReportFormat) -> str:
        """The report in this format."""
        match form:
            case ReportFormat.TEXT:
                return "".join(f"{line}\n" for line in self._lines())
            case ReportFormat.JSON:
                return f"{json.dumps(self.as_json(), ensure_ascii=False, indent=2)}\n"
            case ReportFormat.JUNIT:
                return "".join(f"{line}\n" for line in self._junit())
            case ReportFormat.TAP:
                return "".join(f"{line}\n" for line in self._tap())

    def as_json(self) -> dict[str, object]:
        """The report as JSON's values."""
        return {
            **self._counts(),
            "tests": [_as_json(each) for each in self.results],
            "without_tests": list(self.untested),
            "disabled": list(self.disabled),
            **({} if self.coverage is None else {"coverage": _coverage_json(self.coverage)}),
        }

    def _counts(self) -> dict[str, int]:
        failed, left_out = len(self.failed), len(self.left_out)
        passed = len(self.results) - failed - left_out
        return {"passed": passed, "failed": failed, "left_out": left_out}

    def _lines(self) -> Iterator[str]:
        for result in self.results:
            head = f"{result.test.place}: {_title(result)}"
            if result.disabled:
                yield f"{head}: {_reason(result)}"
            for each in result.differences:
                yield from _difference_lines(f"{head}: {result.where(each)}", each)
        if self.untested:
            yield f"without tests: {', '.join(self.untested)}"
        if self.disabled:
            yield f"disabled, not tested: {', '.join(self.disabled)}"
        if self.coverage is not None:
            yield from _coverage_lines(self.coverage)
        counts = self._counts()
        left_out = f", {counts['left_out']} left out" if counts["left_out"] else ""
        yield f"{counts['passed']} passed, {counts['failed']} failed{left_out}"

    def _junit(self) -> Iterator[str]:
        counts = self._counts()
        totals = _xml_counts(len(self.results), counts["failed"], counts["left_out"])
        yield '<?xml version="1.0" encoding="UTF-8"?>'
        yield f'<testsuites name="alert-engine" {totals}>'
        for file, results in groupby(self.results, lambda each: each.test.place.file):
            found = list(results)
            failed = sum(bool(each.differences) for each in found)
            left_out = sum(bool(each.disabled) for each in found)
            attributes = _xml_counts(len(found), failed, left_out)
            yield f"  <testsuite name={_quoted(file)} {attributes}>"
            for each in found:
                yield from _xml_case(each, file)
            yield "  </testsuite>"
        yield "</testsuites>"

    def _tap(self) -> Iterator[str]:
        yield "TAP version 14"
        yield f"1..{len(self.results)}"
        for number, each in enumerate(self.results, 1):
            word = "not ok" if each.differences else "ok"
            skip = f" # SKIP {_tap_text(_reason(each))}" if each.disabled else ""
            yield f"{word} {number} - {_tap_text(_title(each))}{skip}"
            if each.differences:
                # JSON is YAML.
                yield "  ---"
                yield f"  at: {json.dumps(str(each.test.place), ensure_ascii=False)}"
                yield "  problems:"
                for problem in each.problems:
                    yield f"    - {json.dumps(problem, ensure_ascii=False)}"
                yield "  ..."


def _coverage_lines(coverage: Sequence[RuleCoverage]) -> Iterator[str]:
    """Each gap at its rule, and a summary."""
    for rule, part in _gaps(coverage):
        yield f"{rule.place}: {rule.rule_id}: {part.gap}: {part.text}"
    parts, covered = _covered(coverage)
    yield f"coverage: {covered} of {parts} parts of conditions were true and false"


def _coverage_json(coverage: Sequence[RuleCoverage]) -> dict[str, object]:
    parts, covered = _covered(coverage)
    return {
        "parts": parts,
        "covered": covered,
        "gaps": [
            {
                "rule": rule.rule_id,
                "file": rule.place.file,
                "line": rule.place.line,
                "part": part.text,
                "was_true": part.was_true,
                "was_false": part.was_false,
            }
            for rule, part in _gaps(coverage)
        ],
    }


def _gaps(coverage: Sequence[RuleCoverage]) -> Iterator[tuple[Rule, PartCoverage]]:
    return ((each.rule, part) for each in coverage for part in each.gaps)


def _covered(coverage: Sequence[RuleCoverage]) -> tuple[int, int]:
    """The number of parts, and of those that were true and false."""
    parts = [part for each in coverage for part in each.parts]
    return len(parts), sum(part.is_covered for part in parts)


def _title(result: RuleTestResult) -> str:
    """The name of a test, after its rule where it has one."""
    name = result.test.name
    return f"{result.rule_id}, {name}" if result.rule_id else name


def _reason(result: RuleTestResult) -> str:
    """Why a test was not run."""
    return f"left out, it names what is disabled: {', '.join(result.disabled)}"


def _status(result: RuleTestResult) -> str:
    if result.disabled:
        return "left_out"
    return "failed" if result.differences else "passed"


def _difference_lines(head: str, difference: Difference) -> Iterator[str]:
    """The difference; two texts stand below each other, so that one sees where they differ."""
    if not difference.what or not difference.expected:
        yield f"{head}{difference}"
        return
    yield f"{head}{difference.what} differs"
    for word, text in (("expected", difference.expected), ("got", difference.got)):
        first, *others = text.split("\n")
        yield f"{_INDENT}{word + ':':<10}{first}"
        yield from (f"{_INDENT}{'':<10}{line}" for line in others)


def _as_json(result: RuleTestResult) -> dict[str, object]:
    place = result.test.place
    return {
        "rule": result.rule_id or None,
        "name": result.test.name,
        "file": place.file,
        "line": place.line,
        "status": _status(result),
        "problems": [
            {
                "event": each.event,
                "rule": each.rule_id or None,
                "what": each.what or "verdict",
                "expected": each.expected,
                "got": each.got,
            }
            for each in result.differences
        ],
        "disabled": list(result.disabled),
    }


def _xml_counts(tests: int, failures: int, skipped: int) -> str:
    return f'tests="{tests}" failures="{failures}" errors="0" skipped="{skipped}"'


def _xml_case(result: RuleTestResult, file: str) -> Iterator[str]:
    owner, name = _quoted(result.rule_id or file), _quoted(result.test.name)
    place = f'file={_quoted(file)} line="{result.test.place.line}"'
    head = f"    <testcase classname={owner} name={name} {place}"
    if result.is_passed:
        yield f"{head}/>"
        return
    yield f"{head}>"
    if result.disabled:
        yield f"      <skipped message={_quoted(_reason(result))}/>"
    else:
        lines = "\n".join(
            line
            for each in result.differences
            for line in _difference_lines(result.where(each), each)
        )
        text = escape(_NO_XML.sub("?", lines))
        yield f"      <failure message={_quoted(result.problem)}>{text}</failure>"
    yield "    </testcase>"


def _quoted(text: str) -> str:
    """A text as an attribute of XML, with its quotation marks."""
    return quoteattr(_NO_XML.sub("?", text), {"\n": "&#10;", "\t": "&#9;", "\r": "&#13;"})


def _tap_text(text: str) -> str:
    """A text as a description in TAP: one line, in which `#` begins no directive."""
    return re.sub(r"\s+", " ", text).replace("\\", "\\\\").replace("#", "\\#")
