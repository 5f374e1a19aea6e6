"""A real PostgreSQL on loopback, for tests that need a database, and for those that kill it.

A test asks for a fixture of `tests/conftest.py`:

- `database`: the URL of an empty database of its own, on the one server of this process;
- `postgresql`: that server, for more databases or `terminate_backends`; nobody kills it;
- `own_postgresql`: a server for one test, to be stopped, killed, frozen and restarted.

Others make one: `with PostgreSQL(password="s3cret", certificates=certificates) as server:
server.create_database()`. No server at hand skips the test; it is a failure where the environment
has CI or ALERT_ENGINE_REQUIRE_POSTGRES=1.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Final, LiteralString
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql

from tests.support.certificates import Certificates
from tests.support.debian import PackageUnavailableError, unpack_with_missing
from tests.support.http_receiver import LOOPBACK
from tests.support.patience import await_that
from tests.support.processes import end, free_port, signal_group, spawn

INSTALLED: Final = Path("/usr/lib/postgresql")
#: What `url` connects as: it owns its databases and has no other right.
ROLE: Final = "alerts"
SUPERUSER: Final = "postgres"
READY_SECONDS: Final = 60.0
STOP_SECONDS: Final = 15.0
SETTINGS: Final = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "log_line_prefix": "%m [%p] ",
}
#: A commit outlives the kill of all processes, but not that of the machine.
NO_SYNC: Final = {"fsync": "off", "full_page_writes": "off"}


class PostgreSQLUnavailableError(Exception):
    """There is no PostgreSQL to be had here; the text says why."""


class PostgreSQL:
    """A PostgreSQL of our own; a context manager. Linux only.

    Its port and data stay the same over `stop`, `kill` and `start`. Every client is trusted unless
    there is a `password`, which is asked for by SCRAM; with `certificates` only TLS is taken.
    `fsync` makes commits outlive the machine, for whoever measures; `settings` are lines of
    postgresql.conf. A standby has the data, and all else, of its `primary`. Raises
    PostgreSQLUnavailableError when there are no binaries, or they do not run.
    """

    def __init__(
        self,
        *,
        password: str = "",
        certificates: Certificates | None = None,
        fsync: bool = False,
        settings: Mapping[str, str] | None = None,
        primary: PostgreSQL | None = None,
    ) -> None:
        self._binaries = binaries()
        self._is_standby = primary is not None
        self._folder = tempfile.TemporaryDirectory(prefix="postgresql-")
        self._data = Path(self._folder.name) / "data"
        self._log = Path(self._folder.name) / "server.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._password = password
        self._certificates = certificates
        self.port = free_port()
        try:
            if primary is None:
                self._init()
                self._configure({**SETTINGS, **({} if fsync else NO_SYNC), **(settings or {})})
            else:
                self._copy(primary)
        except BaseException:
            self.close()
            raise

    @property
    def data(self) -> Path:
        """The folder with all that it stores."""
        return self._data

    @property
    def log(self) -> str:
        """What the server itself wrote."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def url(self, database: str, user: str = ROLE) -> str:
        """The URL of a database, with all that a client needs to connect."""
        password = f":{quote(self._password, safe='')}" if self._password else ""
        query = ""
        if self._certificates is not None:
            bundle = str(self._certificates.bundle)
            query = "?" + urlencode({"sslmode": "verify-full", "sslrootcert": bundle}, safe="/")
        return f"postgresql://{user}{password}@{LOOPBACK}:{self.port}/{database}{query}"

    def create_database(self, tablespace: str = "pg_default") -> str:
        """Make an empty database, and return its URL."""
        name = f"alerts_{uuid.uuid4().hex[:12]}"
        statement: LiteralString = "CREATE DATABASE {} OWNER {} TEMPLATE template0 TABLESPACE {}"
        self._order(statement, name, ROLE, tablespace)
        return self.url(name)

    def create_tablespace(self, folder: Path) -> str:
        """Let the tables of a database lie in a folder, if it names what is returned."""
        name = f"space_{uuid.uuid4().hex[:12]}"
        self._give_away(folder)
        self._order("CREATE TABLESPACE {} LOCATION {}", name, sql.Literal(str(folder)))
        return name

    def drop_database(self, url: str) -> None:
        """Remove what `create_database` made, whoever is connected to it."""
        name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
        self._order("DROP DATABASE IF EXISTS {} WITH (FORCE)", str(name))

    def standby(self) -> PostgreSQL:
        """A standby, for a `with`: `await_standby` says when it has what this one commits."""
        return PostgreSQL(password=self._password, certificates=self._certificates, primary=self)

    def await_standby(self) -> None:
        """From now on a commit waits until a standby has it too; return when one is there."""
        self._order("ALTER SYSTEM SET synchronous_standby_names = {}", sql.Literal("*"))
        self._order("SELECT pg_reload_conf()")
        query = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"
        with self._connect() as connection:
            await_that(lambda: connection.execute(query).fetchone() == (1,))

    def promote(self) -> None:
        """Make a standby the primary, and wait until it is."""
        self._order("SELECT pg_promote()")

    def terminate_backends(self) -> int:
        """Cut all clients off, as an administrator does (57P01); how many there were."""
        query = (
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        with self._connect() as connection:
            row = connection.execute(query).fetchone()
        assert row is not None
        return int(row[0])

    def start(self) -> PostgreSQL:
        """Start, and wait until it takes connections."""
        if self._process is None:
            self.launch()
            self.await_answer()
        return self

    def launch(self) -> None:
        """Start, without waiting until it takes connections."""
        with self._log.open("ab") as log:
            command = [*self._as_user("postgres"), "-D", str(self._data), "-p", str(self.port)]
            self._process = spawn(
                command, self._environment, Path(self._folder.name), log, subprocess.STDOUT
            )

    def await_answer(self) -> None:
        """Ask until it takes connections; PostgreSQLUnavailableError with its log if never."""
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                self._connect().close()
                return
            except psycopg.OperationalError as error:
                if not self._is_running() or time.monotonic() > deadline:
                    raise PostgreSQLUnavailableError(f"not ready: {self.log[-1000:]}") from error
            time.sleep(0.02)

    def stop(self) -> None:
        """End it in order: clients are cut off, and what is committed is checkpointed."""
        if self._process is not None:
            signal_group(self._process, signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS)
            self.kill()

    def kill(self) -> None:
        """End all its processes at once (SIGKILL), and wait until none is left."""
        if self._process is None:
            return
        # Frozen, it starts no other one meanwhile.
        signal_group(self._process, signal.SIGSTOP)
        children = _children(self._process.pid)
        end(self._process)
        _signal(children, signal.SIGKILL)
        # One that is left holds the shared memory, and a start would be refused.
        await_that(lambda: not any(map(_is_alive, children)))
        self._process = None

    def restart(self) -> None:
        """Stop and start with the same data."""
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Stop answering while connections stay open (SIGSTOP)."""
        assert self._process is not None
        signal_group(self._process, signal.SIGSTOP)
        _signal(_children(self._process.pid), signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on after `freeze`."""
        assert self._process is not None
        _signal(_children(self._process.pid), signal.SIGCONT)
        signal_group(self._process, signal.SIGCONT)

    def close(self) -> None:
        """Kill it and remove its data."""
        self.kill()
        self._folder.cleanup()

    def __enter__(self) -> PostgreSQL:
        try:
            self.start()
            if not self._is_standby:
                self._order("CREATE ROLE {} LOGIN PASSWORD {}", ROLE, sql.Literal(self._password))
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _connect(self) -> psycopg.Connection:
        url = self.url("postgres", SUPERUSER)
        return psycopg.connect(url, autocommit=True, connect_timeout=10)

    def _order(self, statement: LiteralString, *parts: str | sql.Composable) -> None:
        named = [sql.Identifier(part) if isinstance(part, str) else part for part in parts]
        with self._connect() as connection:
            connection.execute(sql.SQL(statement).format(*named))

    @property
    def _environment(self) -> dict[str, str]:
        libraries = ":".join(self._binaries.libraries)
        return {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "LD_LIBRARY_PATH": libraries}

    def _as_user(self, program: str) -> list[str]:
        """The command of a program, which refuses to be root's."""
        path = str(self._binaries.folder / program)
        if os.getuid() != 0:
            return [path]
        user = _unprivileged()
        # A change of the user undoes what `spawn` asked the kernel for.
        drop = ("--clear-groups", "--pdeathsig", "KILL")
        return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", *drop, path]

    def _init(self) -> None:
        folder = Path(self._folder.name)
        words = folder / "password"
        words.write_text(self._password or "unused")
        self._give_away(folder, words)
        command = [
            *self._as_user("initdb"),
            *("--pgdata", str(self._data), "--username", SUPERUSER, "--pwfile", str(words)),
            *("--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync", "--no-instructions"),
            *("--auth", "scram-sha-256" if self._password else "trust"),
        ]
        self._run(command)

    def _copy(self, primary: PostgreSQL) -> None:
        self._give_away(Path(self._folder.name))
        command = [
            *self._as_user("pg_basebackup"),
            *("--pgdata", str(self._data), "--dbname", primary.url("postgres", SUPERUSER)),
            *("--checkpoint", "fast", "--write-recovery-conf", "--no-sync"),
        ]
        self._run(command)

    def _run(self, command: Sequence[str]) -> None:
        try:
            done = subprocess.run(
                command,
                cwd=self._folder.name,
                env=self._environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=READY_SECONDS,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise PostgreSQLUnavailableError(f"it can't be made: {error}") from error
        if done.returncode != 0:
            raise PostgreSQLUnavailableError(f"it can't be made: {done.stderr[-1000:]}")

    def _configure(self, settings: Mapping[str, str]) -> None:
        method = "scram-sha-256" if self._password else "trust"
        kind = "host"
        if self._certificates is not None:
            kind = "hostssl"
            certificate, key = self._certificates.files(Path(self._folder.name), LOOPBACK)
            key.chmod(0o600)
            self._give_away(certificate, key)
            files = {"ssl_cert_file": str(certificate), "ssl_key_file": str(key)}
            settings = {**settings, "ssl": "on", **files}
        clients = ("all", "replication")
        lines = (f"{kind} {each} all {LOOPBACK}/32 {method}\n" for each in clients)
        (self._data / "pg_hba.conf").write_text("".join(lines))
        with (self._data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())

    def _give_away(self, *paths: Path) -> None:
        if os.getuid() == 0:
            user = _unprivileged()
            for path in paths:
                os.chown(path, user.pw_uid, user.pw_gid)


class Binaries:
    """Where the programs lie, and the libraries that they need beside those of the system."""

    def __init__(self, folder: Path, libraries: Sequence[str] = ()) -> None:
        self.folder = folder
        self.libraries = libraries


@cache
def binaries() -> Binaries:
    """What is installed, else out of Debian's packages; PostgreSQLUnavailableError if neither."""
    if found := _newest(INSTALLED):
        return Binaries(found)
    try:
        roots = unpack_with_missing("postgresql")
    except PackageUnavailableError as error:
        raise PostgreSQLUnavailableError(str(error)) from error
    for root in roots:
        if found := _newest(root / INSTALLED.relative_to("/")):
            return Binaries(found, [str(path) for each in roots for path in _libraries(each)])
    raise PostgreSQLUnavailableError(f"no server in the packages under {roots}")


def is_required() -> bool:
    """Whether a run without PostgreSQL is a failure."""
    return bool(os.environ.get("CI")) or os.environ.get(
        "ALERT_ENGINE_REQUIRE_POSTGRES", ""
    ) not in ("", "0")


def _newest(folder: Path) -> Path | None:
    found = [path.parent for path in folder.glob("*/bin/initdb")]
    return max(found, key=lambda path: float(path.parent.name), default=None)


def _libraries(root: Path) -> list[Path]:
    return sorted({path.parent for path in root.glob("usr/lib/*/lib*.so*")})


def _unprivileged() -> pwd.struct_passwd:
    if shutil.which("setpriv") is None:
        raise PostgreSQLUnavailableError("it refuses to be root's, and there is no setpriv")
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


def _children(pid: int) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if int(_status(folder)[1]) == pid:
                found.append(int(folder.name))
    return found


def _signal(pids: Sequence[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _is_alive(pid: int) -> bool:
    """Whether the process runs; one that nobody has asked for its status does not."""
    try:
        return _status(Path(f"/proc/{pid}"))[0] != "Z"
    except OSError:
        return False


def _status(folder: Path) -> list[str]:
    """What the kernel says of a process after its name: state, parent and more."""
    return (folder / "stat").read_text().rpartition(")")[2].split()
