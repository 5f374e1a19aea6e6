from __future__ import annotations

import math
import os
import signal
import sys
import threading
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from engine.bench.measurement import MeasuringStage, Result, measure_set
from engine.bench.rule_sets import MeasuredSet, SetKind
from engine.errors import BenchError
from tests.support.avro import PLATE_EVENT

pytestmark = pytest.mark.waits

ONE_RULE = "rules: [{id: one, when: plate.confidence > 0.9}]\n"
UTC = ZoneInfo("UTC")


@pytest.fixture
def one(tmp_path: Path) -> MeasuredSet:
    path = tmp_path / "one.yaml"
    path.write_text(ONE_RULE)
    return MeasuredSet(SetKind.MIXED, 1, (path,))


def test_a_set_is_measured_in_another_process(one: MeasuredSet) -> None:
    stages: list[MeasuringStage] = []
    result = measure_set(one, PLATE_EVENT, UTC, 0.02, stages.append)
    assert stages == [MeasuringStage.COMPILE, MeasuringStage.MATCH]
    assert isinstance(result, Result)
    assert (result.kind, result.rules) == (SetKind.MIXED, 1)
    if sys.platform == "linux":
        assert result.rss_mb is not None
        assert result.peak_rss_mb is not None
        assert 0 < result.rss_mb < result.peak_rss_mb < 200


def test_a_folder_named_as_the_package_is_not_taken_for_it(
    one: MeasuredSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine" / "__init__.py").write_text("raise SystemExit('not this one')")
    monkeypatch.chdir(tmp_path)
    assert measure_set(one, PLATE_EVENT, UTC, 0.02).rules == 1


def test_what_can_not_be_measured_is_told(
    one: MeasuredSet, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(BenchError, match=r"none\.avsc: can't be read"):
        measure_set(one, tmp_path / "none.avsc", UTC, 0.02)
    assert capfd.readouterr() == ("", "")


def test_a_process_that_breaks_down_is_told(
    one: MeasuredSet, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(BenchError, match="the process that measured 1 rule failed, see above"):
        measure_set(one, PLATE_EVENT, UTC, math.nan)
    assert "ValueError" in capfd.readouterr().err


def test_a_process_that_is_killed_is_told_and_why_that_may_be(one: MeasuredSet) -> None:
    others = children()

    def kill(stage: MeasuringStage) -> None:
        (child,) = children() - others
        os.kill(child, signal.SIGKILL)

    with pytest.raises(BenchError, match=r"was killed \(signal 9\).* when memory runs out"):
        measure_set(one, PLATE_EVENT, UTC, 30.0, kill)


def test_whoever_is_interrupted_leaves_no_process(one: MeasuredSet) -> None:
    others = children()

    def interrupt(stage: MeasuringStage) -> None:
        assert children() > others
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure_set(one, PLATE_EVENT, UTC, 30.0, interrupt)
    assert children() <= others


def children() -> set[int]:
    """The processes that this thread has started and not waited for."""
    if sys.platform != "linux":
        pytest.skip("Linux only")
    task = f"/proc/self/task/{threading.get_native_id()}/children"
    return {int(word) for word in Path(task).read_text().split()}
