"""The `alert-engine` command: parses arguments, calls the other packages, writes their answers.

No decision about rules, alerts or deliveries is made here. Each command is one file of its name;
read `main.py` first.
"""

from __future__ import annotations

from engine.cli.main import main

__all__ = ["main"]
