"""Rule files become one `RuleSet`, or all their faults at once."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, tzinfo
from functools import partial
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Final

from engine.errors import Place, RulesError, Severity
from engine.rules.channel_reader import ChannelReader, MayHold, StandIn, hold_none
from engine.rules.compiler import Compiler
from engine.rules.document import read_document
from engine.rules.faults import FaultCode, Faults
from engine.rules.files import rule_files
from engine.rules.node import MappingNode, ScalarNode
from engine.rules.rate_limits import UncompiledLimit, read_limits
from engine.rules.rule import RuleSet
from engine.rules.rule_reader import RuleReader
from engine.rules.typed_nodes import as_mapping, as_sequence, check_keys
from engine.rules.watchlist_reader import Accepts, KnownLists, WatchlistReader
from engine.schema import EventSchema

FILE_KEYS: Final = ("rules", "channels", "notifications", "watchlists", "rate_limit")


def load_rules(
    paths: Sequence[Path],
    schema: EventSchema,
    variables: Mapping[str, str] | None,
    *,
    stand_in: StandIn | None = None,
    known: KnownLists | None = None,
    accepts: Accepts | None = None,
    zone: tzinfo = UTC,
    root: Path | None = None,
    may_hold: MayHold = hold_none,
) -> RuleSet:
    """The rules and channels of files, and of folders at any depth, checked against `schema`.

    `variables` is what `${VAR}` in channels is taken from. With None no channel is made, but all
    are there without targets, so that rules can be tested where the secrets are not. A `stand_in`
    makes the targets of every channel that the files name, disabled ones too, in place of its
    definition, so that rules can be shown where nothing must be sent.

    `known` are watchlists that are loaded already, by name: one whose file and definition are
    unchanged is taken over. One that would lose more than `max_shrink` of its rows, and that
    `accepts` does not accept by name and file, is refused: it stays as it is known, or else is a
    fault, where only its number of rows is known or its definition has changed.
    `zone` is that of the site: dates without a zone in them are read in it, and messages and mails
    show moments in it. Lists with an absolute path are looked up below `root`, where copies of them
    may lie.

    Faults in the definition of a channel that `may_hold` don't stop the load: what is right of it
    works, and a target that sends nothing stands for the rest. They are in `misconfigured`.

    Raises RulesError with every fault of every file, warnings included, sorted by place.
    """
    with collector_paused():
        list_reader = partial(WatchlistReader, known=known, accepts=accepts, zone=zone, root=root)
        return _load(paths, schema, variables, stand_in, list_reader, zone, may_hold)


def load_watchlists(
    paths: Sequence[Path], *, zone: tzinfo = UTC, root: Path | None = None
) -> WatchlistReader:
    """The lists that rule files define, whatever else stands in them; see `load_rules`.

    Raises RulesError with the faults of files that can't be read, and of lists.
    """
    faults = Faults()
    documents, _ = _documents(rule_files(paths, faults), faults)
    lists = WatchlistReader(faults, None, zone, root=root)
    _read_watchlists(documents, lists)
    if faults.has_errors:
        raise RulesError(faults.sorted(), tuple(lists.paths), tuple(lists.refusals))
    return lists


def _load(
    paths: Sequence[Path],
    schema: EventSchema,
    variables: Mapping[str, str] | None,
    stand_in: StandIn | None,
    list_reader: Callable[..., WatchlistReader],
    zone: tzinfo,
    may_hold: MayHold,
) -> RuleSet:
    faults = Faults()
    files = rule_files(paths, faults)
    is_whole = not faults.has_errors
    documents, are_all = _documents(files, faults)
    is_whole &= are_all
    channels = ChannelReader(
        variables, faults, stand_in, is_whole=is_whole, may_hold=may_hold, zone=zone
    )
    _read_channels(documents, channels)
    watchlists = list_reader(faults, is_whole=is_whole)
    _read_watchlists(documents, watchlists)
    compiler = Compiler(schema, faults, watchlists.lists, zone)
    reader = RuleReader(compiler, channels, faults)
    for document in documents:
        _read_rules(document, reader, compiler, faults)
    if not faults.has_errors:
        watchlists.warn_of_unused()
        _want_rules(reader.count, paths, faults)
    return _rule_set(reader, channels, watchlists, faults, files)


def _rule_set(
    reader: RuleReader,
    channels: ChannelReader,
    watchlists: WatchlistReader,
    faults: Faults,
    files: tuple[Path, ...],
) -> RuleSet:
    if faults.has_errors:
        # The author is to hear of everything at once.
        faults.extend(chain.from_iterable(channels.misconfigured.values()))
    found = faults.sorted()
    if faults.has_errors:
        raise RulesError(found, tuple(watchlists.paths), tuple(watchlists.refusals))
    return RuleSet(
        tuple(reader.rules),
        tuple(reader.disabled),
        MappingProxyType(dict(channels.targets)),
        tuple(fault for fault in found if fault.severity is Severity.WARNING),
        files,
        MappingProxyType(watchlists.watchlists),
        MappingProxyType(channels.misconfigured),
        MappingProxyType(channels.unverified),
        tuple(watchlists.refusals),
        MappingProxyType(watchlists.marks),
    )


def _documents(files: Sequence[Path], faults: Faults) -> tuple[list[MappingNode], bool]:
    """The files' contents, and whether that is all of them: none was beyond reading."""
    documents: list[MappingNode] = []
    are_all = True
    for path in files:
        of_file = Faults()
        mapping = _file(path, of_file)
        faults.extend(of_file)
        if mapping is not None:
            documents.append(mapping)
        elif of_file.has_errors:
            are_all = False
    return documents, are_all


