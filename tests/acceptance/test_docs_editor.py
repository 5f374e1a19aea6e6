"""The page about editors says what editors have to start, and it is what the tests start."""

from __future__ import annotations

import json
import re
import shlex

from tests.support.handbook import PAGES

PAGE = PAGES["editor.md"]
COMMAND = ["alert-engine", "lsp"]


def test_vs_code_starts_the_language_server() -> None:
    (settings,) = [each for each in PAGE.snippets if each.language == "json"]
    found = json.loads(settings.text)
    words = [found["glspc.server.command"], *found["glspc.server.commandArguments"]]
    assert (words, found["glspc.server.languageId"]) == (COMMAND, ["yaml"])


def test_neovim_starts_the_language_server() -> None:
    (settings,) = [each for each in PAGE.snippets if each.language == "lua"]
    (words,) = re.findall(r"cmd = \{ (.*) \}", settings.text)
    assert shlex.split(words.replace(",", " ")) == COMMAND
    assert re.search(r"filetypes = \{ 'yaml' \}", settings.text)
