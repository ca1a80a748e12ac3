"""Card readers and their outputs over OSDP (IEC 60839-11-5): the driver `osdp`, one reader on a line.

libosdp implements the protocol. An output is switched only with the reader's own timer, by one frame and in
time. Cards that the reader stored while it was not polled are dropped: their age is unknown.

A serial adapter that stalls may keep a frame that this host has discarded, and deliver it seconds after the
command was answered as failed. Nothing can take it back, so an output must not move a door or boom by itself.
"""

import asyncio
import contextlib
import math
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING, Any, ClassVar

from drivers.access.commands import TENTH_S, PulseOutput, PulseOutputResult
from drivers.access.observations import UNKNOWN_STATUS, CardFormat, CardRead, ReaderStatus
from drivers.access.osdp.frames import describe_osdp
from drivers.access.osdp.settings import OsdpSettings, read_key
from drivers.access.self_test import card_steps, reader_steps
from drivers.command import CommandRefusal, Invocation, RefusalReason, command
from drivers.driver import BadFrame, Driver, Family, Identity, StateCode, Status
from drivers.links.link import Action, Cause, LinkError, NotInstalledError
from drivers.observation import Observation
from drivers.self_test import SelfTestContext, SelfTestLevel, SelfTestStep

if TYPE_CHECKING:
    from drivers.access.osdp.panel import ControlPanel

ROUNDING = 1e-6
"""Error of a division of decimal fractions: 0.3 s are three tenths."""
TICK_S = 0.02
"""Interval of calls to libosdp without received bytes, in seconds; it requires 0.05 at most."""
CARD, STATUS = 1, 4
"""Kinds of libosdp's events: osdp_event_type."""
INPUTS, OUTPUTS, LOCAL = 0, 1, 2
"""Kinds of status: osdp_status_report_type."""
FORMATS = {0: CardFormat.RAW, 1: CardFormat.WIEGAND}
INSECURE_STATUS = Status(
    StateCode.DEGRADED,
    Cause.CHANNEL_INSECURE,
    "The reader has its key, but the post would still send it to any other reader.",
    Action.CONFIGURE,
    'Set security = "secure".',
)


