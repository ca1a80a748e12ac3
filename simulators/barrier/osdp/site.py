"""A card reader that speaks OSDP, with outputs that operate a barrier: libosdp's peripheral device on a pty.

The protocol, its secure channel included, is libosdp's own; here are the outputs (control codes 0 to 6), the
inputs, the cards, and the log of every frame. libosdp uses its own clock, so this runs in real time only.
Importing this module needs the extra `osdp`.

All inputs are reported when a host connects and when one changes. libosdp 3.2.9 refuses requests for them
(ISTAT, OSTAT, LSTAT): its Python interface loses the report. Its own control panel treats that refusal as a
fault and pauses for 300 s.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import osdp_sys
from osdp import Capability, LogLevel, PDCapabilities, PdId, PDInfo
from osdp.constants import CardFormat, Event, LibFlag, StatusReportType
from osdp.constants import Command as OsdpCommand
from pydantic import Field, field_validator

from simulators.barrier.boards.relays import RelayBank
from simulators.barrier.bus_faults import LostReply, LostRequest, PendingExchanges
from simulators.barrier.faults import BoardsHung, StalledAdapter
from simulators.barrier.host_sessions import HostSessions
from simulators.barrier.mechanics.barrier import MechanicsSettings
from simulators.barrier.osdp.frames import OUT, OsdpFrame, OsdpReader, read_frame
from simulators.barrier.site import BarrierSite, FaultPlan
from simulators.barrier.timeline import Timeline
from simulators.barrier.wirelog import Cause, Effect, FrameFate, WireLog
from simulators.barrier.wiring import WiringSettings
from simulators.faults import Fault, Noise, Unplug
from simulators.links.serial_line import SerialLine

REFRESH_S = 0.02
PLATE = PdId(version=1, model=1, vendor_code=0x4D4953, serial_number=1, firmware_version=1)
"""Identification: its vendor code reads SIM."""
TENTH_S = 0.1
OFF_PERMANENT, ON_PERMANENT = 1, 2
OFF_AFTER_TIMER, ON_AFTER_TIMER = 3, 4
ON_TIMED, OFF_TIMED = 5, 6
"""Control codes of the command OUT: 1 and 2 end a timed state, 3 and 4 let it end first."""


class OsdpSettings(WiringSettings):
    """One reader, its wires, and the barrier behind it."""

    path: Path = Field(description="Path of the serial port: a symlink to the pty.")
    address: int = Field(default=101, ge=0, le=126, description="Its address on the bus.")
    key: str | None = Field(
        default=None,
        pattern=r"^[0-9a-fA-F]{32}$",
        repr=False,
        description="Base key of its secure channel, which is then mandatory; none is set if omitted.",
    )
    relays: int = Field(default=2, ge=1, le=16, description="Number of outputs.")
    contacts_in: int = Field(default=8, ge=0, le=16, description="Number of inputs.")
    mechanics: MechanicsSettings = MechanicsSettings()

    @field_validator("path")
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        if not path.is_absolute():
            raise ValueError(f"{path} is not an absolute path")
        return path


class OsdpBoard:
    """The outputs and inputs of the reader."""

    model: ClassVar[str] = "osdp"

    def __init__(self, settings: OsdpSettings, timeline: Timeline, log: WireLog) -> None:
        self.unit = settings.address
        self.is_powered = True
        self.relays = RelayBank(self.unit, settings.relays, timeline, log)
        self.inputs = settings.contacts_in
        self.sense: Callable[[int], bool] = lambda _channel: False
        self.changed: Callable[[], None] = lambda: None
        """Called when an input has changed; set by the reporting site."""
        self._permanent = [False] * settings.relays

    def on_input_changed(self, channel: int, closed: bool) -> None:  # noqa: ARG002 - it tells them all
        """Handle a circuit at an input that has closed or opened."""
        if self.is_powered:
            self.changed()

    def on_power_lost(self) -> None:
        """Handle a loss of supply."""
        self.is_powered = False
        self._permanent = [False] * len(self.relays)
        self.relays.release(Cause.POWER)

    def on_power_restored(self) -> None:
        """Handle the return of the supply."""
        self.is_powered = True

    def control(self, relay: int, code: int, seconds: float, number: int) -> None:
        """Execute the command OUT."""
        if code in (OFF_PERMANENT, ON_PERMANENT, OFF_AFTER_TIMER, ON_AFTER_TIMER):
            self._permanent[relay] = on = code in (ON_PERMANENT, ON_AFTER_TIMER)
            if code <= ON_PERMANENT or not self.relays.is_pulsing(relay):
                self.relays.set(relay, on, Cause.COMMAND, number)
        elif code in (ON_TIMED, OFF_TIMED):
            self.relays.pulse(
                relay, code == ON_TIMED, seconds, number, afterwards=lambda: self._permanent[relay]
            )


class _Wire:
    """libosdp's channel: its end of the line."""

    id = 0

    def __init__(self, site: "OsdpSite") -> None:
        self.site = site
        self.received = bytearray()

    def read(self, max_bytes: int) -> bytes:
        """Return received bytes."""
        data = bytes(self.received[:max_bytes])
        del self.received[:max_bytes]
        return data

    def write(self, buf: bytes) -> int:
        """Send an answer."""
        self.site.answer(bytes(buf))
        return len(buf)

    def flush(self) -> None:
        """Discard received bytes."""
        self.received.clear()


