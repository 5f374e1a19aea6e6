"""Reads the channels of rule files, and resolves the names in a rule's `notify`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, tzinfo
from typing import Any, Final

from channels.alert import Target
from channels.definitions.block import DefinedTargets, faults_of
from channels.definitions.channel_entry import entry_targets
from channels.definitions.notification_block import notification_targets
from channels.definitions.security import UNVERIFIED
from channels.definitions.terms import fallback_of
from channels.plugins.url import address_kind
from channels.redact import redact
from channels.targets.identity import MisconfiguredTarget, replaced
from engine.cel import Expression
from engine.errors import ChannelError, Fault, Place, Severity
from engine.rules.expressions import Compiler
from engine.rules.faults import FaultCode, Faults, shown, suggestion
from engine.rules.keys import NOTIFICATIONS
from engine.rules.nodes import (
    CUT,
    FLAGS,
    NAME,
    MappingNode,
    ScalarNode,
    SequenceNode,
    UniqueNames,
    YamlNode,
    as_mapping,
    as_sequence,
    as_text,
    check_keys,
    named_entries,
)
from engine.rules.values import plain_value

#: Words for "every channel" in other programs.
_ALL: Final = frozenset({"all", "*", "any", "everyone"})
_PARTS: Final = re.compile(r"[\s,;]+")
_NAMES: Final = re.compile(r"[A-Za-z0-9_.-]+(?:\s*[,;]?\s*[A-Za-z0-9_.-]+)*")

TargetsByName = Callable[[str], tuple[Target, ...]]
"""Makes the targets of a channel from its name alone."""
MakeTargets = Callable[[str, Any, Mapping[str, str], tzinfo, list[ChannelError]], DefinedTargets]
"""Makes a channel's targets from its name, definition, variables and zone; adds warnings."""
MayHold = Callable[[str], bool]
"""Whether the channel of that name is held where its definition has faults; else the load fails."""


def hold_any(channel: str) -> bool:
    """Every channel may be held."""
    return True


def hold_none(channel: str) -> bool:
    """No channel may be held: a fault in a definition makes the load fail."""
    return False


