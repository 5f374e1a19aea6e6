"""PostgreSQL with TLS, and roles that may do no more than they must, as the page has them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from engine.errors import StoreError
from engine.store import OpenMode, open_store, statements
from engine.store.database import Statement
from engine.store.migrate import SCHEMA_VERSION
from tests.support.certificates import Certificates
from tests.support.command import alert_engine
from tests.support.gate import open_gate
from tests.support.handbook import PAGES, table
from tests.support.kafka import Broker
from tests.support.postgresql import (
    SUPERUSER,
    PostgreSQL,
    PostgreSQLUnavailableError,
    is_required,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PASSWORD: Final = "st0re-pa55word"
OWNER, ENGINE, READER = "alerts_owner", "alerts_engine", "alerts_reader"
_PARAMETER: Final = re.compile(r"%\((\w+)\)s")
_GRANT: Final = re.compile(r"GRANT ([A-Z, ]+) ON (?:(SCHEMA|DATABASE) )?([\w, ]+) TO (\w+)")


class Right(NamedTuple):
    """One right on one thing; `kind` is SCHEMA, DATABASE or TABLE."""

    name: str
    kind: str
    on: str
    role: str


class Roles:
    """A database of the server whose roles are as the page makes them."""

    def __init__(self, server: PostgreSQL, orders: Mapping[str, Sequence[str]]) -> None:
        self.server = server
        self.name = "alerts"
        for order in orders["server"]:
            self._run("postgres", order)
        for order in orders["database"]:
            self._run(self.name, order)
        with open_store(self.url(OWNER)):
            pass
        self.rights: list[Right] = []
        for order in orders["rights"]:
            self._run(self.name, order)
            if order.startswith("GRANT"):
                self.rights += rights_of(order)

    def url(self, role: str, host: str = "127.0.0.1", **options: str) -> str:
        """The URL of the database for the role; all have one password."""
        parts = urlsplit(self.server.url(self.name, role))
        netloc = parts.netloc.replace("127.0.0.1", host)
        query = dict(pair.split("=") for pair in parts.query.split("&")) | options
        shown = "&".join(f"{name}={value}" for name, value in query.items())
        return parts._replace(netloc=netloc, query=shown).geturl()

    def revoke(self, right: Right) -> None:
        """Take one right away."""
        self._run(self.name, f"REVOKE {right.name} ON {right.kind} {right.on} FROM {right.role}")

    def grant(self, right: Right) -> None:
        """Give it back."""
        self._run(self.name, f"GRANT {right.name} ON {right.kind} {right.on} TO {right.role}")

    def _run(self, database: str, order: str) -> None:
        with psycopg.connect(self.server.url(database, SUPERUSER), autocommit=True) as opened:
            opened.execute(sql.SQL(order))


def rights_of(order: str) -> list[Right]:
    found = _GRANT.search(order)
    assert found is not None, order
    names, kind, things, role = found.groups()
    return [
        Right(name, kind or "TABLE", thing, role)
        for name in names.split(", ")
        for thing in things.split(", ")
    ]


def page_orders() -> dict[str, list[str]]:
    """The page's statements, with the password of the test."""
    blocks = [each.text for each in PAGES["security.md"].snippets if ";" in each.text]
    made = [re.sub(r"'\w+-password'", f"'{PASSWORD}'", block) for block in blocks]
    lines = [[line for line in block.splitlines() if line] for block in made]
    return {"server": lines[0], "database": lines[1], "rights": lines[2] + lines[3]}


@pytest.fixture(scope="module")
def roles(certificates: Certificates) -> Iterator[Roles]:
    try:
        server = PostgreSQL(password=PASSWORD, certificates=certificates)
    except PostgreSQLUnavailableError as error:
        if is_required():
            raise
        pytest.skip(f"needs PostgreSQL: {error}")
    with server:
        yield Roles(server, page_orders())


def page_rows() -> dict[str, str]:
    return {row[0]: row[1] for row in table(PAGES["security.md"], "PostgreSQL with").rows}


def refusal(url: str, mode: OpenMode = OpenMode.ENGINE) -> str:
    """What opening the store says, which must fail."""
    with pytest.raises(StoreError) as caught, open_store(url, mode):
        pass
    assert PASSWORD not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("case", "options", "words"),
    [
        ("another authority", {"sslrootcert": "{foreign}"}, "correct sslmode and sslrootcert"),
        ("no authority", {"sslrootcert": "/nonexistent.pem"}, "correct sslmode and sslrootcert"),
        ("a host that is not in the certificate", {"host": "localhost"}, "server certificate"),
        ("`sslmode=disable`", {"sslmode": "disable"}, "put ?sslmode=verify-full"),
    ],
)
def test_what_is_not_safe_is_refused_with_the_option_to_correct(
    roles: Roles, tmp_path: Path, case: str, options: dict[str, str], words: str
) -> None:
    assert "`STATE_URL`" in page_rows()[case]
    foreign = Certificates(tmp_path).bundle
    given = {name: value.format(foreign=foreign) for name, value in options.items()}
    assert words in refusal(roles.url(ENGINE, **given))


def test_a_wrong_password_is_refused(roles: Roles) -> None:
    assert "`STATE_PASSWORD`" in page_rows()["wrong password"]
    url = roles.url(ENGINE).replace(PASSWORD, "an0ther")
    told = refusal(url)
    assert "STATE_PASSWORD" in told
    assert "an0ther" not in told


