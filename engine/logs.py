"""The set-up of logging: structlog, JSON in a container, readable on a terminal."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import TextIO

import structlog

_LEVELS = logging.getLevelNamesMapping()


def configure_logs(
    level: str,
    log_format: str,
    stream: TextIO | None = None,
    redact: Callable[[str], str] = lambda line: line,
) -> None:
    """Send log lines of `level` and above to `stream` (default stderr).

    `log_format` is `json`, `console`, or `auto`: console on a terminal, else JSON. `redact` takes
    known secrets out of a finished line, whoever wrote it.
    """
    stream = stream or sys.stderr
    is_console = log_format == "console" or (log_format == "auto" and stream.isatty())
    renderer = (
        structlog.dev.ConsoleRenderer(colors=stream.isatty())
        if is_console
        else structlog.processors.JSONRenderer(sort_keys=False)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.dict_tracebacks if not is_console else _keep,
            renderer,
            lambda logger, method, line: redact(str(line)),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=logging.WARNING, handlers=[_LibraryHandler()], force=True)


class _LibraryHandler(logging.Handler):
    """What libraries say through `logging`, in our form."""

    def emit(self, record: logging.LogRecord) -> None:
        logger = structlog.get_logger(record.name)
        logger.log(record.levelno, record.getMessage())


def _keep(
    logger: object, method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    return event


def mask_plate(text: str) -> str:
    """A plate number as logs show it by default: its first two characters."""
    return f"{text[:2]}***" if text else ""
