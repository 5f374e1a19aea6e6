from __future__ import annotations

import dataclasses
import os
import platform
from pathlib import Path

import pytest

from engine.bench.machine import UNKNOWN, ask_nvpmodel, read_machine
from tests.unit.bench.results import MACHINE

X86 = "processor\t: 0\nmodel name\t: Fast CPU @ 3 GHz\nprocessor\t: 1\nmodel name\t: Fast CPU\n"
ORIN = "processor\t: 0\nmodel name\t: ARMv8 Processor rev 1 (v8l)\nCPU implementer\t: 0x41\n\
CPU part\t: 0xd42\n\nprocessor\t: 1\nCPU implementer\t: 0x41\nCPU part\t: 0xd42\n"
TX2 = "CPU implementer\t: 0x41\nCPU part\t: 0xd07\nCPU implementer\t: 0x4e\nCPU part\t: 0x003\n"
STRANGE = "CPU implementer\t: 0x99\nCPU part\t: 0x123\n"
MODES = "< POWER_MODEL ID=0 NAME=MAXN >\nCPU_ONLINE CORE_0 1\n< POWER_MODEL ID=2 NAME=15W >\n"


def nothing() -> str:
    return ""


def put(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    ("cpuinfo", "name"),
    [
        (X86, "Fast CPU @ 3 GHz"),
        (ORIN, "Cortex-A78AE"),
        (TX2, "Cortex-A57 + NVIDIA Denver 2"),
        (STRANGE, "ARM 0x99/0x123"),
        ("model name : VAX\n" + STRANGE, "VAX"),
        ("CPU implementer : ?\nCPU part : ?\n", "ARM 0x00/0x000"),
        ("", platform.processor() or UNKNOWN),
    ],
)
def test_the_processor_is_named(tmp_path: Path, cpuinfo: str, name: str) -> None:
    put(tmp_path, "proc/cpuinfo", cpuinfo)
    assert read_machine(tmp_path, nothing).cpu == name


def test_a_jetson_is_named_with_its_power_mode(tmp_path: Path) -> None:
    put(tmp_path, "proc/device-tree/model", "NVIDIA Jetson Orin Nano\0")
    machine = read_machine(tmp_path, lambda: "NV Power Mode: 15W\n2\n")
    assert (machine.model, machine.power_mode) == ("NVIDIA Jetson Orin Nano", "15W")


@pytest.mark.parametrize(
    ("status", "modes", "mode"),
    [
        ("pmode:0002 fmode:fanNull", MODES, "15W"),
        ("pmode:0000", MODES, "MAXN"),
        ("pmode:0003", MODES, "mode 3"),
        ("pmode:0002", "", "mode 2"),
        ("nonsense", MODES, UNKNOWN),
    ],
)
def test_the_power_mode_is_read_from_files_where_nvpmodel_can_not_be_asked(
    tmp_path: Path, status: str, modes: str, mode: str
) -> None:
    put(tmp_path, "var/lib/nvpmodel/status", status)
    put(tmp_path, "etc/nvpmodel.conf", modes)
    assert read_machine(tmp_path, nothing).power_mode == mode


def test_what_can_not_be_seen_is_unknown(tmp_path: Path) -> None:
    machine = read_machine(tmp_path, nothing)
    assert (machine.model, machine.power_mode) == (UNKNOWN, UNKNOWN)
    assert (machine.memory_mb, machine.load) == (None, None)
    assert not machine.is_busy


def test_memory_and_load_are_read(tmp_path: Path) -> None:
    put(tmp_path, "proc/meminfo", "MemTotal:       16000000 kB\nMemFree: 1 kB\n")
    put(tmp_path, "proc/loadavg", "1.25 0.50 0.10 1/200 4242\n")
    machine = read_machine(tmp_path, nothing)
    assert (machine.memory_mb, machine.load) == (16384, 1.25)


def test_cores_are_those_that_the_process_may_use() -> None:
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("Linux only")
    assert read_machine(ask=nothing).cores == len(os.sched_getaffinity(0))


def test_a_machine_is_told_in_words() -> None:
    assert MACHINE.hardware() == [
        "6 cores of Cortex-A78AE (aarch64)",
        "NVIDIA Jetson Orin Nano",
        "power mode 15W",
    ]
    assert MACHINE.software() == ["CPython 3.13.1", "alert-engine 0.1.0"]
    plain = dataclasses.replace(MACHINE, cores=1, model=UNKNOWN, power_mode=UNKNOWN)
    assert plain.hardware() == ["1 core of Cortex-A78AE (aarch64)"]


@pytest.mark.parametrize(("load", "is_busy"), [(5.4, False), (5.6, True), (None, False)])
def test_a_machine_without_a_free_core_is_busy(load: float | None, is_busy: bool) -> None:
    assert dataclasses.replace(MACHINE, load=load).is_busy is is_busy


def test_nvpmodel_is_asked_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ask_nvpmodel() == ""
    command = tmp_path / "nvpmodel"
    command.write_text('#!/bin/sh\necho "NV Power Mode: MAXN"\necho "0 $*"\n')
    command.chmod(0o755)
    assert ask_nvpmodel() == "NV Power Mode: MAXN\n0 -q\n"
    command.write_text("not a program")
    assert ask_nvpmodel() == ""
