"""Gives a service the priority of an alert, where the service has priorities of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from apprise import NotifyBase

from channels.alert import Priority
from channels.plugins.plugin import KeyPath, make_plugin

_ATTRIBUTE: Final = "priority"
#: Not Apprise's "low": Pushover and Gotify store such a message without notifying anybody.
_BY_NAME: Final = {Priority.HIGH: "high", Priority.MEDIUM: "normal", Priority.LOW: "moderate"}
#: P2, P3 and P4. The plugin's word "low" would be P1, the most urgent one.
_BY_NUMBER: Final = {Priority.HIGH: "2", Priority.MEDIUM: "3", Priority.LOW: "4"}
#: What `priority=` is for each priority of an alert, by schema.
_WORDS: Final[Mapping[str, Mapping[Priority, str]]] = {
    **dict.fromkeys(("ntfy", "ntfys", "gotify", "gotifys", "pover", "prowl", "join"), _BY_NAME),
    "opsgenie": _BY_NUMBER,
}


@dataclass(frozen=True, slots=True)
class Urgency:
    """The value of a plugin's `priority` for each priority of an alert."""

    values: Mapping[Priority, object]

    def apply(self, plugin: NotifyBase, priority: Priority) -> None:
        """Set the plugin's priority for its next message."""
        vars(plugin)[_ATTRIBUTE] = self.values[priority]


def urgency_of(
    kind: type[NotifyBase], keywords: Mapping[str, Any], path: KeyPath = ()
) -> Urgency | None:
    """The values of `priority` for a plugin with these keywords, as the plugin itself reads them.

    None where its service has no priorities, and where the URL sets one. Raises ChannelError where
    the plugin can't be made.
    """
    words = _WORDS.get(str(keywords["schema"]).lower())
    if words is None or keywords.get(_ATTRIBUTE):
        return None
    values = {
        priority: vars(make_plugin(kind, {**keywords, _ATTRIBUTE: word}, path))[_ATTRIBUTE]
        for priority, word in words.items()
    }
    return Urgency(values)
