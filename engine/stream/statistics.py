"""What librdkafka's statistics tell of the brokers and of the lag."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from engine.stream.offsets import Partition

# Connected and past the handshake.
_UP: Final = ("UP", "UPDATE")


@dataclass(frozen=True, slots=True)
class Statistics:
    """One report. `lag` counts what can be read after the committed offset, where that is known."""

    is_up: bool
    lag: Mapping[Partition, int]

    @classmethod
    def read(cls, text: str) -> Statistics:
        """Read the JSON of librdkafka's `stats_cb` (its STATISTICS.md names the fields)."""
        report = json.loads(text)
        lag = {
            (topic["topic"], each["partition"]): behind
            for topic in report["topics"].values()
            for each in topic["partitions"].values()
            if each["partition"] >= 0 and (behind := _behind(each)) is not None
        }
        return cls(any(broker["state"] in _UP for broker in report["brokers"].values()), lag)


def _behind(partition: Mapping[str, Any]) -> int | None:
    # Negative offsets mean "not known" (-1001), so nothing was committed, or nothing was asked yet.
    # Behind the last stable offset lie transactions under way, which can't be read yet.
    end = max(partition.get("ls_offset", -1), -1)
    end = end if end >= 0 else partition["hi_offset"]
    committed = partition["committed_offset"]
    start = committed if committed >= 0 else partition["lo_offset"]
    if end == 0:
        return 0
    return max(0, end - start) if end > 0 and start >= 0 else None
