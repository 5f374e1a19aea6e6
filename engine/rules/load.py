"""Finds and loads rule files: one `RuleSet`, or a RulesError with all their faults."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, tzinfo
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Final

from channels.definitions.keys import KeyGroup
from engine.errors import Place, RulesError
from engine.rules.channel_reader import ChannelReader, MayHold, TargetsByName, hold_any, hold_none
from engine.rules.document import parse_document, read_document
from engine.rules.expressions import Compiler
from engine.rules.faults import FaultCode, Faults
from engine.rules.interval_reader import IntervalReader
from engine.rules.keys import FILE
from engine.rules.nodes import MappingNode, Source, as_mapping, as_sequence, check_keys
from engine.rules.rate_limits import UncompiledLimit, read_limits
from engine.rules.rule import RuleReader, RuleSet
from engine.rules.watchlist_reader import Accepts, KnownLists, WatchlistReader
from engine.schema import EventSchema
from engine.settings import DEFAULT_RULES
from engine.watchlist import PlateCosts

#: The texts of open documents, where there are none.
NONE_OPENED: Final[Mapping[str, str]] = MappingProxyType({})
SUFFIXES: Final = frozenset({".yaml", ".yml"})
#: Files of this ending hold tests over several rules, and no rules.
TEST_SUFFIXES: Final = (".test.yaml", ".test.yml")

_OTHER_PATH: Final = "give a rule file or a folder of them"
#: For the default path: whoever gave none may have no rules yet.
_FIRST_SET: Final = f"write a first set with `alert-engine init`, or {_OTHER_PATH}"


def load_rules(
    paths: Sequence[Path],
    schema: EventSchema,
    variables: Mapping[str, str] | None,
    *,
    targets_by_name: TargetsByName | None = None,
    known: KnownLists | None = None,
    accepts: Accepts | None = None,
    zone: tzinfo = UTC,
    root: Path | None = None,
    may_hold: MayHold = hold_none,
    opened: Mapping[str, str] = NONE_OPENED,
    costs: PlateCosts | None = None,
) -> RuleSet:
    """Load the rules and channels of `paths` (files, or folders at any depth), checked by `schema`.

    `variables` are the values of `${VAR}` in channels. With None the channels exist without
    targets, so that rules can be tested where the secrets are missing. `targets_by_name` makes the
    targets of every channel, disabled ones too, in place of its definition.

    `known` are the watchlists of the load before, by name. A list whose file and definition are
    unchanged is not read again. A list that lost more than `max_shrink` of its rows is refused,
    unless `accepts` accepts it by name and file. The list of the load before stays in its place;
    where that can't be (only its number of rows is known, or its definition changed), the refusal
    is a fault.

    `zone` is the time zone of the site: dates without a zone are read in it, messages show times in
    it, and time intervals without a location are of it. Lists with an absolute path are looked up
    below `root`, where copies of them may lie.

    A fault in the definition of a channel that `may_hold` does not stop the load: its good targets
    work, and a target that sends nothing stands for the others. These faults are in
    `RuleSet.misconfigured`.

    `opened` are the texts of documents that are open in an editor, by the real paths of their
    files. Each stands in place of its file's content; the file need not exist where `paths` names
    it. `costs` are those of misreadings of plates, the package's unless given.

    Raises RulesError with every fault of every file, warnings included, sorted by place.
    """
    with collector_paused():
        faults = Faults()
        unsaved = tuple(path for path in paths if os.path.realpath(path) in opened)
        files = rule_files([path for path in paths if path not in unsaved], faults) + unsaved
        are_files_known = not faults.has_errors
        documents, are_all_read = _documents(files, faults, opened)
        is_whole = are_files_known and are_all_read
        channels = ChannelReader(
            variables, faults, targets_by_name, is_whole=is_whole, may_hold=may_hold, zone=zone
        )
        _read_channels(documents, channels)
        watchlists = WatchlistReader(
            faults, known, zone, accepts=accepts, is_whole=is_whole, root=root, costs=costs
        )
        _read_watchlists(documents, watchlists)
        intervals = IntervalReader(faults, zone, is_whole=is_whole)
        _read_intervals(documents, intervals)
        compiler = Compiler(schema, faults, watchlists.lists, zone, intervals.intervals)
        channels.compile_groups(compiler)
        channels.check_fallbacks()
        reader = RuleReader(compiler, channels, faults)
        for document in documents:
            _read_rules(document, reader, compiler, faults)
        if not faults.has_errors:
            watchlists.warn_of_unused()
            intervals.warn_of_unused()
            _check_not_empty(reader.count, paths, faults)
        return _rule_set(reader, channels, watchlists, intervals, faults, files)


def load_watchlists(
    paths: Sequence[Path],
    *,
    zone: tzinfo = UTC,
    root: Path | None = None,
    costs: PlateCosts | None = None,
) -> WatchlistReader:
    """Load only the watchlists of rule files; for the parameters see `load_rules`.

    Raises RulesError with the faults of files that can't be read, and of lists.
    """
    faults = Faults()
    documents, _ = _documents(rule_files(paths, faults), faults)
    lists = WatchlistReader(faults, None, zone, root=root, costs=costs)
    _read_watchlists(documents, lists)
    if faults.has_errors:
        raise RulesError(faults.sorted(), tuple(lists.paths), tuple(lists.refusals))
    return lists


def load_channels(
    paths: Sequence[Path], variables: Mapping[str, str], *, zone: tzinfo = UTC
) -> ChannelReader:
    """Load only the channels of rule files, as `run` takes them; see `load_rules`.

    A channel whose definition has faults is held. Raises RulesError with the faults of files that
    can't be read, and of what is no channel.
    """
    faults = Faults()
    documents, is_whole = _documents(rule_files(paths, faults), faults)
    channels = ChannelReader(variables, faults, is_whole=is_whole, may_hold=hold_any, zone=zone)
    _read_channels(documents, channels)
    if faults.has_errors:
        raise RulesError(faults.sorted())
    return channels


@contextmanager
def collector_paused() -> Iterator[None]:
    """Turn Python's garbage collector off inside the block; blocks may be nested.

    It is off for all threads, so use it for seconds, where references alone free the memory.
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
    """Pause the collector inside the block, then exclude all live objects from later collections.

    For 10,000 rules a collection would take 0.2 s. Reference counting still frees excluded objects,
    such as a rule set that is replaced; only cycles among them stay for ever, so garbage is
    collected before the block.
    """
    gc.collect()
    with collector_paused():
        yield
        gc.freeze()