class OsdpSite(BarrierSite):
    """The barrier and its reader on a pty."""

    def __init__(self, settings: OsdpSettings, timeline: Timeline, log: WireLog) -> None:
        self.board = OsdpBoard(settings, timeline, log)
        super().__init__(settings.mechanics, [(self.board, settings)], timeline, log)
        self.settings = settings
        self.line = SerialLine.open_at(settings.path)
        self.line.on_received = self._received
        self.pending = PendingExchanges()
        self._hung = False
        self._visits = HostSessions(self.line, log)
        self._reader = OsdpReader()
        self._undeciphered: OsdpFrame | None = None
        self._request = 0
        """Number of the request of the next answer."""
        self._answered = True
        """True if that answer arrives."""
        self._key = bytes.fromhex(settings.key) if settings.key else None
        self._wire = _Wire(self)
        self._device: Any = None
        self._online = False

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """See `BarrierSite`."""
        osdp_sys.set_loglevel(LogLevel.Critical)
        self._switch_on()
        self.board.changed = self._report_inputs
        async with self._visits:
            refreshing = asyncio.create_task(self._refresh_regularly())
            try:
                yield
            finally:
                refreshing.cancel()
                await asyncio.gather(refreshing, return_exceptions=True)
                self._device = None

    @property
    def address(self) -> str:
        """See `BarrierSite`."""
        return str(self.settings.path)

    @property
    def secure(self) -> bool:
        """True if its secure channel is established."""
        return self._device is not None and bool(self._device.is_sc_active())

    def present_card(self, data: bytes, bits: int) -> bool:
        """Present a card; return whether it was accepted."""
        card = {
            "event": Event.CardRead,
            "reader_no": 0,
            "direction": 0,
            "format": CardFormat.Wiegand,
            "length": bits,
            "data": data,
        }
        return self._submit(card)

    def plan(self, fault: Fault) -> FaultPlan:
        """See `BarrierSite.plan`; adds the faults of the reader and its line."""
        match fault:
            case LostRequest() | LostReply():
                return FaultPlan(lambda: self.pending.add(fault))
            case BoardsHung():
                return FaultPlan(lambda: self._hang(True), lambda: self._hang(False))
            case StalledAdapter(discards=discards):
                return FaultPlan(lambda: self.line.stall(is_discarding=discards), self.line.end_stall)
            case Unplug():
                return FaultPlan(self._visits.cut, self.line.replug)
            case Noise(data=data):
                return FaultPlan(lambda: self._send(data, FrameFate.DAMAGED, "noise"))
        return super().plan(fault)

    def clear_faults(self) -> None:
        """See `BarrierSite.clear_faults`."""
        self.pending.clear()
        super().clear_faults()

    def on_power_lost(self) -> None:
        """See `BarrierSite`: secure channel and pending reports are lost."""
        self._device = None
        self._wire.received.clear()

    def on_power_restored(self) -> None:
        """See `BarrierSite`."""
        self._switch_on()

    def _switch_on(self) -> None:
        s = self.settings
        info = PDInfo(
            s.address,
            self._wire,
            scbk=self._key,
            id=PLATE,
            flags=[LibFlag.EnforceSecure] if s.key else [],
        )
        capabilities = PDCapabilities(
            [
                (Capability.OutputControl, 4, s.relays),
                (Capability.ContactStatusMonitoring, 1, s.contacts_in),
                (Capability.Readers, 1, 1),
                (Capability.CardDataFormat, 1, 1),
                (Capability.CommunicationSecurity, 1, 1),
            ]
        )
        self._device = osdp_sys.PeripheralDevice(info.get(), capabilities=capabilities.get())
        self._device.set_command_callback(self._execute)

    def _hang(self, hung: bool) -> None:
        self._hung = hung

    # Input.

    def _received(self, data: bytes) -> None:
        self._visits.on_open()
        for frame in self._reader.feed(data):
            self._on_frame(frame)

    def _on_frame(self, frame: OsdpFrame) -> None:
        ours = frame.address == self.settings.address
        alive = ours and not self._hung and self._device is not None
        exchange = self.pending.next(_effect(frame)) if alive else None
        if frame.code is None:
            self._log_request(frame, FrameFate.DAMAGED)
        elif not ours:
            self._log_request(frame, FrameFate.NOT_OURS)
        elif exchange is None or not exchange.is_received:
            self._log_request(frame, FrameFate.NOT_RECEIVED)
        else:
            # The request of an OUT is known only once libosdp has decrypted it, which happens in here.
            self._undeciphered = frame
            self._answered = exchange.is_answered
            self._wire.received += frame.wire
            self._refresh()
            self._log_undeciphered()

    def _log_undeciphered(self, meaning: str | None = None, effect: Effect | None = None) -> None:
        """Log the current frame, unless it is logged already."""
        if self._undeciphered is not None:
            frame, self._undeciphered = self._undeciphered, None
            self._request = self._log_request(frame, FrameFate.RECEIVED, meaning, effect)

    def _log_request(
        self, frame: OsdpFrame, fate: FrameFate, meaning: str | None = None, effect: Effect | None = None
    ) -> int:
        return self.log.frame(
            direction="request",
            fate=fate,
            wire=frame.wire,
            connection=self._visits.number,
            unit=frame.address,
            function=frame.code,
            meaning=meaning or frame.name,
            effect=_effect(frame) if effect is None else effect,
        ).number

    def _execute(self, command: dict[str, Any]) -> tuple[int, dict[str, Any] | None]:
        """Execute a command that libosdp has decrypted; return -1 if it is not supported."""
        match command["command"]:
            case OsdpCommand.Output:
                relay, code = command["output_no"], command["control_code"]
                if relay >= len(self.board.relays):
                    return -1, None
                seconds = command["timer_count"] * TENTH_S
                self._log_undeciphered(*_meaning(relay, code, seconds))
                self.board.control(relay, code, seconds, self._request)
            case OsdpCommand.Keyset:
                self._key = bytes(command["data"])
            case OsdpCommand.Status:
                return -1, None
        return 0, None

    # Output.

    def answer(self, data: bytes) -> None:
        """Send libosdp's answer, unless it is to be lost."""
        self._log_undeciphered()
        self._send(
            data,
            FrameFate.SENT if self._answered else FrameFate.SUPPRESSED,
            read_frame(data).name,
            self._request,
        )

    def _send(self, data: bytes, fate: FrameFate, meaning: str, answers: int | None = None) -> None:
        if fate is not FrameFate.SUPPRESSED:
            if self.line.has_host:
                self.line.call_soon(self.line.send(data))
            else:
                fate = FrameFate.UNDELIVERED
        self.log.frame(
            direction="response",
            fate=fate,
            wire=data,
            connection=self._visits.number,
            unit=self.settings.address,
            meaning=meaning,
            answers=answers,
        )

    def _report_inputs(self) -> None:
        """Report the inputs with the host's next POLL."""
        # Not from within a callback of libosdp, which may have changed the input.
        asyncio.get_running_loop().call_soon(self._submit_inputs)

    def _submit_inputs(self) -> None:
        report = bytes(self.board.sense(channel) for channel in range(self.board.inputs))
        if report:
            self._submit({"event": Event.Status, "type": StatusReportType.Input, "report": report})

    def _submit(self, event: dict[str, Any]) -> bool:
        online = self._device is not None and not self._hung and self._device.is_online()
        return bool(online and self._device.submit_event(event))

    def _refresh(self) -> None:
        if self._device is not None and not self._hung:
            self._device.refresh()
            online = bool(self._device.is_online())
            if online and not self._online:
                self._report_inputs()
            self._online = online

    async def _refresh_regularly(self) -> None:
        while True:
            self._refresh()
            await asyncio.sleep(REFRESH_S)


def _effect(frame: OsdpFrame) -> Effect:
    """Return the effect of a frame as far as it is visible without the key."""
    return Effect.ENERGISE if frame.code == OUT else Effect.NONE


def _meaning(relay: int, code: int, seconds: float) -> tuple[str, Effect]:
    """Return the command OUT in words, and its effect."""
    match code:
        case 1 | 3:
            return f"output {relay} off", Effect.RELEASE
        case 2 | 4:
            return f"output {relay} on", Effect.ENERGISE
        case 5:
            return f"output {relay} on for {seconds:.1f} s", Effect.ENERGISE
        case 6:
            return f"output {relay} off for {seconds:.1f} s", Effect.ENERGISE
    return f"output {relay} left alone", Effect.NONE
