"""Values of environment variables or the files that they name, and folders of the package."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from engine.errors import VariableError

FILE_SUFFIX: Final = "_FILE"
#: A bundle of certificates has some 250 kB.
MAX_FILE_BYTES: Final = 1 << 20


def value_of(name: str, variables: Mapping[str, str]) -> str:
    """The variable's value without the line ends at its end; "" where it is unset or empty.

    Where it is unset and `NAME_FILE` is set, the value is the content of the file that `NAME_FILE`
    names, read now. Raises VariableError where both are set, and for a file that is empty or can't
    be read.
    """
    value = variables.get(name, "").rstrip("\r\n")
    path = variables.get(name + FILE_SUFFIX, "").strip()
    if not path:
        return value
    if value:
        what = f"{name} and {name}{FILE_SUFFIX} are both set"
        raise VariableError(what, "unset one of them")
    return _content(f"{name}{FILE_SUFFIX}", Path(path))


def _content(variable: str, path: Path) -> str:
    named = f"the file {path}, which {variable} names,"
    try:
        found = path.stat()
        # Reading a pipe would block, and find nothing at the next reload.
        if not stat.S_ISREG(found.st_mode):
            raise VariableError(f"{named} is not a file", "let it name a file with the value")
        if found.st_size > MAX_FILE_BYTES:
            raise VariableError(f"{named} is larger than 1 MiB", "let it hold the value alone")
        # -sig: some editors write a byte order mark.
        text = path.read_text(encoding="utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        raise VariableError(f"{named} is not UTF-8", "save it as UTF-8") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no such path"
        remedy = "make it readable for the engine, or correct the path"
        raise VariableError(f"{named} can't be read ({reason})", remedy) from None
    if not text:
        raise VariableError(f"{named} is empty", "write the value into it")
    return text


_PACKAGE: Final = Path(__file__).resolve().parent


def folder(name: str) -> Path:
    """The folder `name` that comes with the package, such as `docs`.

    In a checkout, which an editable install refers to, it is the one beside `engine`.
    """
    installed = _PACKAGE / "_packaged" / name
    return installed if installed.is_dir() else _PACKAGE.parent / name
