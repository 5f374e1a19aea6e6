"""The channels that rule files define, and what a rule's `notify` may name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, tzinfo
from typing import Any, Final

from channels.alert import Target
from channels.definitions.block import DefinedTargets, faults_of
from channels.definitions.channel_entry import entry_targets
from channels.definitions.notification_block import notification_targets
from channels.definitions.security import UNVERIFIED
from channels.plugins.url import address_kind
from channels.redact import redact
from channels.targets.identity import audience_of, replaced
from channels.targets.misconfigured import MisconfiguredTarget
from engine.errors import ChannelError, Fault, Place, Severity
from engine.rules.faults import FaultCode, Faults, shown, suggestion
from engine.rules.node import MappingNode, ScalarNode, SequenceNode, YamlNode
from engine.rules.typed_nodes import (
    CUT,
    FLAGS,
    UniqueNames,
    as_mapping,
    as_sequence,
    as_text,
    check_keys,
)
from engine.rules.values import plain_value

PLAN_CHANNELS: Final = ("email", "slack", "webhook", "sms")
#: What says "every channel" elsewhere.
_ALL: Final = frozenset({"all", "*", "any", "everyone"})
_PARTS: Final = re.compile(r"[\s,;]+")
_NAMES: Final = re.compile(r"[A-Za-z0-9_.-]+(?:\s*[,;]?\s*[A-Za-z0-9_.-]+)*")
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")

StandIn = Callable[[str], tuple[Target, ...]]
MakeTargets = Callable[[str, Any, Mapping[str, str], tzinfo, list[ChannelError]], DefinedTargets]

MayHold = Callable[[str], bool]
"""Whether a channel whose definition holds faults is held, rather than stops the load."""


def hold_any(channel: str) -> bool:
    """Every channel may be held."""
    return True


def hold_none(channel: str) -> bool:
    """No channel may be held: a fault in a definition stops the load."""
    return False


class ChannelReader:
    """Channels by name: made where they are enabled, remembered where they are not.

    `variables` is what `${VAR}` is taken from; with None no channel is made, and its definition
    goes unchecked. A `stand_in` makes every channel, disabled ones too, of its name alone. It is
    `is_whole` unless a file can't be read: then an unknown channel may stand in that one, and is
    no fault. Where a channel `may_hold`, the faults of its definition are in `misconfigured`, and
    a target that sends nothing stands for what can't be made of it. Mails show times in
    `zone`. `unverified` has the warnings of targets whose certificate nobody looks at.
    """

    def __init__(
        self,
        variables: Mapping[str, str] | None,
        faults: Faults,
        stand_in: StandIn | None = None,
        *,
        is_whole: bool = True,
        may_hold: MayHold = hold_none,
        zone: tzinfo = UTC,
    ) -> None:
        self.targets: dict[str, tuple[Target, ...]] = {}
        self.misconfigured: dict[str, tuple[Fault, ...]] = {}
        self.unverified: dict[str, tuple[Fault, ...]] = {}
        self._may_hold = may_hold
        self._variables = variables
        self._stand_in = stand_in
        self._zone = zone
        self._is_whole = is_whole
        self._faults = faults
        self._names = UniqueNames(
            faults,
            FaultCode.DUPLICATE_CHANNEL,
            "the channel `{}` is defined twice",
            "rename or remove one of them",
        )
        self._disabled: dict[str, Place] = {}
        self._compared: set[tuple[str, ...]] = set()

    def read_channels(self, node: YamlNode) -> None:
        """Takes a file's `channels:`."""
        if isinstance(node, ScalarNode) and node.is_null:
            return
        mapping = as_mapping(node, "`channels`", self._faults)
        for name, key in mapping.keys.items() if mapping is not None else ():
            if not _NAME.fullmatch(name):
                self._faults.error(
                    key.place,
                    FaultCode.BAD_VALUE,
                    "this can't be the name of a channel",
                    "use at most 64 letters, digits, `_`, `.` and `-`",
                )
            elif mapping is not None:
                self._make(key, mapping.values[name], entry_targets, mapping.place)

    def read_notifications(self, node: YamlNode) -> None:
        """Takes a file's `notifications:`, the blocks of the plan's form."""
        if isinstance(node, ScalarNode) and node.is_null:
            return
        mapping = as_mapping(node, "`notifications`", self._faults)
        if mapping is None:
            return
        check_keys(mapping, PLAN_CHANNELS, "`notifications`", self._faults)
        for name, key in mapping.keys.items():
            if name not in PLAN_CHANNELS:
                continue
            block = as_mapping(mapping.values[name], f"`{name}`", self._faults)
            if block is None:
                self._names.take(key, mapping.place)
            elif _is_disabled(block) and self._stand_in is None:
                self._disabled.setdefault(name, key.place)
                self._made(key, block, notification_targets)
            else:
                self._make(key, block, notification_targets, mapping.place)

    def _make(self, key: ScalarNode, definition: YamlNode, make: MakeTargets, owner: Place) -> None:
        if self._names.take(key, owner):
            self.targets[key.text] = self._targets_of(key, definition, make)

    def _targets_of(
        self, key: ScalarNode, definition: YamlNode, make: MakeTargets
    ) -> tuple[Target, ...]:
        if self._stand_in is not None:
            return self._stand_in(key.text)
        targets, faults, unverified = self._made(key, definition, make)
        if unverified:
            self.unverified[key.text] = unverified
        if not faults or not self._may_hold(key.text):
            return targets
        self.misconfigured[key.text] = faults
        detail = redact("; ".join(str(fault) for fault in faults))
        return (*targets, MisconfiguredTarget(key.text, detail))

    def _made(
        self, key: ScalarNode, definition: YamlNode, make: MakeTargets
    ) -> tuple[tuple[Target, ...], tuple[Fault, ...], tuple[Fault, ...]]:
        """What a definition gives, its faults, which are errors unless it may be held, and those of
        its warnings that tell of certificates which nobody looks at.
        """
        if self._variables is None:
            return (), (), ()
        self._warn_of_cut(key.text, definition)
        doubts: list[ChannelError] = []
        try:
            made = make(key.text, plain_value(definition), self._variables, self._zone, doubts)
        except ChannelError as error:
            made = DefinedTargets((), faults_of(error))
        warnings = [_fault(key, definition, doubt, Severity.WARNING) for doubt in doubts]
        self._faults.extend(warnings)
        faults = tuple(_fault(key, definition, fault) for fault in made.faults)
        if not self._may_hold(key.text):
            self._faults.extend(faults)
        unverified = tuple(
            warning
            for warning, doubt in zip(warnings, doubts, strict=True)
            if doubt.what == UNVERIFIED
        )
        return made.targets, faults, unverified

    def _warn_of_cut(self, channel: str, definition: YamlNode) -> None:
        """Warns of values that a `#` made empty, as in `channel: #alerts`."""
        values = definition.values if isinstance(definition, MappingNode) else {}
        for name, node in values.items():
            if isinstance(node, ScalarNode) and node.is_null and node.is_cut:
                what = f"{channel}: {shown(name)} is empty"
                self._faults.warning(node.place, FaultCode.AMBIGUOUS_VALUE, what, CUT)

    def resolve(
        self, node: YamlNode | None, rule_id: str, rule: MappingNode, is_enabled: bool
    ) -> tuple[str, ...]:
        """The enabled channels that a rule's `notify` names, each once; `node` may be None.

        An unknown name is an error; only a rule that `is_enabled` is warned of what is missing.
        """
        if node is None or (isinstance(node, ScalarNode) and node.is_null):
            if not is_enabled:
                return ()
            self._faults.warning(
                rule.place,
                FaultCode.NO_CHANNEL,
                f"the rule {rule_id} names no channel in `notify`: its alerts are only stored",
                "add `notify:`; an empty list says that it is meant so",
            )
            return ()
        sequence = as_sequence(node, "`notify`", self._faults, self._as_list(node))
        if sequence is None:
            return ()
        found = [as_text(item, "a channel", self._faults) for item in sequence.items]
        self._warn_of_repeated([scalar for scalar in found if scalar is not None])
        names = dict.fromkeys(
            scalar.text for scalar in found if scalar is not None and self._is_known(scalar)
        )
        left = tuple(name for name in names if name in self._names.places)
        if is_enabled and len(left) < len(names):
            self._warn_of_disabled(sequence, [name for name in names if name not in left], rule_id)
        if is_enabled and left not in self._compared:
            self._compared.add(left)
            self._warn_of_diverted(found, left, rule_id)
        return left

    def _warn_of_diverted(
        self, named: list[ScalarNode | None], channels: Sequence[str], rule_id: str
    ) -> None:
        """Says which channel is used for a recipient that two of them reach by other means."""
        targets = [target for name in channels for target in self.targets[name]]
        pairs: dict[tuple[str, str], list[str]] = {}
        for target, used in replaced(targets, audience_of):
            recipient = target.target_id.removeprefix(f"{target.channel}:")
            pairs.setdefault((target.channel, used.channel), []).append(recipient)
        for (channel, used_channel), recipients in pairs.items():
            if channel == used_channel:
                continue
            more = f" and {len(recipients) - 1} more" if len(recipients) > 1 else ""
            what = (
                f"the rule {rule_id} reaches {shown(recipients[0])}{more} by {used_channel}, "
                f"and not by {channel} once more"
            )
            place = next(each.place for each in named if each is not None and each.text == channel)
            remedy = f"to use {channel}, name it first; else remove the recipient there"
            self._faults.warning(place, FaultCode.NO_EFFECT, what, remedy)

    def _warn_of_repeated(self, named: list[ScalarNode]) -> None:
        seen: set[str] = set()
        for scalar in named:
            if scalar.text in seen:
                what = f"the channel {shown(scalar.text)} is named twice, an alert is sent once"
                self._faults.warning(scalar.place, FaultCode.NO_EFFECT, what, "remove one of them")
            seen.add(scalar.text)

    def _is_known(self, scalar: ScalarNode) -> bool:
        name = scalar.text
        if name in self._names.places or name in self._disabled:
            return True
        if not self._is_whole:
            return False
        known = sorted({*self._names.places, *self._disabled})
        where = "`notifications:`" if name in PLAN_CHANNELS else "`channels:`"
        has = f"; there are {', '.join(known)}" if known else ""
        what, remedy = f"unknown channel `{shown(name)}`", f"define it under {where}{has}"
        if (kind := _no_name(name)) != "":
            what = f"`notify` takes names of channels, not {kind}"
            remedy = f"define it under `channels:`, and write its name here{has}"
        elif all(part in known for part in _PARTS.split(name.strip())):
            remedy = f"write [{', '.join(_PARTS.split(name.strip()))}]"
        else:
            remedy = suggestion(name, known, remedy)
        self._faults.error(scalar.place, FaultCode.UNKNOWN_CHANNEL, what, remedy)
        return False

    def _as_list(self, node: YamlNode) -> str:
        """What to write for a `notify` that is no list."""
        if isinstance(node, MappingNode):
            return f"write [{', '.join(node.keys)}]" if node.keys else ""
        if not isinstance(node, ScalarNode):
            return ""
        name, known = node.text.strip(), sorted({*self._names.places, *self._disabled})
        if FLAGS.get(name) is False or name.lower() == "none":
            return "write [], which says that alerts are only stored"
        if name.lower() in _ALL:
            return f"name them: [{', '.join(known)}]" if known else "name them: [email, pager]"
        if (kind := _no_name(name)) != "":
            return f"write the names of channels; {kind} belongs under `channels:`"
        return f"write [{', '.join(_PARTS.split(name))}]" if _NAMES.fullmatch(name) else ""

    def _warn_of_disabled(self, notify: SequenceNode, names: list[str], rule_id: str) -> None:
        verb = "is" if len(names) == 1 else "are"
        first = self._disabled[names[0]]
        what = f"{', '.join(names)} {verb} disabled (`enabled: false` at {first})"
        if all(not isinstance(item, ScalarNode) or item.text in names for item in notify.items):
            self._faults.warning(
                notify.place,
                FaultCode.NO_CHANNEL,
                f"the rule {rule_id} has no channel left: {what}",
                "its alerts are counted, logged and stored, but not sent; enable one",
            )
        else:
            self._faults.warning(
                notify.place,
                FaultCode.CHANNEL_DISABLED,
                f"the rule {rule_id} is not sent everywhere: {what}",
                "enable it, or remove the name",
            )


