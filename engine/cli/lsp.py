"""`alert-engine lsp`: the language server for editors of rule files."""

from __future__ import annotations

import argparse
import sys
from importlib.metadata import version
from typing import Final

from engine.cli.inputs import add_paths
from engine.cli.main import DISTRIBUTION
from engine.errors import extra

_WHAT: Final = "alert-engine lsp"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `lsp`."""
    parser.description = (
        "Speaks the Language Server Protocol on standard input and output. An editor starts it."
        " Relative paths begin at the folder that the editor has opened."
    )
    add_paths(parser)
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Serve one editor until it ends."""
    with extra("editor", "pygls", _WHAT), extra("editor", "lsprotocol", _WHAT):
        from engine.editor.server import serve
    writing = sys.stdout.buffer
    # Whatever else is printed would not be the protocol's.
    sys.stdout = sys.stderr
    serve(arguments.paths, version(DISTRIBUTION), sys.stdin.buffer, writing)
    return 0
