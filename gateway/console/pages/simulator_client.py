"""The simulated post behind a training or test gateway: what can be inserted and what can go wrong there.

Speaks to the post's own socket, JSON lines (simulators/README.md). It imports nothing of the simulators: what
it offers by name is checked against them by a test, and what it does not offer can be typed.
"""

import asyncio
import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.console.web.i18n import Translate

ANSWER_WITHIN_S = 10.0

_DOCUMENTS = ("TD3", "TD1", "TD2", "MRV-A", "MRV-B")
_LINE = ("unplug", "silence", "noise", "no-document", "garbage", "cut", "dribble", "wrong-digit")
_BARRIER = ("broken-wire", "both-limits", "stuck-boom", "fire", "key-switch", "mend")
_FINGERS = ("dirty-sensor", "stuck-finger", "unplug")
FAULTS: dict[str, tuple[str, ...]] = {
    "serial-mrz": _LINE,
    "ocr-scanner": ("unplug", "silence", "noise", "garbage", "cut", "dribble"),
    "modbus-barrier": ("lost-reply", "late-reply", "wrong-crc", "silence", *_BARRIER),
    "serial-relay": _BARRIER,
    "uru4000": _FINGERS,
    "nb1010": _FINGERS,
}
"""By kind, what usually goes wrong."""


class SimulatorError(Exception):
    """The simulated post does not answer, or refuses; a sentence."""


@dataclass(frozen=True, slots=True)
class FormField:
    """One thing that a form asks for."""

    name: str
    label: str
    options: tuple[str, ...] = ()
    value: str = ""


@dataclass(frozen=True, slots=True)
class InsertForm:
    """How something comes to a simulated device."""

    title: str
    fields: tuple[FormField, ...]


def insert_form(kind: str, say: Translate) -> InsertForm:
    """What can be presented to a simulator of that kind."""
    if kind in {"serial-mrz", "ocr-scanner"}:
        return InsertForm(
            say("A traveller who does not exist"), (FormField("format", say("Document"), _DOCUMENTS),)
        )
    if kind in {"modbus-barrier", "serial-relay"}:
        manners = ("waits", "tailgates", "turns-back")
        return InsertForm(say("A vehicle comes"), (FormField("manner", say("Manner"), manners),))
    if kind in {"uru4000", "nb1010", "zfm", "ws-bd"}:
        return InsertForm(say("A finger that is nobody's"), (FormField("finger", say("Number"), value="3"),))
    if kind.startswith("anpr-"):
        return InsertForm(say("A vehicle passes"), (FormField("plate", say("Plate"), value="UT 482 KX"),))
    if kind.startswith("camera-"):
        return InsertForm(say("What it sees"), (FormField("people", say("People"), ("1", "2", "0")),))
    return InsertForm(say("Something comes"), ())


def parse_arguments(typed: str) -> dict[str, Any]:
    """Arguments as somebody types them: `name=value` with spaces between; raises PanelError."""
    found: dict[str, Any] = {}
    for pair in typed.split():
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise SimulatorError(f"{pair}: write it as name=value")
        found[name] = parse_literal(value)
    return found


def parse_literal(value: str) -> Any:
    """A number, true, false or null where it reads as one, else the text."""
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


async def call_simulator(socket: Path, request: Mapping[str, Any]) -> dict[str, Any]:
    """What the simulated post answers; raises PanelError."""
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            reader, writer = await asyncio.open_unix_connection(socket)
            try:
                writer.write(json.dumps(request).encode() + b"\n")
                line = await reader.readline()
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
        answer: dict[str, Any] = json.loads(line)
    except (OSError, TimeoutError, ValueError) as error:
        raise SimulatorError("The simulated post does not answer: is it running?") from error
    if not answer.get("ok"):
        raise SimulatorError(str(answer.get("error", "The simulated post refuses.")))
    return answer