def _no_name(text: str) -> str:
    """What a text is that can't be a channel's name, but a part of its definition."""
    if _NAME.fullmatch(text):
        return ""
    if "://" in text:
        return "a URL"
    if "${" in text:
        return "`${…}`"
    return address_kind(text)[0]


def _is_disabled(block: MappingNode) -> bool:
    """Is a block of the plan's form switched off? It is, unless it says otherwise."""
    enabled = block.values.get("enabled")
    if enabled is None:
        return True
    return isinstance(enabled, ScalarNode) and (enabled.is_null or FLAGS.get(enabled.text) is False)


def _fault(
    key: ScalarNode, definition: YamlNode, error: ChannelError, severity: Severity = Severity.ERROR
) -> Fault:
    """What is wrong with a channel's definition, at its place in the file."""
    place = _place_inside(key, definition, error.path)
    what = f"{key.text}: {error.what}"
    return Fault(place, str(FaultCode.CHANNEL), what, error.remedy, severity)


def _place_inside(key: ScalarNode, definition: YamlNode, path: tuple[str | int, ...]) -> Place:
    """Where the part of a definition stands that `path` leads to: its key, or its item."""
    place, node = key.place, definition
    for step in path:
        if isinstance(node, MappingNode) and isinstance(step, str) and step in node.values:
            place, node = node.keys[step].place, node.values[step]
        elif isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.items):
            node = node.items[step]
            place = node.place
        else:
            break
    return place
