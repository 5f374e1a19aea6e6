"""The rules that were in force once: loads them again, and says what has changed since."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import tzinfo
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from engine.cel import Expression
from engine.cel.syntax.tree import Bound, Node, children, unparse
from engine.errors import Fault, Place, RulesError, RulesNotKeptError
from engine.intervals import Schedule, TimeInterval
from engine.rules import RateLimit, Rule, RuleSet, load_rules
from engine.rules.interval_reader import ACTIVE_KEY, MUTE_KEY
from engine.rules.rule import SourceFile
from engine.rules.watchlist_reader import absolute
from engine.schema import EventSchema
from engine.store import RuleFiles
from engine.watchlist import Definition, PlateCosts, Watchlist

#: What does not say how a rule works.
_UNCOMPARED: Final = frozenset({"rule_id", "place", "tests"})
#: The keys of rule files, by fields that have other names.
_KEYS: Final = {"template": "message_template"}
_ANYWHERE: Final = Path()


def load_rule_set(
    files: RuleFiles, schema: EventSchema, zone: tzinfo, costs: PlateCosts | None = None
) -> RuleSet:
    """Load a set that was in force, for `schema` and `costs` as they are now.

    Its channels have no targets. The costs are the package's unless given.

    Its rules have the places that they had, and the digest is the one that alerts name. Raises
    RulesNotKeptError where a file was not kept, and RulesError where the schema does not suit.
    """
    if files.missing:
        path, missing = next(iter(files.missing.items()))
        raise RulesNotKeptError(f"{path}, a file of the rules of that time, {missing.explained}")
    with TemporaryDirectory(prefix="alert-engine-rules-") as folder:
        root = Path(folder)
        for name, content in (*files.rules.items(), *files.lists.items()):
            place = _below(root, name)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        rules = [_below(root, name) for name in files.rules]
        # A relative path of a list leads through the folder of its rule file.
        try:
            rule_set = load_rules(rules, schema, None, zone=zone, root=root, costs=costs)
        except RulesError as error:
            faults = tuple(_original_fault(fault, root) for fault in error.faults)
            raise RulesError(faults) from None
        return replace(
            rule_set,
            rules=tuple(
                replace(rule, place=_original_place(rule.place, root)) for rule in rule_set.rules
            ),
            warnings=tuple(_original_fault(fault, root) for fault in rule_set.warnings),
            files=tuple(map(Path, files.rules)),
            watchlists={
                name: _original_list(each, root) for name, each in rule_set.watchlists.items()
            },
            list_marks={},
            digest=files.digest,
            sources=_sources_of(files, rule_set, root),
        )


class ChangeKind(StrEnum):
    """What has become of a rule."""

    UNCHANGED = "unchanged"
    CHANGED = "changed"
    NEW = "new"
    GONE = "gone"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class RuleChange:
    """What has become of one rule.

    `keys` are the keys of the rule that are not as they were, as rule files call them; `lists` the
    watchlists that it asks for, and whose rows or columns are not; `intervals` the time intervals
    that it names, and that are not.
    """

    rule_id: str
    kind: ChangeKind
    keys: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    intervals: tuple[str, ...] = ()


def changes(old: RuleSet, new: RuleSet) -> Mapping[str, RuleChange]:
    """What has become of each rule from the old set to the new one, by the rules' ids."""
    before, after = _by_id(old), _by_id(new)
    lists = _changed_lists(old, new)
    found = {}
    for rule_id in sorted(before.keys() | after.keys()):
        was, now = before.get(rule_id), after.get(rule_id)
        if now is None:
            kind = ChangeKind.DISABLED if rule_id in new.disabled else ChangeKind.GONE
            found[rule_id] = RuleChange(rule_id, kind)
        elif was is None:
            found[rule_id] = RuleChange(rule_id, ChangeKind.NEW)
        else:
            found[rule_id] = _change(was, now, lists)
    return found


def _sources_of(files: RuleFiles, rule_set: RuleSet, root: Path) -> tuple[SourceFile, ...]:
    names: dict[str, tuple[str, ...]] = {}
    for each in rule_set.watchlists.values():
        path = str(_original(each.path, root))
        names[path] = (*names.get(path, ()), each.name)
    return tuple(
        SourceFile(Path(path), digest, Path(path), names.get(path, ()))
        for path, digest in files.list_digests.items()
    )