class ChannelReader:
    """Reads channels, and makes the targets of those that are enabled; results are by name.

    `variables` are the values of `${VAR}`; with None definitions are not checked, and channels have
    no targets. `targets_by_name` makes the targets of every channel, disabled ones too, in place of
    its definition. `is_whole` is False where a file can't be read: an unknown channel may be
    defined there, and is no fault.
    Where a channel `may_hold`, the faults of its definition are in `misconfigured`, and a target
    that sends nothing stands for those that can't be made. Mails show times in `zone`.
    `unverified` has the warnings of targets whose certificate is not checked. `group_keys` are the
    expressions, by their texts, that channels are grouped by.
    """

    def __init__(
        self,
        variables: Mapping[str, str] | None,
        faults: Faults,
        targets_by_name: TargetsByName | None = None,
        *,
        is_whole: bool = True,
        may_hold: MayHold = hold_none,
        zone: tzinfo = UTC,
    ) -> None:
        self.targets: dict[str, tuple[Target, ...]] = {}
        self.group_keys: dict[str, Expression] = {}
        self.misconfigured: dict[str, tuple[Fault, ...]] = {}
        self.unverified: dict[str, tuple[Fault, ...]] = {}
        self._may_hold = may_hold
        self._variables = variables
        self._targets_by_name = targets_by_name
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
        self._definitions: dict[str, YamlNode] = {}
        self._compared: set[tuple[str, ...]] = set()

    @property
    def switched_off(self) -> frozenset[str]:
        """The channels that are defined, but disabled, and so have no targets."""
        return frozenset(self._disabled.keys() - self.targets.keys())

    def read_channels(self, node: YamlNode) -> None:
        """Reads a file's `channels:`."""
        for key, definition in named_entries(node, "`channels`", "a channel", self._faults):
            self._add(key, definition, entry_targets, node.place)

    def read_notifications(self, node: YamlNode) -> None:
        """Reads a file's `notifications:`: the blocks email, slack, webhook and sms."""
        if node.is_null:
            return
        mapping = as_mapping(node, "`notifications`", self._faults)
        if mapping is None:
            return
        check_keys(mapping, NOTIFICATIONS.names, NOTIFICATIONS.title, self._faults)
        for name, key in mapping.keys.items():
            if name not in NOTIFICATIONS.names:
                continue
            block = as_mapping(mapping.values[name], f"`{name}`", self._faults)
            if block is None:
                self._names.add(key, mapping.place)
            elif _is_disabled(block) and self._targets_by_name is None:
                self._disabled.setdefault(name, key.place)
                self._checked(key, block, notification_targets)
            else:
                self._add(key, block, notification_targets, mapping.place)

    def _add(self, key: ScalarNode, definition: YamlNode, make: MakeTargets, owner: Place) -> None:
        if self._names.add(key, owner):
            self.targets[key.text] = self._targets_of(key, definition, make)

    def _targets_of(
        self, key: ScalarNode, definition: YamlNode, make: MakeTargets
    ) -> tuple[Target, ...]:
        self._definitions[key.text] = definition
        if self._targets_by_name is not None:
            return self._targets_by_name(key.text)
        targets, faults, unverified = self._checked(key, definition, make)
        if unverified:
            self.unverified[key.text] = unverified
        if not faults or not self._may_hold(key.text):
            return targets
        self.misconfigured[key.text] = faults
        detail = redact("; ".join(str(fault) for fault in faults))
        terms = fallback_of(plain_value(definition), self._variables or {})
        return (*targets, MisconfiguredTarget(key.text, detail, terms))

    def _checked(
        self, key: ScalarNode, definition: YamlNode, make: MakeTargets
    ) -> tuple[tuple[Target, ...], tuple[Fault, ...], tuple[Fault, ...]]:
        """The targets of a definition, its faults, and its warnings of unchecked certificates.

        The faults are errors of the load unless the channel may be held.
        """
        if self._variables is None:
            return (), (), ()
        self._warn_of_cut(key.text, definition)
        warned: list[ChannelError] = []
        try:
            made = make(key.text, plain_value(definition), self._variables, self._zone, warned)
        except ChannelError as error:
            made = DefinedTargets((), faults_of(error))
        warnings = [_fault(key, definition, error, Severity.WARNING) for error in warned]
        self._faults.extend(warnings)
        faults = tuple(_fault(key, definition, fault) for fault in made.faults)
        if not self._may_hold(key.text):
            self._faults.extend(faults)
        unverified = tuple(
            warning
            for warning, error in zip(warnings, warned, strict=True)
            if error.what == UNVERIFIED
        )
        return made.targets, faults, unverified

    def _warn_of_cut(self, channel: str, definition: YamlNode) -> None:
        """Warns of values that a `#` made empty, as in `channel: #alerts`."""
        values = definition.values if isinstance(definition, MappingNode) else {}
        for name, node in values.items():
            if isinstance(node, ScalarNode) and node.is_null and node.is_cut:
                what = f"{channel}: {shown(name)} is empty"
                self._faults.warning(node.place, FaultCode.AMBIGUOUS_VALUE, what, CUT)

    def compile_groups(self, compiler: Compiler) -> None:
        """Compile what the channels are grouped by; all channels must be read before."""
        for definition in self._definitions.values():
            for scalar in _grouped_by(definition):
                compiled = compiler.expression(scalar)
                if compiled is not None:
                    self.group_keys[scalar.text.strip()] = compiled

    def check_fallbacks(self) -> None:
        """Report fallbacks to channels that are unknown or disabled, and circles of them.

        All channels must be read before.
        """
        named = {name: list(_fallbacks(node)) for name, node in self._definitions.items()}
        for name, scalars in named.items():
            for scalar in scalars:
                if not self._is_known(scalar, "fallback"):
                    continue
                if scalar.text not in self._names.places:
                    what = f"the fallback of {name}, {scalar.text}, is disabled"
                    remedy = "enable it, or remove `fallback`"
                    self._faults.warning(scalar.place, FaultCode.CHANNEL_DISABLED, what, remedy)
                elif name in _reached(scalar.text, named):
                    what = f"the fallbacks of {name} lead back to it, by {shown(scalar.text)}"
                    remedy = "let the last of them have no `fallback`"
                    self._faults.error(scalar.place, FaultCode.BAD_VALUE, what, remedy)

    def resolve(
        self, node: YamlNode | None, rule_id: str, rule: MappingNode, is_enabled: bool
    ) -> tuple[str, ...]:
        """The enabled channels that a rule's `notify` names, each once; `node` is None without it.

        An unknown name is an error. Only a rule that `is_enabled` is warned of missing channels.
        """
        if node is None or node.is_null:
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
        """Warns of recipients that two channels reach, and says which channel is used."""
        targets = [target for name in channels for target in self.targets[name]]
        pairs: dict[tuple[str, str], list[str]] = {}
        for target, used in replaced(targets):
            recipient = target.label.removeprefix(f"{target.channel}:")
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

    def _is_known(self, scalar: ScalarNode, key: str = "notify") -> bool:
        name = scalar.text
        if name in self._names.places or name in self._disabled:
            return True
        if not self._is_whole:
            return False
        known = sorted({*self._names.places, *self._disabled})
        where = "`notifications:`" if name in NOTIFICATIONS.names else "`channels:`"
        has = f"; there are {', '.join(known)}" if known else ""
        what, remedy = f"unknown channel `{shown(name)}`", f"define it under {where}{has}"
        if (kind := _no_name(name)) != "":
            what = f"`{key}` takes names of channels, not {kind}"
            remedy = f"define it under `channels:`, and write its name here{has}"
        elif all(part in known for part in _PARTS.split(name.strip())):
            remedy = f"write [{', '.join(_PARTS.split(name.strip()))}]"
        else:
            remedy = suggestion(name, known, remedy)
        self._faults.error(scalar.place, FaultCode.UNKNOWN_CHANNEL, what, remedy)
        return False

    def _as_list(self, node: YamlNode) -> str:
        """The remedy for a `notify` that is no list; "" for a general one."""
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
    """The kind of a text that is no channel's name, but a part of its definition; "" for others."""
    if NAME.fullmatch(text):
        return ""
    if "://" in text:
        return "a URL"
    if "${" in text:
        return "`${…}`"
    return address_kind(text)[0]


