"""Client of the simulated post behind a training or test gateway: forms for insertions, and lists of faults.

Sends JSON lines to the post's socket (simulators/README.md). It imports no simulator: a test compares its
lists with the simulators, and a fault that is not listed can be typed.
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
"""Usual faults by kind of simulator."""


class SimulatorError(Exception):
    """The simulated post does not respond, or refuses a request; the message has the reason."""


@dataclass(frozen=True, slots=True)
class FormField:
    """One field of a form."""

    name: str
    label: str
    options: tuple[str, ...] = ()
    value: str = ""


@dataclass(frozen=True, slots=True)
class InsertForm:
    """Form that inserts something into a simulated device."""

    title: str
    fields: tuple[FormField, ...]


def insert_form(kind: str, say: Translate) -> InsertForm:
    """Return the form for a kind of simulator."""
    if kind in {"serial-mrz", "ocr-scanner"}:
        return InsertForm(say("An invented traveller"), (FormField("format", say("Document"), _DOCUMENTS),))
    if kind in {"modbus-barrier", "serial-relay"}:
        manners = ("waits", "tailgates", "turns-back")
        return InsertForm(say("A vehicle arrives"), (FormField("manner", say("Manner"), manners),))
    if kind in {"uru4000", "nb1010", "zfm", "ws-bd"}:
        return InsertForm(say("An invented finger"), (FormField("finger", say("Number"), value="3"),))
    if kind.startswith("anpr-"):
        return InsertForm(say("A vehicle passes"), (FormField("plate", say("Plate"), value="UT 482 KX"),))
    if kind.startswith("camera-"):
        return InsertForm(say("Scene"), (FormField("people", say("People"), ("1", "2", "0")),))
    return InsertForm(say("An object arrives"), ())


def parse_arguments(typed: str) -> dict[str, Any]:
    """Parse arguments as a user types them: `name=value`, separated by spaces; raises SimulatorError."""
    found: dict[str, Any] = {}
    for pair in typed.split():
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise SimulatorError(f"{pair}: write it as name=value")
        found[name] = parse_literal(value)
    return found


def parse_literal(value: str) -> Any:
    """Return a number, true, false or null if the text is one, else the text."""
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


async def call_simulator(socket: Path, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the response of the simulated post; raises SimulatorError."""
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
        raise SimulatorError(
            "The simulated post does not respond: start it with borderpost simulate"
        ) from error
    if not answer.get("ok"):
        raise SimulatorError(str(answer.get("error", "The simulated post refused the request.")))
    return answer
