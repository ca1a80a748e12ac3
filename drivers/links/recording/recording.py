"""Recordings of device bytes: one text file, readable and editable by a person.

    # borderpost recording 2
    # driver: mrz-serial
    # wire: serial
    # settings: {"framing": "accessis"}
    # identity: {"model": "OCR315e"}
    # gateway: 0.4.0
    # provenance: simulated
    # people: synthetic
    # begins: at open
    0.000 out 80                 host to device, in hexadecimal
    0.310 in  1c 02 50 3c        device to host

Times are seconds since the start; text after the bytes and two spaces is a remark. A transfer on USB is one
line at its begin and one at its end (Linux, `Documentation/usb/usbmon.rst`): its number, kind and endpoint,
then the request, or its result (`ok` or the name of an errno) and the transferred length:

    0.020000 submit   8 control 80 1 setup c0 04 07 00 00 00 01 00
    0.021000 complete 8 control 80 ok 1 data 81

`people` states if the people in it are `synthetic`, `anonymized` or `real`; a recording of real people never
leaves the post. `provenance` begins with `live`, `simulated` or `replayed` where a gateway made the
recording, else it names the origin. `begins` is `at open`, or `midway` where the driver was open already. A
device that does nothing without a command has one more line, `# asked: capture {"position": "left_thumb"}`:
its command. Recordings of version 1 have chunks only, and their headers neither wire, identity nor gateway.
"""

import errno
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, Self, cast, get_args

from drivers.links.link import Direction
from drivers.links.recording.usb_trace import Transfer, TransferType

HEADER_LINES = ("# borderpost recording 1", "# borderpost recording 2")
Wire = Literal[
    "serial", "tcp", "keyboard", "hidraw", "modbus-tcp", "http", "http-listener", "smart-card", "usb", "other"
]
People = Literal["synthetic", "anonymized", "real"]
Begins = Literal["at open", "midway"]
_HEX = r"[0-9a-f]{2}(?: [0-9a-f]{2})*"
_AT = r"(?P<at>[0-9]{1,9}\.[0-9]{1,9})"
"""Numbers are limited to the length that capture files can hold."""
_CHUNK = re.compile(rf"{_AT} (?P<direction>in |out) (?P<hex>{_HEX})(?:  .*)?")
_TRANSFER = re.compile(
    rf"{_AT} (?P<stage>submit|complete) +(?P<id>[0-9]{{1,19}}) (?P<kind>[a-z]+) (?P<endpoint>[0-9a-f]{{2}})"
    r"(?: (?P<status>ok|E[A-Z0-9]+))? (?P<length>[0-9]{1,9})"
    rf"(?: setup (?P<setup>[0-9a-f]{{2}}(?: [0-9a-f]{{2}}){{7}}))?(?: data (?P<data>{_HEX}))?(?:  .*)?"
)


class RecordingError(ValueError):
    """Invalid recording; the message names the line and the fault."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes that crossed the link together."""

    at_s: float
    direction: Direction
    data: bytes


Entry = Chunk | Transfer
"""An entry; the time of a transfer counts from the start of the recording."""


