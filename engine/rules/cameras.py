"""Reads the cameras of rule files: which must not be silent, and who is told when one is.

`cameras:` says for how long, and `camera_silent:` is the rule of the alerts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from channels.alert import Priority
from engine.cel import Template
from engine.errors import Place
from engine.intervals import Schedule
from engine.rules.channel_reader import ChannelReader
from engine.rules.expressions import TEMPLATE_VARIABLES, Compiler
from engine.rules.faults import FaultCode, Faults, shown, suggestion
from engine.rules.interval_reader import ScheduleReader
from engine.rules.keys import CAMERA, CAMERA_SILENT
from engine.rules.nodes import (
    MappingNode,
    ScalarNode,
    UniqueNames,
    YamlNode,
    as_mapping,
    as_text,
    check_keys,
)
from engine.schema import FieldType, Kind
from engine.settings.values import parse_duration

#: The id of the rule of silent cameras; no other rule may have it.
RULE_ID: Final = "camera_silent"
#: The entry of `cameras:` for all that have none of their own.
DEFAULT: Final = "default"
DEFAULT_NAME: Final = "Silent camera"
SILENT_TEMPLATE: Final = "{rule.name}: nothing from {camera_id} since {since} ({silent_for})"
BACK_TEMPLATE: Final = "{camera_id} is back, it was silent for {silent_for}"
SHORTEST_SECONDS: Final = 10.0
LONGEST_SECONDS: Final = 366 * 86_400.0
LONGEST_ID: Final = 100
_A_DURATION: Final = "write it like 15m, 6h or 2d, from 10s to 366d"
_TEXT: Final = FieldType(Kind.STRING)
#: What the messages of silent cameras may show.
CAMERA_VARIABLES: Final[Mapping[str, FieldType]] = {
    "camera_id": _TEXT,
    "last_seen": FieldType(Kind.TIMESTAMP, nullable=True),
    "since": FieldType(Kind.TIMESTAMP),
    "silent_for": _TEXT,
    "silent_seconds": FieldType(Kind.INT),
    "time": FieldType(Kind.TIMESTAMP),
    "rule": TEMPLATE_VARIABLES["rule"],
}


@dataclass(frozen=True, slots=True)
class WatchedCamera:
    """For how long a camera may be silent; with a `schedule` it is reported only when that counts.

    `schedule` is the camera's own, or that of the rule `camera_silent`.
    """

    silent_after_seconds: float
    schedule: Schedule | None = None


@dataclass(frozen=True, slots=True)
class CameraRules:
    """The cameras that must not be silent, and the rule of their alerts.

    `named` has those with an entry of their own; `default` is for all others, None where these are
    not watched. `notify` names only channels that exist and are enabled.
    """

    named: Mapping[str, WatchedCamera]
    default: WatchedCamera | None
    name: str
    priority: Priority
    notify: tuple[str, ...]
    silent_template: Template
    back_template: Template

    def of(self, camera_id: str) -> WatchedCamera | None:
        """How this camera is watched; None where it is not."""
        return self.named.get(camera_id, self.default)

    def message(self, values: Mapping[str, Any], *, is_silent: bool) -> tuple[str, int]:
        """The message of an alert, and how many of its placeholders failed.

        `values` are those of CAMERA_VARIABLES, without `rule`.
        """
        template = self.silent_template if is_silent else self.back_template
        rule = {"id": RULE_ID, "name": self.name, "priority": str(self.priority)}
        return template.render({**values, "rule": rule})


class CameraReader:
    """Reads `cameras:` and `camera_silent:` of all files; `result` checks them together."""

    def __init__(self, compiler: Compiler, channels: ChannelReader, faults: Faults) -> None:
        self._compiler = compiler.for_variables(CAMERA_VARIABLES)
        self._schedules = ScheduleReader(compiler.intervals, faults)
        self._channels = channels
        self._faults = faults
        self._entries: dict[str, tuple[float, Schedule | None]] = {}
        self._place: Place | None = None
        self._rule: tuple[ScalarNode, MappingNode] | None = None
        self._names = UniqueNames(
            faults,
            FaultCode.DUPLICATE_ID,
            "the camera `{}` is given twice",
            "keep one of the entries",
        )

    def read(self, document: MappingNode) -> None:
        """Read one file."""
        if "cameras" in document.values:
            self._read_cameras(document.keys["cameras"], document.values["cameras"])
        if RULE_ID in document.values:
            self._read_rule(document.keys[RULE_ID], document.values[RULE_ID])

    def result(self) -> CameraRules | None:
        """The rules of cameras; None where no camera is watched, or where there are faults."""
        if self._rule is not None and self._place is None:
            self._faults.warning(
                self._rule[0].place,
                FaultCode.NO_EFFECT,
                f"`{RULE_ID}` has no effect: no camera is watched",
                "say which, as by `cameras: {default: {silent_after: 6h}}`",
            )
        node = self._rule[1] if self._rule is not None else None
        notify = self._notify(node)
        name = self._name(node)
        priority = self._priority(node)
        schedule = self._schedules.read(node) if node is not None else None
        silent = self._template(node, "message_template", SILENT_TEMPLATE)
        back = self._template(node, "back_template", BACK_TEMPLATE)
        if not self._entries or silent is None or back is None:
            return None
        cameras = {
            camera_id: WatchedCamera(seconds, own or schedule)
            for camera_id, (seconds, own) in self._entries.items()
        }
        default = cameras.pop(DEFAULT, None)
        named = MappingProxyType(cameras)
        return CameraRules(named, default, name, priority, notify, silent, back)

    def _read_cameras(self, key: ScalarNode, node: YamlNode) -> None:
        if node.is_null:
            return
        mapping = as_mapping(node, "`cameras`", self._faults)
        if mapping is None:
            return
        self._place = self._place or key.place
        for camera_id, scalar in mapping.keys.items():
            if not self._names.add(scalar, mapping.place):
                continue
            if not camera_id.strip() or len(camera_id) > LONGEST_ID:
                self._faults.error(
                    scalar.place,
                    FaultCode.BAD_VALUE,
                    "this can't be the id of a camera",
                    f"write its `camera_id` as events have it, at most {LONGEST_ID} characters",
                )
                continue
            entry = self._entry(camera_id, mapping.values[camera_id])
            if entry is not None:
                self._entries[camera_id] = entry

    def _entry(self, camera_id: str, node: YamlNode) -> tuple[float, Schedule | None] | None:
        example = f"write `{shown(camera_id)}: {{silent_after: 15m}}`"
        mapping = as_mapping(node, "a camera", self._faults, example)
        if mapping is None:
            return None
        check_keys(mapping, CAMERA.names, CAMERA.title, self._faults)
        schedule = self._schedules.read(mapping)
        given = mapping.values.get("silent_after")
        if given is None:
            if not mapping.values.keys() <= {*CAMERA.names}:
                # A slip of the pen, which is reported.
                return None
            what = f"the camera {shown(camera_id)} has no `silent_after`"
            remedy = "add `silent_after: 15m`, say"
            self._faults.error(mapping.place, FaultCode.MISSING_KEY, what, remedy)
            return None
        scalar = as_text(given, "`silent_after`", self._faults)
        if scalar is None:
            return None
        try:
            seconds = parse_duration(scalar.text, LONGEST_SECONDS)
        except ValueError:
            seconds = 0.0
        if seconds < SHORTEST_SECONDS:
            what = f"`silent_after` can't be `{shown(scalar.text)}`"
            self._faults.error(scalar.place, FaultCode.BAD_VALUE, what, _A_DURATION)
            return None
        return seconds, schedule

    def _read_rule(self, key: ScalarNode, node: YamlNode) -> None:
        mapping = as_mapping(node, f"`{RULE_ID}`", self._faults)
        if mapping is None:
            return
        check_keys(mapping, CAMERA_SILENT.names, CAMERA_SILENT.title, self._faults)
        if self._rule is not None:
            self._faults.error(
                key.place,
                FaultCode.DUPLICATE_ID,
                f"`{RULE_ID}` is given twice, first at {self._rule[0].place}",
                "keep one of them: it is for all cameras",
            )
            return
        self._rule = (key, mapping)

    def _notify(self, node: MappingNode | None) -> tuple[str, ...]:
        given = node.values.get("notify") if node is not None else None
        if node is not None and given is not None and not given.is_null:
            return self._channels.resolve(given, RULE_ID, node, True)
        if self._place is not None:
            self._faults.warning(
                node.place if node is not None else self._place,
                FaultCode.NO_CHANNEL,
                "nobody is told of silent cameras: their alerts are only stored",
                f"name channels, as by `{RULE_ID}: {{notify: [guards]}}`; an empty list says that "
                "it is meant so",
            )
        return ()

    def _name(self, node: MappingNode | None) -> str:
        given = node.values.get("name") if node is not None else None
        scalar = as_text(given, "`name`", self._faults) if given is not None else None
        if scalar is None:
            return DEFAULT_NAME
        text = scalar.text.strip()
        if not text or len(text) > LONGEST_ID or not text.isprintable():
            what = f"`name` is not one line of at most {LONGEST_ID} characters"
            self._faults.error(scalar.place, FaultCode.BAD_VALUE, what, "shorten it")
        return text

    def _priority(self, node: MappingNode | None) -> Priority:
        given = node.values.get("priority") if node is not None else None
        scalar = as_text(given, "`priority`", self._faults) if given is not None else None
        if scalar is None:
            return Priority.MEDIUM
        known = tuple(map(str, Priority))
        if scalar.text in known:
            return Priority(scalar.text)
        self._faults.error(
            scalar.place,
            FaultCode.BAD_VALUE,
            f"unknown priority `{shown(scalar.text)}`",
            suggestion(scalar.text, known, "write high, medium or low"),
        )
        return Priority.MEDIUM

    def _template(self, node: MappingNode | None, key: str, default: str) -> Template | None:
        given = node.values.get(key) if node is not None else None
        if node is None or given is None:
            place = self._place or Place("")
            return self._compiler.default_template(default, place)
        scalar = as_text(given, f"`{key}`", self._faults)
        return self._compiler.template(scalar) if scalar is not None else None
