"""Fake daemon for the console: responds from memory and records requests."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from pathlib import Path

from drivers.driver import Family, Identity, StateCode
from drivers.links.link import Action, Cause
from drivers.observation import Outcome
from drivers.self_test import SelfTestLevel, SelfTestReport, SelfTestStep
from gateway.api.models import (
    ClaimHolderView,
    CountersHistoryView,
    CountersView,
    DeviceView,
    EventView,
    LiveUpdate,
    PostView,
    TraceItem,
)
from gateway.api.operations import Actor, ManagementOperation, RevealTrace, RpcError
from gateway.contract.envelope import ClockStatus, Provenance
from gateway.contract.states import DestinationReport, DeviceState, GatewayReport

AT = datetime(2026, 11, 28, 8, 15, 30, tzinfo=UTC)
SESSION = "0f8fad5bd9cb469f"


def device(position: str, **more: object) -> DeviceView:
    """Return a healthy reader."""
    ordinary = {
        "position": position,
        "driver": "mrz-serial",
        "family": Family.PASSPORT_READER,
        "address": "usb:0DB5:0137:A0012345",
        "state": DeviceState(state=StateCode.ONLINE, since=AT, session=SESSION, provenance=Provenance.LIVE),
        "identity": Identity(model="OCR315e", serial_number="A0012345", firmware="2.14"),
        "accepted_serial_number": "A0012345",
        "last_good_read_at": AT,
        "pid": 4711,
        "counters": CountersHistoryView(
            lifetime=CountersView(
                good_reads=1200, bad_reads=7, chip_reads=900, chip_attempts=963, chip_s=2790.5
            ),
            since_reset=CountersView(good_reads=12),
        ),
        "check_levels": ("internal", "interactive"),
    }
    return DeviceView(**{**ordinary, **more})


def held_device(position: str) -> DeviceView:
    """Return a reader whose port another program has opened, claimed by a lane."""
    state = DeviceState(
        state=StateCode.OFFLINE,
        since=AT,
        cause=Cause.PORT_HELD,
        text="ModemManager (pid 712) holds the port.",
        action=Action.RESTART,
        how="sudo systemctl mask --now ModemManager",
        session=SESSION,
    )
    return device(
        position,
        state=state,
        identity=None,
        last_good_read_at=None,
        claim=ClaimHolderView(station="lane-2", since=AT),
    )


class FakeDaemon:
    """Two readers, one of them with a problem. Operations are recorded in `operations`."""

    def __init__(self) -> None:
        self.devices = {one.position: one for one in (device("lane-1/reader"), held_device("lane-2/reader"))}
        self.operations: list[tuple[str, ManagementOperation, Actor]] = []
        self.checks: list[tuple[str, SelfTestLevel, Actor]] = []
        self.traces: list[tuple[str, Actor, RevealTrace | None]] = []
        self.updates: asyncio.Queue[LiveUpdate | None] = asyncio.Queue()
        """Updates that `subscribe` yields; None ends it."""
        self.refuses: RpcError | None = None
        self.streams = 0
        """Number of open subscriptions."""
        self.traces_go_on = False
        """True to keep a trace open until it is closed."""

    @property
    def touched(self) -> int:
        """Number of requests that change or record something."""
        return len(self.operations) + len(self.checks) + len(self.traces)

    def _known(self, position: str) -> DeviceView:
        if self.refuses is not None:
            raise self.refuses
        if position not in self.devices:
            raise RpcError("unknown", f"There is no {position}.", "borderpost devices")
        return self.devices[position]

    async def view(self) -> PostView:
        if self.refuses is not None:
            raise self.refuses
        return PostView(
            site="ke-busia",
            gateway="gw-1",
            session=SESSION,
            at=AT,
            config=str(Path("/etc/borderpost/gateway.toml")),
            report=GatewayReport(
                version="0.1.0",
                profile="test",
                bootid="7d0c9c1b6a3f4a1e8f0b2c3d4e5f6071",
                clock=ClockStatus.SYNCED,
                epoch="5f0c2a6e9b7d4c33",
                since=AT,
                destinations=(
                    DestinationReport(
                        name="local", connected=True, queued=3, expired=0, parked=1, halted_reason=None
                    ),
                ),
            ),
            devices=tuple(self.devices.values()),
        )

    async def last_events(self, position: str) -> list[EventView]:
        self._known(position)
        data = {"lines": "<tuple len=2>"}
        return [
            EventView(
                position=position,
                type="document.read",
                at=AT,
                provenance=Provenance.LIVE,
                latency_ms=2.4,
                data=data,
            )
        ]

    async def check(self, position: str, level: SelfTestLevel, actor: Actor) -> SelfTestReport:
        self._known(position)
        self.checks.append((position, level, actor))
        step = SelfTestStep(
            name="link.answers", outcome=Outcome.SUCCESSFUL, text="It answered.", measured=12.0
        )
        return SelfTestReport(level=level, at=AT, steps=(step,))

    async def perform(self, position: str, operation: ManagementOperation, actor: Actor) -> None:
        self._known(position)
        self.operations.append((position, operation, actor))

    async def subscribe(self) -> AsyncGenerator[LiveUpdate]:
        self.streams += 1
        try:
            while (updates := await self.updates.get()) is not None:
                yield updates
        finally:
            self.streams -= 1

    async def trace(
        self, position: str, actor: Actor, reveal: RevealTrace | None = None
    ) -> AsyncGenerator[TraceItem | None]:
        self._known(position)
        self.traces.append((position, actor, reveal))
        revealed = "1c 02 50" if reveal else None
        yield None
        yield TraceItem(at_s=1.25, direction="in", size=3, hex=revealed, summary="MRZ frame")
        if self.traces_go_on:
            await asyncio.Event().wait()
