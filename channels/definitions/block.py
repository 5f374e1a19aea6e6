"""`Block`: a mapping of settings, read key by key; it collects all faults and warnings.

`expand` replaces `${VAR}` in its texts, quoted where the text is a URL.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from types import TracebackType
from typing import Final
from urllib.parse import quote

from channels.alert import Target
from channels.plugins.plugin import KeyPath
from channels.plugins.recipients import RecipientError, is_country
from channels.redact import remember
from engine.errors import ChannelError, VariableError
from engine.settings.values import value_of

_FLAGS: Final = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}
#: Names that other programs have for our keys.
_OTHER_NAMES: Final = {
    "from": ("from_address", "from_number"),
    "to": ("recipients", "to_numbers"),
    "host": ("smtp_host",),
    "server": ("smtp_host",),
    "port": ("smtp_port",),
    "user": ("username",),
    "url": ("webhook_url",),
    "webhook": ("webhook_url",),
    **dict.fromkeys(("ssl", "use_ssl", "starttls", "secure", "security", "encryption"), ("tls",)),
}
_END_OF_HOST: Final = re.compile(r"[/?#\\]")
# A host, or a token in its place: with percent-quotes, and with the brackets of an address.
_HOST: Final = re.compile(r"(?:[\w.~!$&'()*+,;=:\[\]-]|%[0-9A-Fa-f]{2})+")
_PORT: Final = re.compile(r"[0-9]{1,5}")
_LAST_PORT: Final = 65_535
#: Schemes in which a `:` is a part of a token: `tgram://123456789:TOKEN/CHAT`.
_WITHOUT_PORT: Final = ("tgram", "bale")
_REFERENCE: Final = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<inside>[^{}]*)(?P<end>\}?))")
_INSIDE: Final = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>.*))?", re.DOTALL)


class ChannelFaultsError(ChannelError):
    """The first of several faults of a channel's definition; all of them are in `faults`."""

    def __init__(self, faults: Sequence[ChannelError]) -> None:
        first = faults[0]
        super().__init__(first.what, first.remedy, first.path)
        self.faults = tuple(faults)


def faults_of(error: ChannelError) -> tuple[ChannelError, ...]:
    """All faults of an error, in order."""
    return error.faults if isinstance(error, ChannelFaultsError) else (error,)


def raise_faults(faults: Sequence[ChannelError]) -> None:
    """Raise a single fault as it is, and several as ChannelFaultsError; do nothing for none."""
    if len(faults) == 1:
        raise faults[0]
    if faults:
        raise ChannelFaultsError(faults)


@dataclass(frozen=True, slots=True)
class DefinedTargets:
    """The targets of a definition, and the faults of those that can't be made."""

    targets: tuple[Target, ...]
    faults: tuple[ChannelError, ...] = ()

    def checked(self) -> tuple[Target, ...]:
        """The targets; raises ChannelError for a fault, and ChannelFaultsError for several."""
        raise_faults(self.faults)
        return self.targets


class FaultCollector:
    """A context that adds a ChannelError raised inside to a list, and does not raise it."""

    def __init__(self, faults: list[ChannelError]) -> None:
        self._faults = faults

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if not isinstance(error, ChannelError):
            return False
        self._faults += faults_of(error)
        return True