def collect_and_freeze() -> None:
    """Collect garbage once, then exclude all live objects from later collections.

    Called after each reload: libraries leave cycles behind, which are collected at the price of one
    pause.
    """
    gc.collect()
    gc.freeze()


def is_test_file(path: Path) -> bool:
    """Whether the file holds tests over several rules, by its name."""
    return path.name.lower().endswith(TEST_SUFFIXES)


def test_files(paths: Sequence[Path], faults: Faults) -> tuple[Path, ...]:
    """Every file of tests among `paths` and in their folders, as `rule_files` gives those of rules.

    Folders that can't be read are added to `faults`.
    """
    found: dict[str, Path] = {}
    for path in paths:
        files = _folder(path, faults) if path.is_dir() else (path,)
        for file in filter(is_test_file, files):
            found.setdefault(os.path.realpath(file), file)
    return tuple(sorted(found.values()))


def rule_files(paths: Sequence[Path], faults: Faults) -> tuple[Path, ...]:
    """Every file of `paths` and every YAML file in their folders, at any depth; each once, sorted.

    Files of tests are left out. Paths and symbolic links to one file count once. Hard links count
    as files of their own: inode numbers of shared folders may repeat, and to leave out a file
    silently is worse than to report its ids as used twice. Hidden files and folders are left out: a
    mounted Kubernetes ConfigMap keeps copies there. Paths that can't be used are added to `faults`.
    """
    found: dict[str, Path] = {}
    for path in paths:
        if (reason := _unusable(path)) is not None:
            faults.error(
                Place(str(path)),
                FaultCode.UNREADABLE,
                f"the path can't be used: {reason}",
                _OTHER_PATH,
            )
            files = []
        elif path.is_dir():
            files = sorted(each for each in _folder(path, faults) if not is_test_file(each))
            if not files:
                faults.error(
                    Place(str(path)),
                    FaultCode.NO_RULES,
                    "the folder holds no .yaml or .yml file",
                    "write a rule file into it, or give another folder",
                )
        elif is_test_file(path):
            files = []
            what = "the name is that of a file of tests, which has no rules"
            faults.error(Place(str(path)), FaultCode.NO_RULES, what, _OTHER_PATH)
        elif path.is_file():
            files = [path]
        else:
            files = []
            what = "this is not a regular file" if path.exists() else "there is no such file"
            is_default = path == DEFAULT_RULES and not path.exists()
            remedy = _FIRST_SET if is_default else _OTHER_PATH
            faults.error(Place(str(path)), FaultCode.UNREADABLE, what, remedy)
        for file in files:
            # Unlike Path.resolve(), it accepts a loop of links.
            found.setdefault(os.path.realpath(file), file)
    return tuple(sorted(found.values()))