@dataclass
class Recording:
    """Device bytes, with the driver and settings that they were recorded with."""

    driver: str
    settings: dict[str, Any]
    provenance: str
    people: People = "real"
    entries: list[Entry] = field(default_factory=list)
    wire: Wire = "serial"
    identity: dict[str, Any] = field(default_factory=dict)
    """Identity of the device, as returned by its driver."""
    gateway: str = ""
    """Version of the gateway that made it."""
    begins: Begins = "at open"
    commands: tuple[str, dict[str, Any]] | None = None
    """Command that the device executed after open: verb and arguments."""

    @property
    def chunks(self) -> list[Chunk]:
        """Entries other than USB transfers."""
        return [entry for entry in self.entries if isinstance(entry, Chunk)]

    @property
    def transfers(self) -> list[Transfer]:
        """USB transfers."""
        return [entry for entry in self.entries if isinstance(entry, Transfer)]

    def to_text(self) -> str:
        """Return the file's content."""
        return "\n".join((HEADER_LINES[-1], *self._head(), *map(format_entry, self.entries), ""))

    def _head(self) -> Iterator[str]:
        yield f"# driver: {self.driver}"
        yield f"# wire: {self.wire}"
        yield f"# settings: {json.dumps(self.settings)}"
        if self.identity:
            yield f"# identity: {json.dumps(self.identity)}"
        if self.gateway:
            yield f"# gateway: {self.gateway}"
        yield f"# provenance: {self.provenance}"
        yield f"# people: {self.people}"
        yield f"# begins: {self.begins}"
        if self.commands is not None:
            yield f"# asked: {self.commands[0]} {json.dumps(self.commands[1])}"

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Parse a file's content; raises RecordingError."""
        lines = text.splitlines()
        if not lines or lines[0].rstrip() not in HEADER_LINES:
            raise RecordingError(f"line 1: a recording begins with {HEADER_LINES[-1]!r}")
        facts: dict[str, str] = {}
        entries = list(_entries(lines, facts))
        try:
            return cls(
                driver=facts["driver"],
                settings=_object(facts["settings"]),
                provenance=facts["provenance"],
                people=cast("People", _word("people", facts["people"], get_args(People))),
                wire=cast("Wire", _word("wire", facts.get("wire", "serial"), get_args(Wire))),
                identity=_object(facts.get("identity", "{}")),
                gateway=facts.get("gateway", ""),
                begins=cast("Begins", _word("begins", facts.get("begins", "at open"), get_args(Begins))),
                commands=_asked(facts.get("asked")),
                entries=entries,
            )
        except KeyError as missing:
            raise RecordingError(f"the header has no line `# {missing.args[0]}: ...`") from missing


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise RecordingError("settings, identity or command of the header are not a JSON object")
    return value


def _word(name: str, word: str, known: Iterable[str]) -> str:
    if word not in known:
        raise RecordingError(f"the header's `# {name}:` is none of {', '.join(known)}")
    return word


def _asked(line: str | None) -> tuple[str, dict[str, Any]] | None:
    if line is None:
        return None
    verb, _, request = line.partition(" ")
    return verb, _object(request)


def _entries(lines: list[str], facts: dict[str, str]) -> Iterator[Entry]:
    """Yield the entries of a file and collect its header lines."""
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        if line.startswith("#"):
            name, _, value = line[1:].partition(":")
            facts[name.strip()] = value.strip()
        else:
            yield _entry(number, line.rstrip())


def _entry(number: int, line: str) -> Entry:
    if (found := _CHUNK.fullmatch(line)) is not None:
        direction = cast("Direction", found["direction"].strip())
        return Chunk(float(found["at"]), direction, bytes.fromhex(found["hex"]))
    found = _TRANSFER.fullmatch(line)
    if found is None:
        raise RecordingError(f"line {number}: neither `seconds in|out bytes in hexadecimal` nor a transfer")
    try:
        return _transfer(found)
    except (KeyError, AttributeError):
        raise RecordingError(f"line {number}: unknown kind of transfer, or unknown errno") from None


def _transfer(found: re.Match[str]) -> Transfer:
    status = found["status"] or "ok"
    return Transfer(
        id=int(found["id"]),
        stage=cast('Literal["submit", "complete"]', found["stage"]),
        kind=TransferType[found["kind"].upper()],
        endpoint=int(found["endpoint"], 16),
        bus=1,
        device=1,
        at_ns=round(float(found["at"]) * 1e9),
        status=0 if status == "ok" else -int(getattr(errno, status)),
        length=int(found["length"]),
        setup=bytes.fromhex(found["setup"] or ""),
        data=bytes.fromhex(found["data"] or ""),
    )


def format_entry(entry: Entry) -> str:
    """Format an entry as its line."""
    if isinstance(entry, Chunk):
        return f"{entry.at_s:.3f} {entry.direction:<3} {entry.data.hex(' ')}"
    kind = entry.kind.name.lower()
    line = f"{entry.at_ns / 1e9:.6f} {entry.stage:<8} {entry.id} {kind} {entry.endpoint:02x}"
    if entry.stage == "complete":
        line += f" {'ok' if entry.status == 0 else errno.errorcode.get(-entry.status, 'EIO')}"
    line += f" {entry.length}"
    if entry.setup:
        line += f" setup {entry.setup.hex(' ')}"
    return f"{line} data {entry.data.hex(' ')}" if entry.data else line
