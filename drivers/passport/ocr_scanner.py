"""Area-imaging scanners that read the machine readable zone and send it over a serial line.

One driver for the family. Vendors differ in the setup commands (`scanners/honeywell.py`, `newland.py`) and in
the certainty that rows belong together (`rows.py`, `row_pairing.py`); one model sends JSON (`est100.py`).
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from drivers.driver import BadFrame, Driver, Family, Identity, Status
from drivers.links.factory import LinkFactory
from drivers.links.framing import DamagedFrame, Frame, Framing, frames
from drivers.links.link import LinkError
from drivers.links.serial import SerialSettings
from drivers.observation import Observation
from drivers.passport.chip_reading import (
    CHIP_OBSERVATION_TYPES,
    ChipSettings,
    add_chip_reads,
    open_chip_reader,
)
from drivers.passport.observations import DocumentRead, ReadFailed, ReadTrigger
from drivers.passport.read_result import (
    decode_text,
    document_read,
    not_a_document_frame,
    parse_mrz,
    read_failed,
    split_lines,
)
from drivers.passport.scanners import est100, honeywell, newland
from drivers.passport.scanners.honeywell import HoneywellCommandSet
from drivers.passport.scanners.newland import NewlandCommandSet
from drivers.passport.scanners.row_pairing import RowPairing
from drivers.passport.scanners.rows import CommandReply, RowFraming
from drivers.passport.scanners.setup import ACK, CommandExchange, CommandSet, configure, refused_error
from drivers.passport.serial_format.format_check import FormatCheck, FormatVerdict, format_status
from drivers.passport.specimen import specimen_steps
from drivers.self_test import SelfTestContext, SelfTestLevel, SelfTestStep

_DEFAULTS: dict[str, dict[str, Any]] = {
    "est-100pr": {"baud": est100.BAUD, "parity": est100.PARITY},
    "zebra": {"gap_s": 0.5},
    "code": {"gap_s": 0.5},
}
_COMMANDED_MODELS = ("honeywell", "newland")


class OcrScannerSettings(SerialSettings):
    """Settings of one scanner."""

    model: Literal["honeywell", "newland", "zebra", "code", "est-100pr"] = Field(
        description="Vendor of the scanner.", examples=["honeywell"]
    )
    trigger: Literal["presentation", "command"] = Field(
        default="presentation",
        description="presentation: the scanner scans continuously; command: the gateway triggers each scan"
        " (honeywell and newland).",
        examples=["presentation"],
    )
    scan_timeout_s: float = Field(
        default=1.0,
        gt=0,
        le=30,
        description="Only trigger = command: duration of one scan before the next is triggered, in seconds.",
        examples=[1.0],
    )
    setup: tuple[str, ...] | None = Field(
        default=None,
        description="Commands sent when the port is opened, instead of the driver's commands for the model"
        " (honeywell and newland).",
        examples=[["OCRENA1", "OCRATS2"]],
    )
    response_timeout_s: float = Field(
        default=0.5,
        gt=0,
        le=5,
        description="Timeout for the answer to a command, in seconds.",
        examples=[0.5],
    )
    gap_s: float = Field(
        default=0.15,
        gt=0,
        le=0.5,
        description="Silence after which a document is complete or given up, in seconds."
        " Zebra and code, whose rows come one by one: 0.5 unless stated.",
        examples=[0.15],
    )
    same_document_s: float = Field(
        default=2.0,
        ge=0,
        le=60,
        description="Time within which a repeated read is taken as the same document and not "
        "published again, in seconds.",
        examples=[2.0],
    )

    chip: ChipSettings | None = Field(
        default=None, description="The slot that reads the chips of these documents, where there is one."
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_model_defaults(cls, given: Any) -> Any:
        """Fill in the defaults that differ between models."""
        if not isinstance(given, dict) or not isinstance(model := given.get("model"), str):
            return given
        return _DEFAULTS.get(model, {}) | given

    @model_validator(mode="after")
    def _check_command_settings(self) -> Self:
        if self.model not in _COMMANDED_MODELS and (self.trigger == "command" or self.setup):
            raise ValueError(f"no command is known for {self.model}: leave out `trigger` and `setup`")
        for command in self.setup or ():
            if not (command.isascii() and command.isalnum() and 6 <= len(command) <= 32):
                raise ValueError("setup: a command is its six-character name and its value, such as OCRENA1")
        if self.trigger == "command" and 0 < self.same_document_s <= self.scan_timeout_s:
            raise ValueError(
                "same_document_s must be longer than scan_timeout_s: "
                "every scan reads the document that is still there"
            )
        return self


class OcrScanner(Driver[OcrScannerSettings]):
    """An area-imaging scanner on a serial line."""

    family = Family.PASSPORT_READER
    settings_model = OcrScannerSettings
    observation_types: ClassVar[tuple[type[Observation], ...]] = (
        DocumentRead,
        ReadFailed,
        *CHIP_OBSERVATION_TYPES,
    )
    anonymizer = "drivers.anonymize.ocr_scanner:ocr_scanner"
    self_test_levels = (SelfTestLevel.INTERACTIVE,)

    def __init__(self, settings: OcrScannerSettings, links: LinkFactory) -> None:
        super().__init__(settings, links)
        framing = self._framing()
        # A scanner with commands answers them, or is not opened.
        is_passive = settings.model not in _COMMANDED_MODELS
        is_read = est100.is_message if settings.model == "est-100pr" else None
        self.framing: Framing = FormatCheck(framing, None, is_read=is_read) if is_passive else framing
        self._messages = est100.Est100Messages()
        self._trigger_commands: CommandSet | None = None
        """Commands of the scanner, once it is set up for triggers from the gateway."""
        self._last: tuple[tuple[str, ...], float] = ((), 0.0)

    async def open(self) -> Identity:
        """Open the port, identify the scanner and set it up; raises LinkError when it refuses a command."""
        self.chips = await open_chip_reader(self.settings.chip, self.links)
        self.link = await self.links.serial(self.settings)
        identity = None
        if (command_set := self._command_set()) is not None:
            exchange = CommandExchange(self.link, command_set, self.settings.response_timeout_s)
            identity = await command_set.identity(exchange)
            await configure(exchange, self._setup(command_set))
            if self.settings.trigger == "command":
                self._trigger_commands = command_set
        usb = self.link.usb
        return identity or Identity(
            model=(usb and usb.product) or f"{self.settings.model} scanner",
            manufacturer=usb and usb.manufacturer,
            serial_number=usb and usb.serial_number,
        )

    async def close(self) -> None:
        """Stop a scan that the gateway triggered."""
        if self._trigger_commands is not None:
            with contextlib.suppress(LinkError):
                await self.link.write(self._trigger_commands.release)

    def _command_set(self) -> CommandSet | None:
        match self.settings.model:
            case "honeywell":
                return HoneywellCommandSet()
            case "newland":
                return NewlandCommandSet()
            case _:
                return None

    def _setup(self, command_set: CommandSet) -> tuple[str, ...]:
        """Return the commands to send: the technician's, or those of the model and its trigger."""
        if self.settings.setup is not None:
            return self.settings.setup
        return command_set.setup + (
            command_set.presentation_setup
            if self.settings.trigger == "presentation"
            else command_set.triggered_setup
        )

    def _framing(self) -> Framing:
        match self.settings.model:
            case "honeywell":
                return RowFraming(honeywell.ANSWERS)
            case "newland":
                return RowFraming(newland.ANSWERS)
            case "zebra" | "code":
                return RowPairing()
            case "est-100pr":
                return est100.Est100Framing()

    def self_test(self, trial: SelfTestContext) -> AsyncGenerator[SelfTestStep]:
        """Read a specimen; see `specimen`."""
        return specimen_steps(trial)

    def watch(self) -> AsyncIterator[Observation | BadFrame | Status]:
        """Yield a read, or a failed one, for every frame; with a chip slot, a transaction for every read."""
        return self._reads() if self.chips is None else add_chip_reads(self._reads(), self.chips)

    async def _reads(self) -> AsyncIterator[Observation | BadFrame | Status]:
        looking = asyncio.create_task(self._trigger_repeatedly())
        try:
            async with contextlib.aclosing(frames(self.link, self.framing, self.settings.gap_s)) as received:
                async for frame in received:
                    for observation in self._parse_frame(frame):
                        if not (isinstance(observation, DocumentRead) and self._is_repeated(observation)):
                            yield observation
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)

    async def _trigger_repeatedly(self) -> None:
        """Trigger one scan after the other: each ends with a read, or with the scanner's own time limit."""
        if (command_set := self._trigger_commands) is None:
            return
        while True:
            if not self.framing.has_pending:  # a scan that has found something is not interrupted
                await self.link.write(command_set.release + command_set.trigger)
            await asyncio.sleep(self.settings.scan_timeout_s)

    def _parse_frame(self, frame: Frame) -> Iterator[Observation | BadFrame | Status]:
        """Convert one frame into observations."""
        match frame:
            case FormatVerdict():
                yield format_status(frame, f'model = "{self.settings.model}"')
            case CommandReply(answer, _):
                if answer[-1:] != ACK and (command := self._known_command(decode_text(answer[:6]))):
                    raise refused_error(command, answer[-1:])
            case DamagedFrame():
                self._messages.clear()
                yield read_failed(frame)
            case _ if self.settings.model == "est-100pr":
                yield from self._messages.parse_message(frame)
            case _:
                yield self._read(frame.payload, frame.wire)

    def _known_command(self, name: str) -> str | None:
        """Return the name of a command that this driver sends; None for any other text.

        On a bad line, other text can look like an answer. It is not published: it may be part of a document.
        """
        if (command_set := self._command_set()) is None:
            return None
        given = (*self._setup(command_set), *command_set.trigger_names)
        return name if any(command.startswith(name) for command in given) else None

    def _read(self, text: bytes, wire: bytes) -> Observation:
        """Convert the rows of one document into an observation."""
        lines = split_lines(decode_text(text))
        mrz = parse_mrz(lines)
        if mrz is None:
            return not_a_document_frame(wire)
        return document_read(
            lines, mrz, ReadTrigger.POLL if self.settings.trigger == "command" else ReadTrigger.INSERT, wire
        )

    def _is_repeated(self, read: DocumentRead) -> bool:
        """Return true when this document was published a moment ago.

        A scanner reads it again while it lies there.
        """
        now = asyncio.get_running_loop().time()
        lines, seen = self._last
        self._last = read.lines, now
        return read.lines == lines and now - seen < self.settings.same_document_s
