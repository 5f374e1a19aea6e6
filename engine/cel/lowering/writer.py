"""Pieces into one Python expression, in the order of evaluation; shared ones are computed once."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Final

from engine.cel.lowering.code import Code, Form

_WORDS: Final = {None: "None", True: "True", False: "False"}


@dataclass(slots=True)
class _Shared:
    """A piece that may be wanted again: where it is computed first, it is given a name."""

    name: str
    mark: str
    text: str
    is_wanted: bool = False


class Writer:
    """Writes one expression; afterwards `constants` are the values of `k0`, `k1` …"""

    def __init__(self) -> None:
        self.constants: Final[list[Any]] = []
        self._names: Final[dict[Hashable, str]] = {}
        self._shared: Final[list[_Shared]] = []
        self._ready: dict[Hashable, _Shared] = {}
        self._loops = 0

    def text(self, root: Code) -> str:
        """The whole expression."""
        text = self._write(root)
        # A piece may stand inside one that was begun before it, never the other way round.
        for shared in self._shared:
            first = f"({shared.name} := {shared.text})" if shared.is_wanted else shared.text
            text = text.replace(shared.mark, first)
        return text

    def _write(self, code: Code) -> str:
        match code.form:
            case Form.CONSTANT:
                return self._constant(code.value)
            case Form.ITEM:
                return f"x{code.slot}"
            case Form.ALL:
                return self._chain(code, " and ")
            case Form.ANY:
                return self._chain(code, " or ")
            case Form.CHOICE:
                return self._choice(code)
            case Form.LOOP:
                return self._loop(code)
        if code.share is not None:
            return self._share(code, code.share)
        return self._plain(code)

    def _plain(self, code: Code) -> str:
        return code.template.format(*map(self._write, code.parts))

    def _share(self, code: Code, key: Hashable) -> str:
        shared = self._ready.get(key)
        if shared is not None:
            shared.is_wanted = True
            return shared.name
        if self._loops:
            return self._plain(code)
        number = len(self._shared)
        shared = _Shared(f"v{number}", f"<{number}>", "")
        self._shared.append(shared)
        shared.text = self._plain(code)
        self._ready[key] = shared
        return shared.mark

    def _chain(self, code: Code, sign: str) -> str:
        first, *others = code.parts
        texts = [self._write(first)]
        # What a later operand computes is there for those behind it, not for others.
        ready = self._ready
        self._ready = dict(ready)
        texts += map(self._write, others)
        self._ready = ready
        return f"({sign.join(texts)})"

    def _choice(self, code: Code) -> str:
        condition, first, second = code.parts
        test = self._write(condition)
        ready = self._ready
        self._ready = dict(ready)
        chosen = self._write(first)
        self._ready = dict(ready)
        other = self._write(second)
        self._ready = ready
        return f"({chosen} if {test} else {other})"

    def _loop(self, code: Code) -> str:
        self._loops += 1
        texts = list(map(self._write, code.parts))
        self._loops -= 1
        return code.template.format(*texts, item=f"x{code.slot}")

    def _constant(self, value: Any) -> str:
        if value is None or value is True or value is False:
            return _WORDS[value]
        key = (str, value) if type(value) is str else id(value)
        name = self._names.get(key)
        if name is None:
            name = self._names[key] = f"k{len(self.constants)}"
            self.constants.append(value)
        return name