class Block:
    """A mapping of settings, in whose values `${VAR}` is replaced as they are read.

    A key that is not in `keys` is a fault. The methods that read a value add a fault for one that
    is wrong, and return the default or None. Call `check` at the end: it raises what was found.
    `warnings` are about values that work, but probably not as intended. For redaction, a value
    that is read with `is_secret` is remembered, and of other values what `${VAR}` brought, unless
    they are read with `is_plain`.
    """

    def __init__(
        self, values: Mapping[str, object], variables: Mapping[str, str], keys: Sequence[str]
    ) -> None:
        self._values = values
        self._variables = variables
        self.warnings: list[ChannelError] = []
        self._faults: list[ChannelError] = []
        for key in values:
            if key not in keys:
                self._unknown(str(key), keys)

    def collect(self) -> FaultCollector:
        """A context that adds a ChannelError raised inside to the faults."""
        return FaultCollector(self._faults)

    def fault(self, what: str, remedy: str, *path: str | int) -> None:
        """Add a fault at `path`, unless it is there already: several URLs may share a key."""
        _add_once(self._faults, ChannelError(what, remedy, path))

    @property
    def faults(self) -> tuple[ChannelError, ...]:
        """The faults that were found so far."""
        return tuple(self._faults)

    def check(self, recipients: str | None = None) -> None:
        """Raise ChannelError for a fault, and ChannelFaultsError for several.

        `recipients` is the key of a list. Faults of single entries of it raise nothing, unless
        there are others: the other entries can be used.
        """
        if any(len(fault.path) < 2 or fault.path[0] != recipients for fault in self._faults):
            raise_faults(self._faults)

    def warn(self, what: str, remedy: str, *path: str | int) -> None:
        """Add a warning at `path`, unless it is there already."""
        _add_once(self.warnings, ChannelError(what, remedy, path))

    def has(self, key: str) -> bool:
        """Whether the key has a value other than null."""
        return self._values.get(key) is not None

    def text(
        self,
        key: str,
        *,
        is_required: bool = False,
        is_secret: bool = False,
        is_plain: bool = False,
        is_url: bool = False,
    ) -> str | None:
        """A text, or None where it is absent or empty; a whole number becomes its digits.

        Blanks around it are removed, but for a secret that is no URL.
        """
        if not self.has(key):
            if is_required:
                self.fault(f"{key} is missing", "add it", key)
            return None
        with self.collect():
            text = self._text(self._values[key], (key,), is_plain=is_plain, is_url=is_url)
            text = text if is_secret and not is_url else text.strip()
            if is_secret:
                remember((text,))
            if not text and is_required:
                self.fault(f"{key} is empty", "give it a value", key)
            return text or None
        return None

    def flag(self, key: str, default: bool) -> bool:
        """True or false, also as a word such as `yes` or `off`."""
        value = self._values.get(key)
        if value is None or isinstance(value, bool):
            return default if value is None else value
        with self.collect():
            text = self._text(value, (key,), is_plain=True).strip().lower()
            if text in _FLAGS:
                return _FLAGS[text]
            self.fault(f"{key} is neither true nor false", "write true or false", key)
        return default

    def number(self, key: str, default: float, low: float, high: float) -> float:
        """A number from `low` to `high`."""
        value = self._values.get(key)
        if value is None:
            return default
        number: float | None = None
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            number = float(value)
        elif isinstance(value, str):
            with self.collect():
                number = _number(expand(value, self._variables, (key,), is_secret=False))
                if number is None:
                    self.fault(f"{key} is not a number", f"write one from {low:g} to {high:g}", key)
            if number is None:
                return default
        if number is None or not low <= number <= high:
            self.fault(f"{key} is out of range", f"write a number from {low:g} to {high:g}", key)
            return default
        return number

    def integer(self, key: str, default: int, low: int, high: int) -> int:
        """A whole number from `low` to `high`."""
        number = self.number(key, default, low, high)
        if number != int(number):
            self.fault(f"{key} is not a whole number", f"write one from {low} to {high}", key)
            return default
        return int(number)

    def integer_or_off(self, key: str, default: int, low: int, high: int) -> int:
        """A whole number from `low` to `high`; 0 for a word such as `off`."""
        value = self._values.get(key)
        word = value.strip().lower() if isinstance(value, str) else value
        if word is False or (isinstance(word, str) and _FLAGS.get(word) is False and word != "0"):
            return 0
        return self.integer(key, default, low, high)

    def choice(self, key: str, default: str, choices: Sequence[str]) -> str:
        """One of the words, in any case; given back as it stands in `choices`."""
        value = self._values.get(key)
        # YAML has `on` and `no` for true and false.
        is_flag = isinstance(value, bool)
        text = str(value).lower() if is_flag else self.text(key, is_plain=True)
        if text is None:
            return default
        found = {choice.lower(): choice for choice in choices}.get(text.lower())
        if found is None:
            self.fault(f"{key} can't be {text!r}", f"write {' or '.join(choices)}", key)
        return found or default

    def texts(self, key: str) -> list[tuple[KeyPath, str]]:
        """The texts of a list, or a single one, each with its path; none is a fault."""
        value = self._values.get(key)
        entries = value if isinstance(value, (list, tuple)) else [value]
        if value is None or not entries:
            self.fault(f"{key} is missing or empty", "list at least one", key)
            return []
        found: list[tuple[KeyPath, str]] = []
        for index, entry in enumerate(entries):
            path: KeyPath = (key, index) if entries is value else (key,)
            with self.collect():
                found.append((path, self._text(entry, path, is_plain=True).strip()))
        return found

    def mapping(self, key: str) -> dict[str, str]:
        """A mapping of texts."""
        value = self._values.get(key)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            self.fault(f"{key} is not a mapping", "write one `name: value` a line", key)
            return {}
        found = {}
        for name, entry in value.items():
            with self.collect():
                found[str(name)] = self._text(entry, (key, str(name))).strip()
        return found

    @contextmanager
    def nested(self, key: str, keys: Sequence[str]) -> Iterator[Block | None]:
        """A mapping of settings below a key, None without it; its faults are added at the end."""
        value = self._values.get(key)
        if not isinstance(value, Mapping):
            if value is not None:
                self.fault(f"{key} is not a mapping", f"write {{{keys[0]}: …}}", key)
            yield None
            return
        inside = Block(value, self._variables, keys)
        yield inside
        for fault in inside.faults:
            self.fault(fault.what, fault.remedy, key, *fault.path)

    def parsed(
        self, entries: Sequence[tuple[KeyPath, str]], parse: Callable[[str], str]
    ) -> list[str]:
        """The parsed entries; a RecipientError of `parse` becomes a fault."""
        found: list[str] = []
        for path, text in entries:
            try:
                found.append(parse(text))
            except RecipientError as error:
                self.fault(error.what, error.remedy, *path)
        return found

    def _text(
        self, value: object, path: KeyPath, *, is_plain: bool = False, is_url: bool = False
    ) -> str:
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if not isinstance(value, str):
            raise ChannelError(f"{path[0]} is not a text", "put it in quotes", path)
        expanded = expand(value, self._variables, path, is_url=is_url, is_secret=not is_plain)
        # A secret read from a file often ends with the file's line end.
        return expanded.strip("\r\n")

    def _unknown(self, key: str, keys: Sequence[str]) -> None:
        known = [name for name in _OTHER_NAMES.get(key, ()) if name in keys]
        close = known or difflib.get_close_matches(key, keys, 1)
        remedy = f"did you mean {close[0]}?" if close else f"the keys are {', '.join(keys)}"
        self.fault(f"the key {key} is unknown", remedy, key)


