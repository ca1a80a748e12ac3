"""Kind `serial-mrz`: a passport reader on a serial line, or in HID mode, with travellers."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, TypeAdapter, ValidationError, field_validator, model_validator

from simulators.cast.presented import PresentedDocuments, drawn_truth
from simulators.errors import SimulatorError
from simulators.faults import FAULTS, AnyFault, fault_of
from simulators.links.serial_line import SerialLine
from simulators.mrz import Document, Format, format_of
from simulators.passport.accessis import AccessIs
from simulators.passport.barcodes import BarcodeKind, BarcodeSettings
from simulators.passport.elyctis import Elyctis, Nameplate
from simulators.passport.hid import IDENTITIES, HidFormat, HidReader
from simulators.passport.reader import MrzReader, lines_of
from simulators.passport.rte import Rte
from simulators.passport.text import LineEnd, Text
from simulators.simulator import EmitCallback, ScheduledFault, Simulator, SimulatorSettings
from simulators.travellers import EVEN_MIX, TravellerGenerator

if TYPE_CHECKING:  # loaded for barcodes only
    from simulators.passport.seals import AnySealFault, SealFault
    from simulators.passport.seals.authority import BarcodeAuthority

Framing = Literal["text", "accessis", "elyctis", "rte", "hid-pos", "hid-accessis"]

_ONLY_FOR: dict[str, tuple[Framing, ...]] = {
    "line_end": ("text", "elyctis"),
    "last_line_end": ("text",),
    "bcc": ("rte",),
    "serial_number": ("elyctis", "hid-pos", "hid-accessis"),
    "barcodes": ("accessis",),
}


class TimedFault(ScheduledFault[AnyFault]):
    """A scheduled fault of a reader."""


class SerialMrzSettings(SimulatorSettings):
    """One reader on a serial line."""

    kind: Literal["serial-mrz"]
    framing: Framing
    path: Path = Field(description="Path of the port: a symlink to the pty.")
    documents: dict[Format, float] = Field(
        default=EVEN_MIX, min_length=1, description="Weight of each format."
    )
    every_s: float | None = Field(
        default=None, gt=0, description="Seconds between two documents; only by command if omitted."
    )
    jitter_s: float = Field(default=0.0, ge=0, description="Maximum deviation from every_s, in seconds.")
    first_s: float = Field(
        default=0.5, ge=0, description="Seconds until the first one after a host has opened the line."
    )
    dwell_s: float = Field(
        default=1.0, gt=0, description="Time that a document stays in the reader, in seconds."
    )
    faults: tuple[TimedFault, ...] = ()

    line_end: LineEnd = Field(
        default=LineEnd.CR, description="Separator between two lines; elyctis: cr or crlf."
    )
    last_line_end: bool = Field(default=True, description="Whether the last line has one too.")
    bcc: Literal["xor", "none"] = "xor"
    serial_number: str = Field(default="SIM0001", pattern=r"^[!-~]{1,32}$")
    barcodes: BarcodeSettings | None = Field(default=None, description="Barcodes that travellers show.")

    @field_validator("documents")
    @classmethod
    def _weights_are_usable(cls, mix: dict[Format, float]) -> dict[Format, float]:
        if any(weight < 0 for weight in mix.values()) or not sum(mix.values()):
            raise ValueError("weights must not be negative, and at least one must be above 0")
        return mix

    @field_validator("path")
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        if not path.is_absolute():
            raise ValueError(f"{path} is not an absolute path")
        return path

    @model_validator(mode="after")
    def _options_suit_the_framing(self) -> Self:
        for option, framings in _ONLY_FOR.items():
            if option in self.model_fields_set and self.framing not in framings:
                raise ValueError(f"{option} is for framing {' or '.join(framings)}, not {self.framing}")
        if self.framing == "elyctis" and self.line_end not in (LineEnd.CR, LineEnd.CRLF):
            raise ValueError("line_end of framing elyctis is cr or crlf")
        if self.every_s is not None and self.jitter_s >= self.every_s:
            raise ValueError("jitter_s must be less than every_s")
        return self

    @property
    def addresses(self) -> tuple[str, ...]:
        """Path of the reader's port."""
        return (str(self.path),)

    def summary(self) -> dict[str, Any]:
        """Return name, kind, framing and path."""
        return super().summary() | {"framing": self.framing, "path": str(self.path)}

    def build(self) -> Simulator:
        """Build the reader and its travellers."""
        return SerialMrz(self)

    def build_reader(self, line: SerialLine) -> MrzReader:
        """Build the reader alone."""
        match self.framing:
            case "text":
                suffix = None if self.last_line_end else b""
                return Text(line, line_end=self.line_end, suffix=suffix)
            case "accessis":
                return AccessIs(line)
            case "rte":
                return Rte(line, bcc=self.bcc)
            case "elyctis":
                ends: Literal["cr", "crlf"] = "crlf" if self.line_end is LineEnd.CRLF else "cr"
                return Elyctis(line, nameplate=Nameplate(self.serial_number), line_end=ends)
            case "hid-pos" | "hid-accessis":
                hid_format = HidFormat(self.framing.removeprefix("hid-"))
                identity = replace(IDENTITIES[hid_format], serial_number=self.serial_number)
                return HidReader(line, hid_format, identity)


