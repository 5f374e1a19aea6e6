from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from apprise import NotifyBase

from channels.alert import Priority
from channels.plugins.plugin import KeyPath, make_plugin

_KEY: Final = "priority"
#: Apprise's "low" is the least of all: Pushover and Gotify store such a message and tell nobody.
_BY_NAME: Final = {Priority.HIGH: "high", Priority.MEDIUM: "normal", Priority.LOW: "moderate"}
#: P2, P3 and P4: the plugin calls P1, the most urgent one, "low".
_BY_NUMBER: Final = {Priority.HIGH: "2", Priority.MEDIUM: "3", Priority.LOW: "4"}
#: What `priority=` is for each priority of an alert, by schema.
_URGENCY_WORDS: Final[Mapping[str, Mapping[Priority, str]]] = {
    **dict.fromkeys(("ntfy", "ntfys", "gotify", "gotifys", "pover", "prowl", "join"), _BY_NAME),
    "opsgenie": _BY_NUMBER,
}


@dataclass(frozen=True, slots=True)
class Urgency:
    """What a plugin's priority is to be for each priority of an alert."""

    values: Mapping[Priority, object]

    def apply(self, plugin: NotifyBase, priority: Priority) -> None:
        """Set the plugin's priority for its next message."""
        vars(plugin)[_KEY] = self.values[priority]


def urgency_of(
    kind: type[NotifyBase], keywords: Mapping[str, Any], path: KeyPath = ()
) -> Urgency | None:
    """How the plugin of these keywords tells a priority.

    None where its service has none, and where the URL sets it. The plugin's own reading of the
    words gives the values.
    """
    words = _URGENCY_WORDS.get(str(keywords["schema"]).lower())
    if words is None or keywords.get(_KEY):
        return None
    values = {
        priority: vars(make_plugin(kind, {**keywords, _KEY: word}, path))[_KEY]
        for priority, word in words.items()
    }
    return Urgency(values)
