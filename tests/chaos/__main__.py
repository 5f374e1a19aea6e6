"""`python -m tests.chaos`: one run as the environment has it; `make chaos` calls it.

CHAOS_FAULTS (40), CHAOS_STORE (sqlite; postgresql), CHAOS_REPLICAS (1), CHAOS_SEED (a random one).
Standard output gets one line of JSON; the exit status is 1 when a promise was broken.
"""

from __future__ import annotations

import logging
import os
import random
import sys
import tempfile
from pathlib import Path

from tests.chaos.run import Plan, run
from tests.chaos.scene import Store

DETAILS = 20


def main() -> int:
    """One run; what it found is on standard error, and the engines' logs are kept."""
    plan = Plan(
        store=Store(os.environ.get("CHAOS_STORE") or Store.SQLITE),
        replicas=int(os.environ.get("CHAOS_REPLICAS") or 1),
        faults=int(os.environ.get("CHAOS_FAULTS") or 40),
        seed=int(os.environ.get("CHAOS_SEED") or random.randrange(1 << 32)),
    )
    # The mail server speaks of every client that is cut off.
    logging.getLogger("mail").setLevel(logging.CRITICAL + 1)
    print(
        f"CHAOS_SEED={plan.seed} CHAOS_STORE={plan.store} CHAOS_REPLICAS={plan.replicas}",
        flush=True,
    )
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        report = run(plan, Path(folder))
        print(report.as_json())
        if report.is_good:
            return 0
        found = report.judgement
        for line in [*found.lost, *found.too_near, *found.invented][:DETAILS]:
            print(line, file=sys.stderr)
        kept = Path(tempfile.mkdtemp(prefix="chaos-logs-"))
        for log in Path(folder).glob("engine-*.log"):
            log.rename(kept / log.name)
        print(f"the engines' logs are in {kept}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
