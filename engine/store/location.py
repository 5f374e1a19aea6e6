"""Where the store is: what `STATE_URL` names, a SQLite file or a database of PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from engine.errors import StoreError

_SQLITE_REMEDY: Final = "use sqlite:///relative/file.db or sqlite:////absolute/file.db"
_POSTGRESQL_REMEDY: Final = "use postgresql://user@host/database"
_REMEDY: Final = f"{_SQLITE_REMEDY}, or {_POSTGRESQL_REMEDY}"
_POSTGRESQL_SCHEMES: Final = frozenset({"postgresql", "postgres"})
#: What libpq may be told by the URL's query; the rest is ours, or stands before the query.
LIBPQ_OPTIONS: Final = frozenset(
    {
        *("sslmode", "sslrootcert", "sslcert", "sslkey", "sslpassword", "sslcrl", "sslcrldir"),
        *("sslsni", "sslnegotiation", "ssl_min_protocol_version", "ssl_max_protocol_version"),
        *("channel_binding", "require_auth", "gssencmode", "krbsrvname", "passfile", "host"),
        *("connect_timeout", "keepalives", "keepalives_idle", "keepalives_interval"),
        *("keepalives_count", "tcp_user_timeout", "application_name", "options"),
        *("target_session_attrs", "load_balance_hosts"),
    }
)
_SECRETS: Final = ("password", "sslpassword")
#: Says that a pgbouncer is between, which gives each transaction another session.
_POOLED: Final = "pgbouncer"


@dataclass(frozen=True, slots=True)
class SqliteLocation:
    """A SQLite file, and the most pages of 4 KiB that it may have (0: no bound)."""

    path: Path
    max_page_count: int = 0

    @property
    def shown(self) -> str:
        """The location as messages show it."""
        return str(self.path)


@dataclass(frozen=True, slots=True)
class PostgresLocation:
    """A database of PostgreSQL: what libpq is told, which may have a password, and its text.

    With `is_pooled` a pgbouncer may give each transaction another session.
    """

    options: Mapping[str, str] = field(repr=False)
    shown: str
    is_pooled: bool = False

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be shown."""
        return tuple(self.options[name] for name in _SECRETS if name in self.options)


def parse_state_url(url: str, password: str = "") -> SqliteLocation | PostgresLocation:
    """Returns the location that `url` names; StoreError for a wrong URL, without its secrets.

    `sqlite:///a.db` is relative to the working directory, `sqlite:////a.db` absolute;
    `?max_page_count=N` sets a quota. `postgresql://user@host:port/database?sslmode=verify-full` has
    its password in the URL or in `password`, and may name several hosts, with commas; its options
    are libpq's, and `pgbouncer=true`.
    """
    scheme = url.partition(":")[0].lower()
    if scheme in _POSTGRESQL_SCHEMES:
        return _postgres_location(url, password)
    if scheme.partition("+")[0] in _POSTGRESQL_SCHEMES:
        raise StoreError(f"STATE_URL names a driver after a +, {_POSTGRESQL_REMEDY}")
    if scheme != "sqlite":
        raise StoreError(f"STATE_URL does not name a store, {_REMEDY}")
    parts = urlsplit(url)
    if parts.netloc or not url.startswith(f"{parts.scheme}:///") or parts.fragment:
        raise StoreError(f"STATE_URL {url!r} has the wrong number of slashes, {_SQLITE_REMEDY}")
    path = parts.path.removeprefix("/")
    if not path or path.endswith("/") or ":memory:" in path or "\0" in path:
        raise StoreError(f"STATE_URL {url!r} names no file, {_SQLITE_REMEDY}")
    # Resolved, so that one file has one lock, by whatever path.
    return SqliteLocation(Path(path).resolve(), _max_page_count(parts.query))


def _max_page_count(query: str) -> int:
    options = dict(parse_qsl(query, keep_blank_values=True))
    text = options.pop("max_page_count", "0")
    if options:
        raise StoreError(f"STATE_URL has an unknown option {min(options)!r}, use max_page_count")
    if not text.isascii() or not text.isdigit():
        raise StoreError(f"STATE_URL's max_page_count is {text!r}, use a number of 4 KiB pages")
    return int(text)


def _postgres_location(url: str, password: str) -> PostgresLocation:
    try:
        parts = urlsplit(url)
    except ValueError:
        raise StoreError(f"STATE_URL has a malformed host, {_POSTGRESQL_REMEDY}") from None
    if not url.partition(":")[2].startswith("//") or parts.fragment:
        # Of a # in the password urlsplit makes a fragment.
        remedy = f"{_POSTGRESQL_REMEDY}, with %23 for a # and %2F for a / in the password"
        raise StoreError(f"STATE_URL is malformed, {remedy}")
    account, _, hosts = parts.netloc.rpartition("@")
    user, _, own_password = account.partition(":")
    database = unquote(parts.path.removeprefix("/"))
    if not database:
        raise StoreError(f"STATE_URL names no database, {_POSTGRESQL_REMEDY}")
    if own_password and password:
        raise StoreError("STATE_URL has a password and STATE_PASSWORD is set, use one of them")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    is_pooled = _flag(options, _POOLED)
    _check_libpq(options)
    names, ports = _hosts(hosts)
    given = {
        "dbname": database,
        "user": unquote(user),
        "password": unquote(own_password) or password,
        "host": names or options.pop("host", ""),
        "port": ports,
    }
    options |= {name: value for name, value in given.items() if value}
    if "\0" in "".join(options.values()):
        raise StoreError(f"STATE_URL holds a NUL, {_POSTGRESQL_REMEDY}")
    place = hosts or options.get("host", "")
    shown = f"postgresql://{f'{user}@' if user else ''}{place}/{database}"
    return PostgresLocation(options, shown, is_pooled)


def _flag(options: dict[str, str], name: str) -> bool:
    """Takes an option of ours, true or false, out of the options."""
    text = options.pop(name, "false")
    if text not in {"true", "false"}:
        raise StoreError(f"STATE_URL's {name} is {text!r}, use true or false")
    return text == "true"


def _hosts(hosts: str) -> tuple[str, str]:
    """The hosts and the ports of `a:5432,[::1]`, each as libpq's list with commas."""
    names, ports = [], []
    for each in hosts.split(","):
        name, bracket, rest = each.rpartition("]")
        if bracket:
            name, port = name.removeprefix("["), rest.removeprefix(":")
        else:
            name, _, port = each.partition(":")
        if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
            # Not shown: a / or an @ in a password ends up here.
            raise StoreError(
                f"STATE_URL has a port that is no number up to 65535, {_POSTGRESQL_REMEDY}, with "
                "%40 for an @ and %2F for a / in the password"
            )
        names.append(unquote(name))
        ports.append(port)
    return ",".join(names), ",".join(ports) if any(ports) else ""


def _check_libpq(options: Mapping[str, str]) -> None:
    for name in sorted(options):
        if name in {"user", "password", "dbname", "port"}:
            raise StoreError(f"STATE_URL has {name} as an option, {_POSTGRESQL_REMEDY}")
        if name not in LIBPQ_OPTIONS:
            raise StoreError(
                f"STATE_URL has an unknown option {name!r}, use those of libpq, such as sslmode "
                "and sslrootcert"
            )
