"""What a test's HTTP server is told to answer, and to whom."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qs


class Ending(StrEnum):
    """How a request that was read whole comes to its end."""

    ANSWERED = "answered"
    HANGS = "hangs"
    RESET = "reset"


@dataclass(frozen=True, slots=True)
class Answer:
    """One scripted answer; `delay_seconds` passes between the request's last byte and it."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b"ok"
    delay_seconds: float = 0.0
    ending: Ending = Ending.ANSWERED

    @classmethod
    def json(cls, status: int, value: object) -> Answer:
        """An answer with a JSON body."""
        return cls(status, {"Content-Type": "application/json"}, json.dumps(value).encode())


HANG = Answer(ending=Ending.HANGS)
RESET = Answer(ending=Ending.RESET)


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it arrived; `headers` has lower-case names, `at` is `time.monotonic()`."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float

    @property
    def host(self) -> str:
        """The name that the client asked for, without a port."""
        return self.headers.get("host", "").partition(":")[0]

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    def form(self) -> dict[str, list[str]]:
        """The body as an HTML form, blank fields kept."""
        return parse_qs(self.body.decode(), keep_blank_values=True, strict_parsing=True)


Responder = Callable[[Request], Answer]


class Script:
    """Which answer a request gets: a queued one, else a matching rule's, else the default."""

    def __init__(self, default: Responder) -> None:
        self._lock = threading.Lock()
        self._default = default
        self._queue: deque[Answer] = deque()
        self._rules: list[tuple[Callable[[Request], bool], deque[Answer]]] = []

    def add(self, *answers: Answer) -> None:
        """The next requests that no rule takes get these, one each."""
        with self._lock:
            self._queue.extend(answers)

    def add_rule(self, predicate: Callable[[Request], bool], *answers: Answer) -> None:
        """Requests that `predicate` takes get these in turn, and the last one for ever."""
        with self._lock:
            self._rules.append((predicate, deque(answers)))

    def clear(self, default: Responder | None = None) -> None:
        """Forget queue and rules; `default` becomes the answer to all."""
        with self._lock:
            self._queue.clear()
            self._rules.clear()
            self._default = default or self._default

    def choose(self, request: Request) -> Answer:
        """The answer to this request; it is used up unless it is the last of its kind."""
        with self._lock:
            for predicate, answers in self._rules:
                if predicate(request):
                    return answers.popleft() if len(answers) > 1 else answers[0]
            if self._queue:
                return self._queue.popleft()
            return self._default(request)
