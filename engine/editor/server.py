"""The language server: speaks the Language Server Protocol with one editor, over two streams."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

from lsprotocol import types
from pygls.lsp.server import LanguageServer
from pygls.uris import from_fs_path, to_fs_path

from engine.editor.completion import complete
from engine.editor.hover import explain
from engine.editor.lenses import TestPlace, test_places
from engine.editor.text import Text
from engine.editor.workspace import Checked, Workspace, is_rules
from engine.errors import AlertEngineError, Fault, RulesError, Severity
from engine.settings import Settings
from engine.simulate.rule_tests import RuleTestResult

TEST_COMMAND: Final = "alert-engine.test"
#: A check begins so long after the last change.
QUIET_SECONDS: Final = 0.2
_SOURCE: Final = "alert-engine"
_SEVERITIES: Final = {
    Severity.ERROR: types.DiagnosticSeverity.Error,
    Severity.WARNING: types.DiagnosticSeverity.Warning,
}
#: What makes an editor ask for completions without a key of its own.
_TRIGGERS: Final = [".", ":", " ", '"', "{", "[", "-"]

_Results = dict[tuple[str, str, int], RuleTestResult]
"""The results of tests by the document's path, the rule's id and the test's number, from 0."""


def serve(paths: Sequence[Path], version: str, reading: BinaryIO, writing: BinaryIO) -> None:
    """Serve one editor until it ends; `paths` are the rules, those of the settings unless given.

    Relative paths begin at the folder that the editor has opened.
    """
    _Session(paths, version).server.start_io(reading, writing)


