"""An editor without a screen: a real LSP client, which starts `alert-engine lsp`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from lsprotocol import types
from pygls.lsp.client import LanguageClient

from tests.support.command import NO_VARIABLES
from tests.support.engine_process import COMMAND
from tests.support.handbook import ROOT

LONGEST_SECONDS: Final = 30.0
TEST_COMMAND: Final = "alert-engine.test"


class Editor:
    """An editor that has opened a folder; an async context. Positions count from 0."""

    def __init__(self, folder: Path, variables: Mapping[str, str] = NO_VARIABLES) -> None:
        self.folder: Final = folder
        self.messages: list[str] = []
        self.refreshed = 0
        self._variables = variables
        self._diagnostics: dict[str, types.PublishDiagnosticsParams] = {}
        self._changed = asyncio.Event()
        self._versions: dict[str, int] = {}
        self._client = LanguageClient("test-editor", "1")
        feature = self._client.feature
        feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)(partial(self._take_diagnostics))
        feature(types.WINDOW_SHOW_MESSAGE)(partial(self._take_message))
        feature(types.WORKSPACE_CODE_LENS_REFRESH)(partial(self._take_refresh))

    def _take_diagnostics(self, params: types.PublishDiagnosticsParams) -> None:
        self._diagnostics[params.uri] = params
        self._changed.set()

    def _take_message(self, params: types.ShowMessageParams) -> None:
        self.messages.append(params.message)
        self._changed.set()

    def _take_refresh(self, _: None) -> None:
        self.refreshed += 1
        self._changed.set()

    async def __aenter__(self) -> Editor:
        environment = {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "SCHEMAS_PATH": str(ROOT / "schemas"),
            **self._variables,
        }
        await self._client.start_io(str(COMMAND), "lsp", cwd="/", env=environment)
        refreshing = types.CodeLensWorkspaceClientCapabilities(refresh_support=True)
        await self._client.initialize_async(
            types.InitializeParams(
                capabilities=types.ClientCapabilities(
                    workspace=types.WorkspaceClientCapabilities(code_lens=refreshing)
                ),
                root_uri=self.folder.as_uri(),
            )
        )
        self._client.initialized(types.InitializedParams())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._client.shutdown_async(None)
        self._client.exit(None)
        stop: Callable[[], Awaitable[None]] = self._client.stop
        await stop()

    def uri(self, name: str) -> str:
        """The URI of a file of the folder."""
        return (self.folder / name).as_uri()

    def open(self, name: str, text: str | None = None) -> None:
        """Open a document; without a text that of the file."""
        shown = (self.folder / name).read_text(encoding="utf-8") if text is None else text
        self._versions[name] = 1
        document = types.TextDocumentItem(self.uri(name), "yaml", 1, shown)
        self._client.text_document_did_open(types.DidOpenTextDocumentParams(document))

    def type(self, name: str, text: str) -> None:
        """Change a document's whole text."""
        self._versions[name] += 1
        self._client.text_document_did_change(
            types.DidChangeTextDocumentParams(
                types.VersionedTextDocumentIdentifier(
                    uri=self.uri(name), version=self._versions[name]
                ),
                [types.TextDocumentContentChangeWholeDocument(text)],
            )
        )

    def close(self, name: str) -> None:
        """Close a document without saving it."""
        document = types.TextDocumentIdentifier(self.uri(name))
        self._client.text_document_did_close(types.DidCloseTextDocumentParams(document))

    async def findings(self, name: str) -> list[types.Diagnostic]:
        """What the server finds in the latest version of an open document."""
        uri, version = self.uri(name), self._versions.get(name)

        def is_there() -> bool:
            found = self._diagnostics.get(uri)
            return found is not None and found.version == version

        await self.wait_until(is_there)
        return list(self._diagnostics[uri].diagnostics)

    async def wait_until(self, is_there: Callable[[], bool]) -> None:
        """Wait until something that the server sends makes it true."""
        async with asyncio.timeout(LONGEST_SECONDS):
            while not is_there():
                self._changed.clear()
                await self._changed.wait()

    async def complete(self, name: str, line: int, character: int) -> list[str]:
        """The labels of what may stand at a position."""
        document = types.TextDocumentIdentifier(self.uri(name))
        params = types.CompletionParams(document, types.Position(line, character))
        found = await self._client.text_document_completion_async(params)
        items = found.items if isinstance(found, types.CompletionList) else found or []
        return [item.label for item in items]

    async def hover(self, name: str, line: int, character: int) -> str:
        """What the server says of the word at a position."""
        document = types.TextDocumentIdentifier(self.uri(name))
        params = types.HoverParams(document, types.Position(line, character))
        found = await self._client.text_document_hover_async(params)
        if found is None:
            return ""
        assert isinstance(found.contents, types.MarkupContent)
        return found.contents.value

    async def lenses(self, name: str) -> list[tuple[int, str, list[Any]]]:
        """Line, title and the arguments of the command of each lens."""
        params = types.CodeLensParams(types.TextDocumentIdentifier(self.uri(name)))
        found = await self._client.text_document_code_lens_async(params)
        commands = [(lens.range.start.line, lens.command) for lens in found or []]
        assert all(each is not None and each.command == TEST_COMMAND for _, each in commands)
        return [(line, each.title, list(each.arguments or [])) for line, each in commands if each]

    async def run(self, arguments: list[Any]) -> Mapping[str, Any]:
        """Run the command of a lens."""
        params = types.ExecuteCommandParams(TEST_COMMAND, arguments)
        found = await self._client.workspace_execute_command_async(params)
        assert isinstance(found, Mapping) or hasattr(found, "passed"), found
        return found if isinstance(found, Mapping) else vars(found)
