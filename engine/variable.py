"""The value of an environment variable, which may stand in a file that `NAME_FILE` names.

Docker and Kubernetes mount secrets as files. Editors and `echo` end a text with a line end, which
is no part of a secret.
"""

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

    Where it is, and `NAME_FILE` is not, the value is what the file holds that this one names, read
    now. Raises VariableError where both are set, and for a file that can't be read or is empty.
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
        # A pipe would be waited for, and is empty at the next reload.
        if not stat.S_ISREG(found.st_mode):
            raise VariableError(f"{named} is not a file", "let it name a file with the value")
        if found.st_size > MAX_FILE_BYTES:
            raise VariableError(f"{named} is larger than 1 MiB", "let it hold the value alone")
        # Some editors begin a file with a mark of its byte order.
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