class _Session:
    """One editor: its open documents, and what is shown of them."""

    def __init__(self, paths: Sequence[Path], version: str) -> None:
        self._paths = paths
        self._workspace: Workspace | None = None
        self._documents: dict[str, types.TextDocumentItem] = {}
        self._checked = Checked(frozenset(), {}, {})
        self._shown: set[str] = set()
        self._results: _Results = {}
        self._pending: asyncio.TimerHandle | None = None
        self._busy = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        # Whole texts: an editor and the engine count lines by different ends of lines.
        full = types.TextDocumentSyncKind.Full
        self.server = LanguageServer("alert-engine", version, text_document_sync_kind=full)
        self._register()

    def _register(self) -> None:
        feature = self.server.feature
        # In `partial`, for the library sets attributes of what it calls.
        feature(types.INITIALIZED)(partial(self.start))
        feature(types.TEXT_DOCUMENT_DID_OPEN)(partial(self.open))
        feature(types.TEXT_DOCUMENT_DID_CHANGE)(partial(self.change))
        feature(types.TEXT_DOCUMENT_DID_SAVE)(partial(self.save))
        feature(types.TEXT_DOCUMENT_DID_CLOSE)(partial(self.close))
        options = types.CompletionOptions(trigger_characters=_TRIGGERS)
        feature(types.TEXT_DOCUMENT_COMPLETION, options)(partial(self.complete))
        feature(types.TEXT_DOCUMENT_HOVER)(partial(self.hover))
        feature(types.TEXT_DOCUMENT_CODE_LENS)(partial(self.lenses))
        self.server.command(TEST_COMMAND)(partial(self.test))

    def start(self, _: types.InitializedParams) -> None:
        """Read the settings and the event schema, in the folder that the editor has opened."""
        root = self.server.workspace.root_path
        try:
            if root is not None:
                os.chdir(root)
            self._workspace = Workspace(Settings.from_environment(), self._paths)
        except (AlertEngineError, OSError) as error:
            self._say(types.MessageType.Error, f"alert-engine: {error}")

    def open(self, params: types.DidOpenTextDocumentParams) -> None:
        """Take over the text of a document."""
        document = params.text_document
        if (path := _path(document.uri)) is not None:
            self._documents[path] = document
            self._check_soon()

    def change(self, params: types.DidChangeTextDocumentParams) -> None:
        """Take over the changed text; results of its tests are those of an older text now."""
        path = _path(params.text_document.uri)
        document = self._documents.get(path or "")
        if path is None or document is None or not params.content_changes:
            return
        document.text = params.content_changes[-1].text
        document.version = params.text_document.version
        self._results = {key: each for key, each in self._results.items() if key[0] != path}
        self._check_soon()

    def save(self, _: types.DidSaveTextDocumentParams) -> None:
        """Check again: a list may have been saved."""
        self._check_soon()

    def close(self, params: types.DidCloseTextDocumentParams) -> None:
        """Go back to the content of the file."""
        self._documents.pop(_path(params.text_document.uri) or "", None)
        self._check_soon()

    def complete(self, params: types.CompletionParams) -> list[types.CompletionItem]:
        """What may stand at a position."""
        text = self._text(params.text_document.uri)
        if text is None or self._workspace is None:
            return []
        schema = self._workspace.schema
        return complete(text, text.offset(params.position), schema, self._checked.names)

    def hover(self, params: types.HoverParams) -> types.Hover | None:
        """What stands at a position."""
        text = self._text(params.text_document.uri)
        if text is None or self._workspace is None:
            return None
        return explain(text, text.offset(params.position), self._workspace.schema)

    def lenses(self, params: types.CodeLensParams) -> list[types.CodeLens]:
        """The lenses by which tests are run, with the results of the last runs."""
        uri, text = params.text_document.uri, self._text(params.text_document.uri)
        if text is None:
            return []
        path = _path(uri) or ""
        return [
            types.CodeLens(
                text.line_range(each.place),
                types.Command(
                    self._title(path, each),
                    TEST_COMMAND,
                    arguments=[uri, each.rule_id, each.number],
                ),
            )
            for each in test_places(text)
        ]

    async def test(self, uri: str, rule_id: str, number: int | None) -> Mapping[str, object]:
        """Run the tests of a rule, or one of them; show and return which failed, and why."""
        path, workspace = _path(uri), self._workspace
        if path is None or workspace is None:
            return {"passed": 0, "failed": []}
        opened = self._opened()
        async with self._busy:
            try:
                results = await asyncio.to_thread(
                    workspace.run_tests, path, rule_id, number, opened
                )
            except RulesError as error:
                what = f"{rule_id or Path(path).name}: the rules can't be loaded: {error.errors[0]}"
                self._say(types.MessageType.Error, what)
                return {"passed": 0, "failed": [{"test": "", "problem": what}]}
        bad = [result for result in results if not result.is_passed]
        passed = len(results) - len(bad)
        what = f"{rule_id or Path(path).name}: {passed} passed, {len(bad)} failed"
        what += "".join(f"\n{result.test.name}: {result.problem}" for result in bad)
        self._say(types.MessageType.Warning if bad else types.MessageType.Info, what)
        if opened == self._opened():
            first = number or 0
            self._results |= {
                (path, rule_id, first + index): result for index, result in enumerate(results)
            }
            self._publish()
            self._refresh_lenses()
        failures = [{"test": result.test.name, "problem": result.problem} for result in bad]
        return {"passed": passed, "failed": failures}

    def _check_soon(self) -> None:
        if self._pending is not None:
            self._pending.cancel()
        self._pending = asyncio.get_running_loop().call_later(QUIET_SECONDS, self._start_check)

    def _start_check(self) -> None:
        task = asyncio.get_running_loop().create_task(self._check())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _check(self) -> None:
        """Check, and show what was found unless the texts have changed meanwhile."""
        if self._workspace is None:
            return
        async with self._busy:
            opened = self._opened()
            checked = await asyncio.to_thread(self._workspace.check, opened)
        if opened == self._opened():
            self._checked = checked
            self._publish()

    def _publish(self) -> None:
        """Show the faults of every file, and clear those of files that have none any more."""
        failures: dict[str, list[types.Diagnostic]] = {}
        for (path, _, _), result in self._results.items():
            if not result.is_passed:
                failures.setdefault(path, []).append(self._failure(path, result))
        found = {*self._checked.faults, *failures, *self._documents}
        for path in sorted(found | self._shown):
            faults = self._checked.faults.get(path, ())
            text = self._text_at(path)
            document = self._documents.get(path)
            shown = [_diagnostic(fault, text) for fault in faults] + failures.get(path, [])
            self.server.text_document_publish_diagnostics(
                types.PublishDiagnosticsParams(
                    document.uri if document is not None else str(from_fs_path(path)),
                    shown,
                    version=document.version if document is not None else None,
                )
            )
        self._shown = {*self._checked.faults, *failures}

    def _failure(self, path: str, result: RuleTestResult) -> types.Diagnostic:
        what = f"{result.test.name}: {result.problem}"
        text = self._text_at(path)
        return types.Diagnostic(
            text.line_range(result.test.place),
            what,
            severity=types.DiagnosticSeverity.Error,
            code="test-failed",
            source=_SOURCE,
        )

    def _title(self, path: str, each: TestPlace) -> str:
        numbers = range(each.count) if each.number is None else [each.number]
        results = [self._results.get((path, each.rule_id, number)) for number in numbers]
        action = f"run {each.count} tests" if each.count > 1 else "run test"
        if None in results:
            return action
        bad = [result for result in results if result is not None and not result.is_passed]
        if each.number is None:
            return f"{len(results) - len(bad)} passed, {len(bad)} failed · {action}"
        return f"failed: {bad[0].problem} · {action}" if bad else f"passed · {action}"

    def _refresh_lenses(self) -> None:
        workspace = self.server.client_capabilities.workspace
        lens = workspace.code_lens if workspace is not None else None
        if lens is not None and lens.refresh_support:
            self.server.workspace_code_lens_refresh(None)

    def _opened(self) -> dict[str, str]:
        return {path: document.text for path, document in self._documents.items()}

    def _text(self, uri: str) -> Text | None:
        """The text of an open document; None where that is no rule file."""
        path = _path(uri) or ""
        document = self._documents.get(path)
        if document is None or not (path in self._checked.files or is_rules(document.text)):
            return None
        return Text(path, document.text)

    def _text_at(self, path: str) -> Text:
        """The text of an open document, else of the file."""
        document = self._documents.get(path)
        if document is not None:
            return Text(path, document.text)
        try:
            return Text(path, Path(path).read_text(encoding="utf-8", errors="replace"))
        except OSError:
            return Text(path, "")

    def _say(self, kind: types.MessageType, what: str) -> None:
        self.server.window_show_message(types.ShowMessageParams(kind, what))


def _diagnostic(fault: Fault, text: Text) -> types.Diagnostic:
    what = f"{fault.what}, {fault.remedy}" if fault.remedy else fault.what
    return types.Diagnostic(
        text.marked(fault.place),
        what,
        severity=_SEVERITIES[fault.severity],
        code=fault.code,
        source=_SOURCE,
    )


def _path(uri: str) -> str | None:
    """The real path of a document; None where it is none of a file."""
    path = to_fs_path(uri)
    return os.path.realpath(path) if path is not None else None