def _rule_set(
    reader: RuleReader,
    channels: ChannelReader,
    watchlists: WatchlistReader,
    intervals: IntervalReader,
    faults: Faults,
    files: tuple[Path, ...],
) -> RuleSet:
    if faults.has_errors:
        # The author gets all faults at once, also those that would not stop the load.
        faults.extend(chain.from_iterable(channels.misconfigured.values()))
        raise RulesError(faults.sorted(), tuple(watchlists.paths), tuple(watchlists.refusals))
    return RuleSet(
        rules=tuple(reader.rules),
        disabled=tuple(reader.disabled),
        channels=MappingProxyType(dict(channels.targets)),
        group_keys=MappingProxyType(channels.group_keys),
        warnings=faults.sorted(),
        files=files,
        watchlists=MappingProxyType(watchlists.watchlists),
        switched_off=channels.switched_off,
        misconfigured=MappingProxyType(channels.misconfigured),
        unverified=MappingProxyType(channels.unverified),
        refusals=tuple(watchlists.refusals),
        list_marks=MappingProxyType(watchlists.marks),
        time_intervals=MappingProxyType(intervals.usable),
        costs=watchlists.lists.costs,
        asked_by_likeness=frozenset(watchlists.lists.asked_by_likeness),
    )


def _documents(
    files: Sequence[Path], faults: Faults, opened: Mapping[str, str] = NONE_OPENED
) -> tuple[list[MappingNode], bool]:
    """The content of each file, and whether every file could be read."""
    documents: list[MappingNode] = []
    are_all = True
    for path in files:
        of_file = Faults()
        mapping = read_file(path, FILE, of_file, opened)
        faults.extend(of_file)
        if mapping is not None:
            documents.append(mapping)
        elif of_file.has_errors:
            are_all = False
    return documents, are_all


def read_file(
    path: Path, group: KeyGroup, faults: Faults, opened: Mapping[str, str] = NONE_OPENED
) -> MappingNode | None:
    """The content of a file with the keys of `group`; None where it is empty or unusable.

    Of a document that is `opened` it is that of its text.
    """
    text = opened.get(os.path.realpath(path)) if opened else None
    if text is None:
        node = read_document(path, faults)
    else:
        node = parse_document(Source(str(path), text), faults)
    if node is None:
        return None
    mapping = as_mapping(node, "the file", faults)
    if mapping is None:
        return None
    check_keys(mapping, group.names, group.title, faults)
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


def _read_intervals(documents: Sequence[MappingNode], intervals: IntervalReader) -> None:
    for document in documents:
        if "time_intervals" in document.values:
            intervals.read(document.values["time_intervals"])
    intervals.resolve()


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
    if node is None or node.is_null:
        return
    sequence = as_sequence(node, "`rules`", faults)
    items = sequence.items if sequence is not None else []
    items.reverse()
    while items:
        # Each node is freed once it is read: all nodes take more memory than all rules.
        reader.read(items.pop(), limits)


def _check_not_empty(count: int, paths: Sequence[Path], faults: Faults) -> None:
    if not count:
        faults.error(
            Place(", ".join(str(path) for path in paths) or "(no path)"),
            FaultCode.NO_RULES,
            "no rule was found",
            "write at least one under `rules:`",
        )


def _unusable(path: Path) -> str | None:
    """Why the system can't look at the path; None where it can, or where nothing is there."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        return getattr(error, "strerror", None) or str(error)
    return None


def _folder(folder: Path, faults: Faults) -> Iterator[Path]:
    def on_error(error: OSError) -> None:
        faults.error(
            Place(str(error.filename or folder)),
            FaultCode.UNREADABLE,
            f"the folder can't be read: {error.strerror or error}",
            "let the service's user read it",
        )

    for where, folders, names in os.walk(folder, onerror=on_error):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(where, name)
            is_rule_file = path.suffix.lower() in SUFFIXES and not name.startswith(".")
            if is_rule_file and _may_be_file(path):
                yield path


def _may_be_file(path: Path) -> bool:
    """Whether it is a regular file, or a missing or forbidden one, which the reader reports."""
    try:
        return path.is_file() or not path.exists()
    except OSError:
        return True
