"""`python -m tests.chaos`: one run as the environment has it; `make chaos` calls it.

CHAOS_FAULTS (40), CHAOS_STORE (sqlite; postgresql), CHAOS_REPLICAS (1), CHAOS_SEED (a random one),
CHAOS_ONLY (all): a regular expression that is found in the names of the faults that are to strike.
Standard output gets one line of JSON; the exit status is 1 when a promise was broken.
"""

from __future__ import annotations

import logging
import os
import random
import shutil
import sys
import tempfile
from pathlib import Path

from tests.chaos.run import Plan, run
from tests.chaos.scene import Store

DETAILS = 20


def main() -> int:
    """If a run finds something, it is on standard error, and logs and the SQLite file stay."""
    plan = Plan(
        store=Store(os.environ.get("CHAOS_STORE") or Store.SQLITE),
        replicas=int(os.environ.get("CHAOS_REPLICAS") or 1),
        faults=int(os.environ.get("CHAOS_FAULTS") or 40),
        seed=int(os.environ.get("CHAOS_SEED") or random.randrange(1 << 32)),
        only=os.environ.get("CHAOS_ONLY") or "",
    )
    # The mail server speaks of every client that is cut off.
    logging.getLogger("mail").setLevel(logging.CRITICAL + 1)
    print(
        f"CHAOS_SEED={plan.seed} CHAOS_STORE={plan.store} CHAOS_REPLICAS={plan.replicas}",
        flush=True,
    )
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    print(f"the engines' logs: {folder}", file=sys.stderr)
    report = run(plan, folder)
    print(report.as_json())
    if not report.is_good:
        found = report.judgement
        for line in [*found.lost, *found.too_near, *found.invented][:DETAILS]:
            print(line, file=sys.stderr)
        for line in report.traces[:DETAILS]:
            print(line, file=sys.stderr)
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
