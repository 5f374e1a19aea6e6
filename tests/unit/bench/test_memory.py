from __future__ import annotations

import os
import sys

import pytest

from engine.bench.memory import peak_resident_mb, resident_mb

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux only")


def test_what_is_kept_is_resident() -> None:
    before = resident_mb()
    kept = b"x" * 50_000_000
    after = resident_mb()
    assert before is not None
    assert after is not None
    assert 45 < after - before < 60, len(kept)


def test_the_peak_stays_when_the_memory_is_gone() -> None:
    resident = resident_mb()
    assert resident is not None
    assert len(b"x" * 60_000_000)
    peak = peak_resident_mb()
    assert peak is not None
    assert peak > resident + 50


def test_another_process_is_asked_by_its_id() -> None:
    assert resident_mb(os.getppid())


def test_a_process_that_is_gone_has_no_memory_to_be_seen() -> None:
    process = os.posix_spawn("/bin/true", ["true"], {})
    os.waitpid(process, 0)
    assert resident_mb(process) is None