def _below(root: Path, path: str) -> Path:
    return root / Path(path).relative_to("/")


def _original(path: Path, root: Path) -> Path:
    found = absolute(path)
    return Path("/") / found.relative_to(root) if found.is_relative_to(root) else found


def _original_place(place: Place, root: Path) -> Place:
    return replace(place, file=str(_original(Path(place.file), root)))


def _original_list(watchlist: Watchlist, root: Path) -> Watchlist:
    definition = watchlist.definition
    path, place = _original(definition.path, root), _original_place(definition.place, root)
    return replace(watchlist, definition=replace(definition, path=path, place=place))


def _original_fault(fault: Fault, root: Path) -> Fault:
    what, remedy = fault.what.replace(str(root), ""), fault.remedy.replace(str(root), "")
    return replace(fault, place=_original_place(fault.place, root), what=what, remedy=remedy)


def _by_id(rule_set: RuleSet) -> dict[str, Rule]:
    return {rule.rule_id: rule for rule in rule_set.rules}


def _change(was: Rule, now: Rule, changed_lists: frozenset[str]) -> RuleChange:
    before, after = _values(was), _values(now)
    keys = tuple(key for key, value in after.items() if before.get(key) != value)
    lists = tuple(sorted(changed_lists & _lists_of(was) & _lists_of(now)))
    old, new = _intervals_of(was), _intervals_of(now)
    intervals = tuple(sorted(name for name in old.keys() & new.keys() if old[name] != new[name]))
    kind = ChangeKind.CHANGED if keys or lists or intervals else ChangeKind.UNCHANGED
    return RuleChange(now.rule_id, kind, keys, lists, intervals)


def _values(rule: Rule) -> dict[str, Any]:
    """What a rule says, by its keys, in a form that can be compared."""
    names = [each.name for each in fields(rule) if each.name not in _UNCOMPARED]
    values = {_KEYS.get(name, name): getattr(rule, name) for name in names}
    limit: RateLimit | None = values.pop("rate_limit")
    schedule: Schedule = values.pop("schedule") or Schedule()
    return {
        **values,
        "condition": unparse(rule.condition.root),
        "message_template": rule.template.text,
        ACTIVE_KEY: [each.name for each in schedule.active],
        MUTE_KEY: [each.name for each in schedule.mute],
        "cooldown_seconds": limit.cooldown_seconds if limit is not None else None,
        "dedup_key": [unparse(key.root) for key in limit.keys] if limit is not None else None,
    }


def _lists_of(rule: Rule) -> frozenset[str]:
    """The names of the watchlists that a rule asks for."""
    return frozenset(each.name for each in _bound_values(rule) if isinstance(each, Watchlist))


def _intervals_of(rule: Rule) -> dict[str, TimeInterval]:
    """The time intervals that a rule names, in its lists and in its expressions."""
    schedule = rule.schedule or Schedule()
    found = [each for each in _bound_values(rule) if isinstance(each, TimeInterval)]
    return {each.name: each for each in (*schedule.active, *schedule.mute, *found)}


def _expressions(rule: Rule) -> Iterator[Expression]:
    yield rule.condition
    yield from rule.template.expressions
    if rule.rate_limit is not None:
        yield from rule.rate_limit.keys


def _bound_values(rule: Rule) -> Iterator[object]:
    """The values that were put into the rule's expressions for their names."""
    pending: list[Node] = [part.root for part in _expressions(rule)]
    while pending:
        node = pending.pop()
        if isinstance(node, Bound):
            yield node.value
        pending.extend(children(node))


def _changed_lists(old: RuleSet, new: RuleSet) -> frozenset[str]:
    """The lists of both sets that do not hold the same any more."""
    before, after = _contents(old), _contents(new)
    return frozenset(name for name in before.keys() & after.keys() if before[name] != after[name])


def _contents(rule_set: RuleSet) -> dict[str, tuple[str, Definition]]:
    """What a list holds, by its name: the digest of its file, and how that is read."""
    digests = {name: source.digest for source in rule_set.sources for name in source.lists}
    return {
        name: (digests.get(name, ""), replace(each.definition, path=_ANYWHERE))
        for name, each in rule_set.watchlists.items()
    }
