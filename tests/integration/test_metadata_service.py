"""No alert reaches a cloud's metadata service, by whatever name: a real one, and real names."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from tests.support.cloud import METADATA, SECRET, can_unshare, command
from tests.support.handbook import PAGES, ROOT, table

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

HOST = "receiver.example.org"
V4, V6 = METADATA
OK, REFUSED = "ok", "link_local"


@pytest.fixture(scope="module", autouse=True)
def namespaces() -> None:
    if not can_unshare():
        pytest.skip("this user may make no namespaces (unshare -rmn)")


def sent(entry: object, addresses: str) -> dict[str, Any]:
    order = command(json.dumps(entry), f"{HOST}={addresses}")
    done = subprocess.run(order, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    ("case", "addresses", "reasons"),
    [
        ("a name that leads to 169.254.169.254", V4, [REFUSED] * 3),
        ("a name that leads to fd00:ec2::254", V6, [REFUSED] * 3),
        ("a name that leads to ::ffff:169.254.169.254", f"::ffff:{V4}", [REFUSED] * 3),
        (
            "a name that leads elsewhere at each look-up",
            f"127.0.0.1,{V4},127.0.0.1",
            [OK, REFUSED, OK],
        ),
        ("a name that leads to loopback", "127.0.0.1", [OK] * 3),
    ],
)
@pytest.mark.parametrize("scheme", ["http", "json"])
def test_what_a_name_leads_to_is_checked_where_it_is_connected_to(
    scheme: str, case: str, addresses: str, reasons: list[str]
) -> None:
    rows = {row[0]: row[1] for row in table(PAGES["security.md"], "A receiver at").rows}
    assert (REFUSED in rows[case]) is (REFUSED in reasons)
    found = sent(f"{scheme}://{HOST}/x", addresses)
    assert [reason for reason, _ in found["outcomes"]] == reasons
    # Nothing was asked beyond what was taken, and each try looked the name up once.
    assert len(found["asked"]) == reasons.count(OK)
    assert len(found["names"]) == 3
    assert SECRET not in json.dumps([each for each in found["outcomes"] if each[0] == REFUSED])


def test_a_channel_may_allow_it() -> None:
    entry = {"url": f"http://{V4}/alerts", "allow_link_local": True}
    found = sent(entry, "127.0.0.1")
    assert [reason for reason, _ in found["outcomes"]] == [OK] * 3
    assert len(found["asked"]) == 3
