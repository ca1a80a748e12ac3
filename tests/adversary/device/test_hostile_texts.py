"""Texts of devices with escape sequences, line ends and marks of direction, at every sink."""

import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import structlog
from rich.table import Table
from rich.text import Text

from gateway.cli._lib import api_client, terminal
from gateway.common import log
from gateway.common.printable import printable, printable_json
from gateway.console.web.jinja import environment
from gateway.diagnostics.bundle import _printable

HOSTILE = {
    "clear screen": "\x1b[2J\x1b[H",
    "title": "\x1b]0;owned\x07",
    "8-bit escape": "\x9b2J",
    "row": "A1\nlane-9/reader online",
    "overwritten row": "A1\rlane-9/reader online",
    "line separator": "A1\u2028lane-9/reader online",
    "right to left": "A1\u202edrac",
    "isolate": "A1\u2066x\u2069",
    "nul": "A\x001",
    "surrogate": "A\udcff",
    "zero width": "A\u200b1",
}
FORBIDDEN = {character for text in HOSTILE.values() for character in text if not character.isprintable()}
hostile = pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)


def assert_harmless(written: str, *, lines: int = 1) -> None:
    assert not FORBIDDEN - {"\n"} & set(written)
    assert written.count("\n") <= lines


@hostile
def test_escaped_text_is_harmless(text: str) -> None:
    assert_harmless(printable(text), lines=0)
    assert printable(printable(text)) == printable(text)
    assert_harmless(
        json.dumps(printable_json({text: [text, {"x": text}], "n": 1}), ensure_ascii=False), lines=0
    )


def written_to(console: terminal.TerminalConsole, monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    written = io.StringIO()
    monkeypatch.setattr(console, "_file", written)  # setting `file` would keep this test's standard output
    return written


@hostile
def test_terminal_is_not_controlled(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    written = written_to(terminal.console, monkeypatch)
    terminal.print_line(Text.assemble("lane-1/reader ", (text, "bold")))
    assert_harmless(written.getvalue())


@hostile
def test_table_is_not_controlled(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table("device", "serial")
    table.add_row("lane-1/reader", text)
    written = written_to(terminal.console, monkeypatch)
    terminal.console.print(table)
    assert not FORBIDDEN - {"\n"} & set(written.getvalue())


@hostile
def test_error_is_harmless(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    written = written_to(terminal.errors, monkeypatch)
    with pytest.raises(SystemExit):
        terminal.exit_with(f"No response: {text}.")
    assert not FORBIDDEN - {"\n"} & set(written.getvalue())


@hostile
def test_api_answers_are_harmless(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def answered(*_: Any) -> Iterator[io.BytesIO]:
        yield io.BytesIO(json.dumps([{"identity": {"serial_number": text}, text: 1}]).encode())

    monkeypatch.setattr(api_client, "_answer", answered)
    monkeypatch.setattr(api_client, "ApiConnection", lambda folder, within_s: folder)
    assert_harmless(json.dumps(api_client.ask(api_client.Path(), "devices"), ensure_ascii=False), lines=0)


@hostile
@pytest.mark.parametrize("is_terminal", [True, False])
def test_log_stays_one_line(text: str, is_terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    written.isatty = lambda: is_terminal  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", written)
    monkeypatch.setenv("NO_COLOR", "1")
    log.configure("info")
    try:
        structlog.get_logger().warning("device_identified", serial_number=text, model=text, text=text)
    finally:
        structlog.reset_defaults()
    said = written.getvalue()
    colours = said.replace("\x1b[0m", "").replace("\x1b[", "") if is_terminal else said
    assert not FORBIDDEN - {"\n", "\x1b"} & set(colours)
    assert said.count("\n") == 1
    assert text not in said


@hostile
def test_page_is_harmless(text: str) -> None:
    page = environment("en").from_string("<td>{{ serial }}</td>").render(serial=text)
    assert not FORBIDDEN - {"\n"} & set(page)


@hostile
def test_bundle_is_harmless(text: str) -> None:
    content = json.dumps({"serial_number": text}, ensure_ascii=False).encode("utf-8", "surrogatepass")
    written = _printable(content).decode()
    assert not FORBIDDEN - {"\n"} & set(written)
    assert json.loads(written)
