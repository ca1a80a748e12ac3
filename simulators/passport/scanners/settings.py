"""Kind `ocr-scanner`: an area-imaging scanner on a serial line, with travellers."""

from typing import Any, Literal, Self

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from simulators.errors import SimulatorError
from simulators.links.serial_line import SerialLine
from simulators.passport.reader import MrzReader
from simulators.passport.scanners.est100 import Est100
from simulators.passport.scanners.faults import SCANNER_FAULTS, CommandRefused
from simulators.passport.scanners.honeywell import Honeywell
from simulators.passport.scanners.imager import CommandedImager
from simulators.passport.scanners.newland import Newland
from simulators.passport.scanners.rows import RowReader
from simulators.passport.serial_mrz import SerialMrz, SerialMrzSettings
from simulators.passport.text import LineEnd
from simulators.simulator import EmitCallback, Simulator

Model = Literal["honeywell", "newland", "zebra", "code", "est-100pr"]

_ONLY_FOR: dict[str, tuple[Model, ...]] = {
    "line_end": ("honeywell", "newland", "zebra", "code"),
    "last_line_end": ("honeywell", "newland"),
    "serial_number": ("honeywell", "newland"),
    "refuses": ("honeywell", "newland"),
    "row_gap_s": ("zebra", "code"),
    "reads_chips": ("est-100pr",),
    "bcc": (),
    "barcodes": (),
}


class OcrScannerSettings(SerialMrzSettings):
    """One scanner on a serial line."""

    kind: Literal["ocr-scanner"]  # type: ignore[assignment]
    framing: Literal["text"] = "text"
    model: Model
    refuses: tuple[CommandRefused, ...] = Field(default=(), description="Commands that it refuses.")
    row_gap_s: float = Field(default=0.0, ge=0, description="Time between two rows, in seconds.")
    reads_chips: bool = Field(default=True, description="Whether it also sends the chip's data.")

    @model_validator(mode="after")
    def _options_suit_the_framing(self) -> Self:
        for option, models in _ONLY_FOR.items():
            if option in self.model_fields_set and self.model not in models:
                raise ValueError(f"{option} is for {' or '.join(models) or 'no scanner'}, not {self.model}")
        if self.every_s is not None and self.jitter_s >= self.every_s:
            raise ValueError("jitter_s must be less than every_s")
        return self

    def summary(self) -> dict[str, Any]:
        """Return name, kind, model and path."""
        return {"name": self.name, "kind": self.kind, "model": self.model, "path": str(self.path)}

    def build(self) -> Simulator:
        """Build the scanner and its travellers."""
        return OcrScanner(self)

    def build_reader(self, line: SerialLine) -> MrzReader:
        """Build the scanner alone."""
        suffix = self._suffix()
        match self.model:
            case "honeywell":
                return Honeywell(
                    line, line_end=self.line_end, suffix=suffix, serial_number=self.serial_number
                )
            case "newland":
                return Newland(line, line_end=self.line_end, suffix=suffix, serial_number=self.serial_number)
            case "zebra" | "code":
                ends = self.line_end if "line_end" in self.model_fields_set else LineEnd.CRLF
                return RowReader(line, line_end=ends, row_gap_s=self.row_gap_s)
            case "est-100pr":
                return Est100(line, reads_chips=self.reads_chips)

    def _suffix(self) -> bytes | None:
        """Return the terminator: none for Honeywell, as seen, unless the post's file sets one."""
        ended = self.last_line_end if "last_line_end" in self.model_fields_set else self.model != "honeywell"
        return None if ended else b""


class OcrScanner(SerialMrz):
    """A scanner, its travellers and its faults."""

    def __init__(self, settings: OcrScannerSettings) -> None:
        super().__init__(settings)
        self._refuses = settings.refuses

    async def run(self, emit: EmitCallback) -> None:
        """Run until cancelled."""
        for refusal in self._refuses:
            await self.reader.inject(refusal)
        await super().run(emit)

    @property
    def faults_adapter(self) -> TypeAdapter[Any]:
        """See `Simulator.faults_adapter`."""
        return SCANNER_FAULTS

    async def clear_faults(self) -> None:
        """See `Simulator.clear_faults`; commands that it refuses by its settings stay refused."""
        await super().clear_faults()
        if isinstance(self.reader, CommandedImager):
            self.reader.refused.clear()
        for refusal in self._refuses:
            await self.reader.inject(refusal)

    async def reset(self) -> None:
        """See `Simulator.reset`."""
        await super().reset()
        await self.clear_faults()

    async def _fault(self, fault: str, args: dict[str, Any] | None = None) -> dict[str, Any]:
        if fault != "refuse":
            return await super()._fault(fault, args)
        if not isinstance(self.reader, CommandedImager):
            raise SimulatorError("fault refuse: this scanner takes no commands")
        try:
            injected = CommandRefused.model_validate(args or {})
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            raise SimulatorError(f"fault refuse: {first['loc'][0]}: {first['msg']}") from None
        self._emit("fault", {"fault": injected.fault})
        await self.reader.inject(injected)
        return {}