class SerialMrz(Simulator):
    """A reader, its travellers and its faults."""

    def __init__(self, settings: SerialMrzSettings) -> None:
        self.settings = settings
        # Its files are written before a host can open the line, because it loads them then.
        self._authority = None if settings.barcodes is None else _authority(settings.barcodes)
        self.line = SerialLine.open_at(settings.path)
        self.reader = settings.build_reader(self.line)
        self.travellers = TravellerGenerator(settings.seed, mix=settings.documents)
        self.presented = PresentedDocuments()
        self._lying_there: object | None = None
        self._emit: EmitCallback = lambda _event, _details: None

    async def run(self, emit: EmitCallback) -> None:
        """Run until cancelled."""
        self._emit = emit
        async with self.line, asyncio.TaskGroup() as tasks:
            emit("ready", self.settings.summary())
            tasks.create_task(self._watch_the_host())
            if self.settings.every_s is not None:
                tasks.create_task(self._arrivals(self.settings.every_s))
            for timed in self.settings.faults:
                tasks.create_task(self._run_scheduled_fault(timed))

    async def handle_command(self, verb: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """See `Simulator.handle_command`.

        `insert`: a `member` of the cast; or `format` and `fields` of a Document, or raw `lines`; with
        `barcode`, the holder of the document shows a barcode of that kind, with the fault `seal_fault`.
        `truth`: about the `last` presentations. `fault`: its name and `args`.
        """
        match verb:
            case "insert":
                return await self._insert(**arguments)
            case "fault":
                return await self._fault(**arguments)
            case "truth":
                return {"presented": self.presented.last(arguments.get("last", 1))}
            case "status":
                return self._status()
        raise SimulatorError(
            f"{self.settings.kind} does not support {verb!r}: use insert, fault, truth or status"
        )

    @property
    def faults_adapter(self) -> TypeAdapter[Any]:
        """See `Simulator.faults_adapter`."""
        return FAULTS

    async def clear_faults(self) -> None:
        """See `Simulator.clear_faults`."""
        self.reader.clear_faults()

    async def reset(self) -> None:
        """See `Simulator.reset`: also discards a read that is not sent yet."""
        self._lying_there = None
        self.presented.clear()
        self.reader.reset()

    async def _insert(
        self,
        format: str | None = None,  # noqa: A002 - Doc 9303's word
        fields: Mapping[str, Any] | None = None,
        lines: list[str] | None = None,
        barcode: str | None = None,
        seal_fault: Mapping[str, Any] | None = None,
        member: str | None = None,
    ) -> dict[str, Any]:
        if member is not None:
            if format is not None or fields or lines is not None or barcode or seal_fault:
                raise SimulatorError("insert: a member of the cast has its document: omit all else")
            return await self._insert_member(member)
        try:
            kind = None if barcode is None else BarcodeKind(barcode)
            if kind is not None and (self._authority is None or lines is not None):
                raise ValueError("barcode: needs `barcodes` in the post's file, and no lines")
            fault = None if seal_fault is None else _seal_fault(seal_fault)
            document: Document | tuple[str, ...]
            if lines is not None:
                if format is not None or fields:
                    raise ValueError("lines are used unchanged: omit format and fields")
                document = tuple(lines)
                "".join(document).encode("ascii")
            else:
                document = self.travellers.document(Format(format) if format else None, **(fields or {}))
        except (ValueError, TypeError) as error:
            raise SimulatorError(f"insert: {error}") from None
        self.presented.note(drawn_truth(None if lines is not None else True))
        received = await self._present(document)
        if kind is not None and isinstance(document, Document):
            await self._scan(kind, document, fault)
        self.line.call_soon(self._remove_later())
        return {"heard": received, "lines": list(lines_of(document))}

    async def _insert_member(self, name: str) -> dict[str, Any]:
        from simulators.cast.members import member_of  # loads chips

        member = member_of(name)
        made = member.presentation()
        lines = made.lines
        if not lines:
            raise SimulatorError(f"insert: {name} has no zone that this reader could read")
        truth = self.presented.note(member)
        received = await self._present(lines)
        if made.barcode is not None and self._authority is not None:
            await self._scan(BarcodeKind(made.barcode.kind), made.document, made.barcode.fault)
        self.line.call_soon(self._remove_later())
        return {"heard": received, "lines": list(lines), "truth": truth}

    async def _fault(self, fault: str, args: dict[str, Any] | None = None) -> dict[str, Any]:
        try:
            injected = fault_of(fault, args)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"][1:])
            raise SimulatorError(f"fault {fault}: {where + ': ' if where else ''}{first['msg']}") from None
        await self._inject(injected)
        return {}

    def _status(self) -> dict[str, Any]:
        counters = self.reader.counters
        return self.settings.summary() | {
            "plugged": self.line.is_plugged,
            "host_connected": self.line.has_host,
            "documents_presented": counters.documents_presented,
            "documents_sent": counters.documents_sent,
            "faults": counters.faults,
            "faults_pending": len(self.reader.faults),
        }

    async def _present(self, document: Document | tuple[str, ...]) -> bool:
        self._lying_there = document
        received = await self.reader.present(document)
        kind = document.format if isinstance(document, Document) else format_of(document)
        self._emit("document", {"format": str(kind) if kind else "other", "heard": received})
        return received

    async def _scan(self, kind: BarcodeKind, document: Document, fault: "SealFault | None" = None) -> None:
        """Scan a barcode of the holder of a document."""
        assert self._authority is not None
        assert self.settings.barcodes is not None
        assert isinstance(self.reader, AccessIs)
        text = self._authority.issue(kind, document, fault)
        if fault is not None:  # it may need another certificate, or revoke one
            _write_files(self._authority, self.settings.barcodes)
        received = await self.reader.scan_barcode(text)
        self._emit("barcode", {"kind": kind, "heard": received})

    async def _remove_later(self) -> None:
        """Remove the document after its dwell time, unless another has replaced it by then."""
        document = self._lying_there
        await asyncio.sleep(self.settings.dwell_s)
        if self._lying_there is document:
            self.reader.remove()

    async def _inject(self, fault: AnyFault) -> None:
        self._emit("fault", {"fault": fault.fault})
        await self.reader.inject(fault)

    async def _watch_the_host(self) -> None:
        while True:
            await self.line.wait_for_host()
            self._emit("host", {"connected": True})
            await self.line.wait_for_host_close()
            self._emit("host", {"connected": False})

    async def _arrivals(self, every_s: float) -> None:
        """Present travellers while a host listens; continue when it returns."""
        chance, barcodes = Random(f"{self.settings.seed}/arrivals"), Random(f"{self.settings.seed}/barcodes")
        while True:
            if not self.line.has_host:
                await self.line.wait_for_host()
                await asyncio.sleep(self.settings.first_s)
                continue
            pause = every_s + chance.uniform(-1, 1) * self.settings.jitter_s
            document = self.travellers.document()
            self.presented.note(drawn_truth(True))
            await self._present(document)
            if self.settings.barcodes is not None and (kind := self.settings.barcodes.draw(barcodes)):
                await self._scan(kind, document)
            self.line.call_soon(self._remove_later())
            await asyncio.sleep(pause)

    async def _run_scheduled_fault(self, timed: TimedFault) -> None:
        await self.line.wait_for_host()
        await asyncio.sleep(timed.at_s)
        await self._inject(timed.fault)
        while timed.every_s is not None:
            await asyncio.sleep(timed.every_s)
            await self._inject(timed.fault)


def _authority(settings: BarcodeSettings) -> "BarcodeAuthority":
    """Create the authority that signs the barcodes, with its files; raises SimulatorError."""
    from simulators.passport.seals.authority import BarcodeAuthority

    authority = BarcodeAuthority()
    _write_files(authority, settings)
    return authority


def _write_files(authority: "BarcodeAuthority", settings: BarcodeSettings) -> None:
    try:
        authority.write(settings.authority_dir, settings.list_age_days)
    except OSError as error:
        raise SimulatorError(f"authority_dir: {error.filename}: {error.strerror}") from error


def _seal_fault(arguments: Mapping[str, Any]) -> "AnySealFault":
    """Return the fault of a barcode; raises ValueError."""
    from simulators.passport.seals import AnySealFault

    return TypeAdapter[AnySealFault](AnySealFault).validate_python(arguments)