def _file(path: Path, faults: Faults) -> MappingNode | None:
    node = read_document(path, faults)
    if node is None:
        return None
    mapping = as_mapping(node, "the file", faults)
    if mapping is None:
        return None
    check_keys(mapping, FILE_KEYS, "a rule file", faults)
    return mapping


def _read_channels(documents: Sequence[MappingNode], channels: ChannelReader) -> None:
    for document in documents:
        if "channels" in document.values:
            channels.read_channels(document.values["channels"])
        if "notifications" in document.values:
            channels.read_notifications(document.values["notifications"])


def _read_watchlists(documents: Sequence[MappingNode], watchlists: WatchlistReader) -> None:
    for document in documents:
        if "watchlists" in document.values:
            watchlists.read(document.values["watchlists"])


def _read_rules(
    document: MappingNode, reader: RuleReader, compiler: Compiler, faults: Faults
) -> None:
    limits = UncompiledLimit()
    if "rate_limit" in document.values:
        limits = read_limits(document.values["rate_limit"], limits, faults)
        for key in limits.keys:
            compiler.key(key)
        if "rules" not in document.values:
            faults.warning(
                document.keys["rate_limit"].place,
                FaultCode.NO_EFFECT,
                "`rate_limit` has no effect in a file without rules",
                "it is the fallback of the rules of its own file; write it there",
            )
    node = document.values.get("rules")
    if node is None or (isinstance(node, ScalarNode) and node.is_null):
        return
    sequence = as_sequence(node, "`rules`", faults)
    items = sequence.items if sequence is not None else []
    items.reverse()
    while items:
        # Each is let go of once it is read: all nodes take more memory than all rules do.
        reader.read(items.pop(), limits)


def _want_rules(count: int, paths: Sequence[Path], faults: Faults) -> None:
    if not count:
        faults.error(
            Place(", ".join(str(path) for path in paths) or "(no path)"),
            FaultCode.NO_RULES,
            "no rule was found",
            "write at least one under `rules:`",
        )


@contextmanager
def collector_paused() -> Iterator[None]:
    """Nothing is collected until the end; then it goes on as it was found, inside one another too.

    It is one switch for all threads: use it for seconds, where references alone free what is made.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@contextmanager
def frozen_afterwards() -> Iterator[None]:
    """What is made inside is not looked through later either: a pause of 0.2 s for 10,000 rules.

    Everything else that is alive by then is set aside too, so that garbage goes first. Only cycles
    would stay for ever; references still free what is set aside, as a rule set that is replaced.
    """
    gc.collect()
    with collector_paused():
        yield
        gc.freeze()


def collect_and_freeze() -> None:
    """Collect once, then look no more through whatever is alive now.

    For what takes another's place again and again: cycles of what libraries make beside it are
    collected, at the price of one pause.
    """
    gc.collect()
    gc.freeze()