class Osdp(Driver[OsdpSettings]):
    """A card reader on a serial line, and its outputs."""

    family = Family.CARD_READER
    settings_model = OsdpSettings
    anonymizer = "drivers.anonymize.osdp:osdp"
    observation_types: ClassVar[tuple[type[Observation], ...]] = (CardRead, ReaderStatus)
    self_test_levels = (SelfTestLevel.INTERNAL, SelfTestLevel.INTERACTIVE)
    describe_chunk = staticmethod(describe_osdp)

    panel: "ControlPanel"
    _working: asyncio.Task[None] | None = None
    _status = UNKNOWN_STATUS
    """Last status of the reader."""

    async def open(self) -> Identity:
        """Open the line and wait until the reader is online; raises LinkError."""
        try:
            from drivers.access.osdp.panel import ControlPanel
        except ImportError as error:
            raise NotInstalledError(f"OSDP needs {error.name}, which is not installed.", "osdp") from error
        settings = self.settings
        key = None if settings.key_file is None else read_key(settings.key_file)
        self.link = await self.links.serial(settings)
        self.panel = ControlPanel(
            self.link, settings.address, key, settings.security, settings.offline_after_s
        )
        while not self.panel.is_online:
            await self._poll()
        self._wakeup = asyncio.Event()
        self._working = asyncio.create_task(self._work())
        self._working.add_done_callback(lambda _: self._wakeup.set())
        identity = self.panel.identity
        # libosdp makes a number of it, least byte first; an OUI is written in transmission order.
        vendor, firmware = identity["vendor_code"].to_bytes(3, "little"), identity["firmware_version"]
        return Identity(
            model=f"model {identity['model']}.{identity['version']}",
            manufacturer=f"OUI {vendor.hex('-').upper()}",
            serial_number=f"{identity['serial_number']:08X}",
            firmware=f"{firmware >> 16}.{firmware >> 8 & 0xFF}.{firmware & 0xFF}",
        )

    async def close(self) -> None:
        """Stop polling."""
        if self._working is not None:
            self._working.cancel()
            with contextlib.suppress(asyncio.CancelledError, LinkError):
                await self._working
            self.panel.discard()

    async def _work(self) -> None:
        while True:
            await self._poll()
            if self.panel.events:
                self._wakeup.set()

    async def _poll(self) -> None:
        await self.panel.work()
        try:
            async with asyncio.timeout(TICK_S):
                chunk = await self.link.read()
        except TimeoutError:
            return
        self.panel.channel.feed(chunk)

    async def watch(self) -> AsyncIterator[Observation | BadFrame | Status]:
        """Yield cards, and the status: once, then at every change."""
        assert self._working is not None
        status = self._status = UNKNOWN_STATUS
        yield status
        if self.settings.security == "install":
            yield INSECURE_STATUS
        while True:
            await self._wakeup.wait()
            self._wakeup.clear()
            while self.panel.events:
                match self.panel.events.popleft():
                    case {"event": kind, "held": True} if kind != STATUS:
                        yield BadFrame("held", b"")
                    case {"event": kind, **card} if kind == CARD and "length" in card:
                        yield _card(card)
                    case {"event": kind, "type": what, "report": report} if kind == STATUS:
                        changed = _changed(status, what, report)
                        if changed != status:
                            if _well(changed) != _well(status):
                                yield self._condition(changed)
                            yield changed
                        status = self._status = changed
                    case _:
                        yield BadFrame("other", b"")
            if self._working.done():
                await self._working

    async def self_test(self, trial: SelfTestContext) -> AsyncGenerator[SelfTestStep]:
        """Report the status; interactive: wait for a card."""
        if trial.level is SelfTestLevel.INTERACTIVE:
            yield await card_steps(trial)
            return
        for step in reader_steps(self._status, secure=self.settings.security == "secure"):
            yield step

    def _condition(self, status: ReaderStatus) -> Status:
        if status.tampered:
            return Status(
                StateCode.DEGRADED,
                Cause.TAMPERED,
                "The reader's housing is open, or it was torn off.",
                Action.CALL_SUPPORT,
                "Inspect the reader before it is used again.",
            )
        if status.power_failure:
            return Status(
                StateCode.DEGRADED,
                Cause.DEVICE_FAULT,
                "The reader reports that its power supply fails.",
                Action.CALL_SUPPORT,
                "Check its power supply.",
            )
        return INSECURE_STATUS if self.settings.security == "install" else Status(StateCode.ONLINE)

    @command(is_movement=True)
    async def pulse(self, request: PulseOutput, call: Invocation) -> PulseOutputResult:
        """Switch an output on for a limited time, ended by the reader."""
        output = next((each for each in self.settings.outputs if each.output == request.output), None)
        if output is None:
            raise CommandRefusal(
                RefusalReason.NOT_SUPPORTED,
                f"Output {request.output} is not switched: the post's file has no `outputs` entry for it.",
            )
        if request.duration_s > output.max_pulse_s:
            raise CommandRefusal(
                RefusalReason.NOT_SUPPORTED,
                f"Output {request.output} may be on for {output.max_pulse_s:g} s at most.",
            )
        tenths = max(1, math.floor(request.duration_s / TENTH_S + ROUNDING))
        await self.panel.pulse(request.output, tenths, call)
        return PulseOutputResult(output=request.output, duration_s=tenths / 10)


def _card(event: dict[str, Any]) -> CardRead:
    return CardRead(
        reader=event["reader_no"],
        format=FORMATS.get(event["format"], CardFormat.UNKNOWN),
        bits=event["length"],
        data=event["data"].hex(),
        wire=event["data"],
    )


def _changed(status: ReaderStatus, what: int, report: bytes) -> ReaderStatus:
    """Return the status updated by a report."""
    values = tuple(map(bool, report))
    match what:
        case _ if what == INPUTS:
            return status.model_copy(update={"inputs": values})
        case _ if what == OUTPUTS:
            return status.model_copy(update={"outputs": values})
        case _ if what == LOCAL and len(values) == 2:
            return status.model_copy(update={"tampered": values[0], "power_failure": values[1]})
        case _:
            return status


def _well(status: ReaderStatus) -> tuple[bool, bool]:
    return bool(status.tampered), bool(status.power_failure)