def read_country(block: Block) -> str:
    """The `default_country` of a block; "" without one, and with a fault for an unknown one."""
    text = block.text("default_country", is_plain=True) or ""
    if text and not is_country(text.upper()):
        what = f"default_country {text!r} is not a country's code of two letters"
        block.fault(what, "write one like US, DE or GB", "default_country")
        return ""
    return text.upper()


class UrlPart(Enum):
    """A part of a URL; it decides how a value is quoted there."""

    START = "start"
    LOGIN = "login"
    HOST = "host"
    PORT = "port"
    PATH = "path"
    QUERY = "query"


class UrlValueError(ValueError):
    """A value can't be in that part of a URL: `what` is wrong, and the `remedy`."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy


def part_at(before: str, after: str) -> UrlPart:
    """The part of a URL between two texts of it; `after` still has its references."""
    if not before.strip():
        return UrlPart.START
    scheme, separator, rest = before.partition("://")
    if not separator:
        return UrlPart.QUERY
    if "?" in rest:
        return UrlPart.QUERY
    if _END_OF_HOST.search(rest):
        return UrlPart.PATH
    if "@" in _END_OF_HOST.split(after, maxsplit=1)[0]:
        return UrlPart.LOGIN
    host = rest.rpartition("@")[2]
    is_in_brackets = host.startswith("[") and "]" not in host
    has_port = scheme.lower() not in _WITHOUT_PORT
    return UrlPart.PORT if ":" in host and has_port and not is_in_brackets else UrlPart.HOST


def quoted_for(value: str, part: UrlPart) -> str:
    """The value as that part has it; raises UrlValueError for a wrong host or port."""
    if part is UrlPart.HOST and not _HOST.fullmatch(value):
        what = "where the URL has its host, and holds what no host can: a blank or one of / ? # @ %"
        raise UrlValueError(what, "let it hold the host alone, like example.org or 10.0.0.7:8443")
    if part is UrlPart.PORT and not (_PORT.fullmatch(value) and 0 < int(value) <= _LAST_PORT):
        what = "where the URL has its port, and is no number from 1 to 65535"
        raise UrlValueError(what, "let it hold the port alone, like 8443")
    if part in (UrlPart.START, UrlPart.HOST, UrlPart.PORT):
        return value
    return quote(value, safe="/:" if part is UrlPart.PATH else "")


def expand(
    text: str,
    variables: Mapping[str, str],
    path: KeyPath = (),
    *,
    is_url: bool = False,
    is_secret: bool = True,
) -> str:
    """`text` with each `${VAR}`, `${VAR:-default}` and `$$` replaced.

    In a URL, a value is quoted as its place needs it. With `is_secret`, values are remembered for
    redaction. Raises ChannelError at `path` for a variable that is unset or empty, one whose file
    can't be read, and a malformed reference.
    """

    def value_in(found: re.Match[str]) -> str:
        """The value of one reference."""
        if found["dollar"]:
            return "$"
        reference = _INSIDE.fullmatch(found["inside"])
        if reference is None or not found["end"]:
            raise ChannelError(
                "a ${…} reference is malformed",
                "write ${NAME}, ${NAME:-default}, or $$ for a dollar sign",
                path,
            )
        name = reference["name"]
        value = _value(name, variables, path)
        if value:
            if is_secret:
                remember((value,))
            after = _REFERENCE.sub("", text[found.end() :])
            return _in_url(name, value, expanded, after, path) if is_url else value
        if reference["default"] is None:
            raise ChannelError(
                f"the environment variable {name} is unset or empty",
                "set it, or disable this channel",
                path,
            )
        return reference["default"]

    expanded, end = "", 0
    for found in _REFERENCE.finditer(text):
        expanded += text[end : found.start()]
        expanded += value_in(found)
        end = found.end()
    return expanded + text[end:]


def _add_once(found: list[ChannelError], error: ChannelError) -> None:
    if not any((each.what, each.path) == (error.what, error.path) for each in found):
        found.append(error)


def _number(text: str) -> float | None:
    if re.fullmatch(r"\s*[+-]?\d{1,12}(\.\d{1,12})?\s*", text):
        return float(text)
    return None


def _in_url(name: str, value: str, before: str, after: str, path: KeyPath) -> str:
    """The value, quoted for its place between the two texts of the URL."""
    try:
        return quoted_for(value, part_at(before, after))
    except UrlValueError as error:
        what = f"the environment variable {name} stands {error.what}"
        raise ChannelError(what, error.remedy, path) from None


def _value(name: str, variables: Mapping[str, str], path: KeyPath) -> str:
    try:
        return value_of(name, variables)
    except VariableError as error:
        raise ChannelError(error.what, error.remedy, path) from None