def planned(opened: psycopg.Connection, name: str, statement: Statement) -> None:
    """Let the server check the rights of a statement as it would to run it, without running it."""
    numbers: dict[str, int] = {}
    text = _PARAMETER.sub(
        lambda found: f"${numbers.setdefault(found[1], len(numbers) + 1)}", statement.postgresql
    ).replace("%%", "%")
    opened.execute(f'PREPARE "{name}" AS {text}')
    nulls = ", ".join(["NULL"] * len(numbers))
    arguments = f"({nulls})" if nulls else ""
    opened.execute(f'EXPLAIN EXECUTE "{name}"{arguments}')


def all_statements() -> dict[str, Statement]:
    found = {name: it for name, it in vars(statements).items() if isinstance(it, Statement)}
    assert len(found) > 100
    return found


def test_the_engines_role_may_run_every_statement(roles: Roles) -> None:
    with psycopg.connect(roles.url(ENGINE), autocommit=True) as opened:
        for name, statement in all_statements().items():
            planned(opened, name, statement)


def test_each_right_of_the_engines_role_is_needed(roles: Roles) -> None:
    mine = [each for each in roles.rights if each.role == ENGINE]
    assert len(mine) > 40
    for right in mine:
        roles.revoke(right)
        try:
            told = denied(roles, right) if right.kind == "TABLE" else refusal(roles.url(ENGINE))
            assert "permission denied" in told or "GRANT" in told, (right, told)
        finally:
            roles.grant(right)


def denied(roles: Roles, right: Right) -> str:
    """What the server says to the first statement that needs this right; "" if none does."""
    with psycopg.connect(roles.url(ENGINE), autocommit=True) as opened:
        for name, statement in all_statements().items():
            if right.on not in statement.postgresql:
                continue
            try:
                planned(opened, name, statement)
            except psycopg.errors.InsufficientPrivilege as error:
                return str(error)
    return ""


def test_the_engines_role_may_make_no_table_and_reads_no_other(roles: Roles) -> None:
    with psycopg.connect(roles.url(ENGINE), autocommit=True) as opened:
        for order in (
            "CREATE TABLE mine (a INT)",
            "CREATE SCHEMA mine",
            "CREATE TEMPORARY TABLE mine (a INT)",
            "DROP TABLE alerts",
            "TRUNCATE alerts",
            "ALTER TABLE alerts ADD COLUMN mine INT",
            "UPDATE keys SET value = ''",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                opened.execute(order)


def test_an_engine_that_may_not_migrate_says_who_should(roles: Roles) -> None:
    (row,) = [row for row in page_rows() if "older version" in row]
    assert "store migrate" in page_rows()[row]
    database = roles.server.create_database()
    name = urlsplit(database).path[1:]
    assert "store migrate" in refusal(roles.url(ENGINE).replace("/alerts?", f"/{name}?"))
    order = "UPDATE meta SET value = %s WHERE name = 'schema_version'"
    with psycopg.connect(roles.url(OWNER), autocommit=True) as opened:
        opened.execute(order, (2,))
        try:
            told = refusal(roles.url(ENGINE))
        finally:
            opened.execute(order, (SCHEMA_VERSION,))
    assert "store migrate" in told


def test_the_owner_migrates_by_a_command(roles: Roles, tmp_path: Path) -> None:
    url = roles.server.create_database()
    variables = {"STATE_URL": url.replace(f":{PASSWORD}@", "@"), "STATE_PASSWORD": PASSWORD}
    for _ in range(2):
        done = alert_engine(tmp_path, "store", "migrate", variables=variables)
        assert (done.status, "is ready: its schema version is" in done.stdout) == (0, True)
        assert PASSWORD not in done.output
    with open_store(url, OpenMode.TOOL):
        pass


def test_the_engine_runs_and_tools_read_and_a_lost_right_is_told(
    roles: Roles, broker: Broker, tmp_path: Path
) -> None:
    right = Right("INSERT", "TABLE", "alerts", ENGINE)
    with (
        open_gate(broker, tmp_path, STATE_URL=roles.url(ENGINE)) as gate,
        gate.site.start() as engine,
    ):
        engine.wait_ready()
        gate.await_plates(gate.see(2))
        tools(roles, tmp_path)
        roles.revoke(right)
        try:
            plates = gate.see(1)
            body = engine.wait_for_check("store", "permission denied for table alerts")
            assert "GRANT" in body["checks"]["store"]["detail"]
            engine.wait_for_line("permission denied for table alerts.*GRANT")
        finally:
            roles.grant(right)
        gate.await_plates(plates)
        engine.wait_ready()
        assert engine.stop() == 0
        assert PASSWORD not in engine.output


def tools(roles: Roles, folder: Path) -> None:
    """The reading commands work with the reader's role, and those that write don't."""
    variables = {"STATE_URL": roles.url(READER), "RULES_PATH": str(folder / "rules.yaml")}
    variables["HOOK_URL"] = "http://127.0.0.1:1/"
    for arguments in (
        ("alerts", "list"),
        ("status",),
        ("channels", "list"),
        ("silences", "list"),
        ("dlq", "list"),
    ):
        done = alert_engine(folder, *arguments, variables=variables)
        assert "permission denied" not in done.output, (arguments, done.output)
    order = ("silences", "add", "--plate", "ABC123", "--for", "1h")
    done = alert_engine(folder, *order, variables=variables)
    assert (done.status, "GRANT" in done.stderr) == (2, True), done.output


def test_an_engine_with_a_wrong_authority_ends_with_the_reason(
    roles: Roles, broker: Broker, tmp_path: Path
) -> None:
    foreign = Certificates(tmp_path).bundle
    url = roles.url(ENGINE, sslrootcert=str(foreign))
    with open_gate(broker, tmp_path, STATE_URL=url) as gate, gate.site.start() as engine:
        assert engine.wait() != 0
        assert "correct sslmode and sslrootcert" in engine.output
        assert PASSWORD not in engine.output