def _fallbacks(definition: YamlNode) -> Iterator[ScalarNode]:
    """The channels that a channel's definition falls back to."""
    for entry in definition.items if isinstance(definition, SequenceNode) else [definition]:
        fallback = entry.values.get("fallback") if isinstance(entry, MappingNode) else None
        if isinstance(fallback, ScalarNode) and fallback.text and not fallback.is_null:
            yield fallback


def _reached(channel: str, fallbacks: Mapping[str, Sequence[ScalarNode]]) -> set[str]:
    """The channel, and all that what falls back to it may come to."""
    found, left = set[str](), [channel]
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += [scalar.text for scalar in fallbacks.get(name, ())]
    return found


def _grouped_by(definition: YamlNode) -> Iterator[ScalarNode]:
    """The expressions of `group: {by: …}` in a channel's definition."""
    for entry in definition.items if isinstance(definition, SequenceNode) else [definition]:
        group = entry.values.get("group") if isinstance(entry, MappingNode) else None
        by = group.values.get("by") if isinstance(group, MappingNode) else None
        for each in by.items if isinstance(by, SequenceNode) else [by]:
            if isinstance(each, ScalarNode) and not each.is_null:
                yield each


def _is_disabled(block: MappingNode) -> bool:
    """Whether a block of `notifications:` is disabled, as it is by default."""
    enabled = block.values.get("enabled")
    if enabled is None:
        return True
    return isinstance(enabled, ScalarNode) and (enabled.is_null or FLAGS.get(enabled.text) is False)


def _fault(
    key: ScalarNode, definition: YamlNode, error: ChannelError, severity: Severity = Severity.ERROR
) -> Fault:
    """The fault of a channel's definition, at its place in the file."""
    place = _place_inside(key, definition, error.path)
    what = f"{key.text}: {error.what}"
    return Fault(place, str(FaultCode.CHANNEL), what, error.remedy, severity)


def _place_inside(key: ScalarNode, definition: YamlNode, path: tuple[str | int, ...]) -> Place:
    """The place of the key or item of a definition that `path` leads to."""
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
