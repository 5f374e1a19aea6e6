"""What an editor with JSON Schema says of a YAML text: its values are those of YAML 1.2."""

from __future__ import annotations

import re
from typing import Any, Final

import jsonschema
import yaml
from yaml.nodes import ScalarNode


class _Loader(yaml.SafeLoader):
    """A loader with YAML 1.2's core types, as editors have them: no dates, no `yes` and `on`."""


_Loader.yaml_implicit_resolvers = {}
_CORE: Final = (
    ("merge", r"<<"),
    ("null", r"~|null|Null|NULL|"),
    ("bool", r"true|True|TRUE|false|False|FALSE"),
    ("int", r"[-+]?[0-9]+"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"),
)
for _name, _pattern in _CORE:
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_name}", re.compile(rf"^(?:{_pattern})$"), None
    )


def _number(loader: _Loader, node: ScalarNode) -> int | float:
    text = str(loader.construct_scalar(node))
    return int(text) if node.tag.endswith(":int") else float(text)


for _name in ("int", "float"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_name}", _number)


def complaints(text: str, schema: dict[str, Any]) -> list[str]:
    """What does not fit the schema, each as `path: message`."""
    validator = jsonschema.Draft7Validator(schema)
    found: list[str] = []
    waiting = list(validator.iter_errors(yaml.load(text, _Loader)))
    while waiting:
        error = waiting.pop(0)
        if error.context:
            waiting += error.context
        else:
            found.append(f"{'.'.join(map(str, error.absolute_path))}: {error.message}")
    return found
