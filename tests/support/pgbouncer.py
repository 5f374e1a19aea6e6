"""A real pgbouncer that pools transactions, in front of a test's PostgreSQL."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psycopg

from tests.support.debian import unpack_with_missing
from tests.support.http_receiver import LOOPBACK
from tests.support.patience import await_that
from tests.support.postgresql import ROLE, PostgreSQL
from tests.support.processes import end, free_port, spawn

#: Fewer than a store has connections, so that they share sessions.
SESSIONS: Final = 3
_PROGRAM: Final = Path("usr/sbin/pgbouncer")


@contextmanager
def pooled(server: PostgreSQL, url: str) -> Iterator[str]:
    """The URL of the same database behind a pgbouncer; PackageUnavailableError without one."""
    roots = unpack_with_missing("pgbouncer")
    program = next(root / _PROGRAM for root in roots if (root / _PROGRAM).exists())
    libraries = {str(path.parent) for root in roots for path in root.glob("usr/lib/*/lib*.so*")}
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="pgbouncer-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "users").write_text(f'"{ROLE}" ""\n')
        (folder / "pgbouncer.ini").write_text(
            f"[databases]\n* = host={LOOPBACK} port={server.port}\n[pgbouncer]\n"
            f"listen_addr = {LOOPBACK}\nlisten_port = {port}\nunix_socket_dir =\n"
            f"auth_type = trust\nauth_file = {folder / 'users'}\npool_mode = transaction\n"
            f"default_pool_size = {SESSIONS}\n"
        )
        command = [str(program), str(folder / "pgbouncer.ini")]
        if os.getuid() == 0:
            drop = ("--clear-groups", "--pdeathsig", "KILL", "--reuid=65534", "--regid=65534")
            command = ["setpriv", *drop, *command]
        environment = {"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": ":".join(sorted(libraries))}
        with (folder / "log").open("wb") as log:
            process = spawn(command, environment, folder, log, subprocess.STDOUT)
        try:
            behind = url.replace(f":{server.port}/", f":{port}/")
            await_that(lambda: _answers(behind), lambda: (folder / "log").read_text())
            yield f"{behind}?pgbouncer=true"
        finally:
            end(process)


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True
