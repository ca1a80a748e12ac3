"""A barrier driver on a simulated board without a wire, in virtual time, with its observations."""

import asyncio
import itertools
from collections.abc import Callable
from typing import Any, Self

from virtual_time import VirtualLoop

from drivers import clock
from drivers.barrier.board import BoardLate, BoardRefused, PulseEnd
from drivers.barrier.commands import (
    AcknowledgeEmergency,
    CloseBarrier,
    MoveResult,
    OpenBarrier,
    SetMaintenance,
    StopResult,
)
from drivers.barrier.driver import BarrierDriver
from drivers.barrier.observations import AlarmKind, BarrierAlarm, BarrierPassage, BarrierState
from drivers.barrier.wiring import BarrierSettings
from drivers.command import CommandArguments, CommandOutput, Invocation
from drivers.driver import Identity, Status
from drivers.links.factory import LinkFactory
from drivers.links.link import Action, Cause, LinkError
from drivers.observation import Observation
from drivers.record import DeviceRecord
from simulators.barrier.bus import DirectConnection
from simulators.barrier.mechanics.barrier import MechanicsSettings
from simulators.barrier.mechanics.controller import ControllerSettings
from simulators.barrier.modbus.mbap import HEADER
from simulators.barrier.modbus_site import USUAL_INPUTS, ModbusSettings, ModbusSite, WaveshareSettings
from simulators.barrier.wirelog import Frame

ONE_DOOR = {
    "doors": [
        {
            "open": 0,
            "close": 1,
            "stop": 2,
            "open_limit": USUAL_INPUTS["open-limit"],
            "closed_limit": USUAL_INPUTS["closed-limit"],
            "entry_side": USUAL_INPUTS["approach"],
            "exit_side": USUAL_INPUTS["exit"],
            "presence": USUAL_INPUTS["photocell"],
        }
    ],
    "emergency": USUAL_INPUTS["fire"],
    "key_switch": USUAL_INPUTS["key"],
    "controller_ok": USUAL_INPUTS["controller-ok"],
    "max_open_s": 600,
}
OPEN, CLOSE, STOP = 0, 1, 2
"""Relays of `ONE_DOOR`."""
E_GATE_SITE = ModbusSettings(
    boards=(
        WaveshareSettings(
            unit=1,
            outputs={"first-open": 0, "first-close": 1, "second-open": 2, "second-close": 3},
            inputs={
                "first-open-limit": 0,
                "first-closed-limit": 1,
                "first-photocell": 2,
                "second-open-limit": 3,
                "second-closed-limit": 4,
                "second-photocell": 5,
                "fire": 6,
                "chamber": 7,
            },
        ),
    ),
    mechanics=MechanicsSettings.model_validate({"lane": "e-gate"}),
)
E_GATE = {
    "doors": [
        {"name": "first", "open": 0, "close": 1, "open_limit": 0, "closed_limit": 1, "presence": 2},
        {"name": "second", "open": 2, "close": 3, "open_limit": 3, "closed_limit": 4, "presence": 5},
    ],
    "emergency": 6,
}


class _Host(DirectConnection):
    """Receiver of the response to the last request; others are late, or for another host."""

    answered: "asyncio.Future[bytes] | None" = None

    def send(self, data: bytes) -> bool:
        sent = super().send(data)
        if sent and self.answered and not self.answered.done() and int.from_bytes(data[:2]) == self._tag:
            self.answered.set_result(data[HEADER:])
        return sent


class VirtualBoard:
    """Driver of a Waveshare board by Modbus messages without a link, for tests only."""

    relays = 8
    inputs = 8
    pulse_end = PulseEnd.BOARD_TIMED
    release_timeout_s = 0.0
    response_timeout_s = 0.3
    answer_time_s = 0.0
    inputs_at_opening: tuple[bool, ...] | None = None
    is_left_open = False

    def __init__(self, site: ModbusSite, unit: int = 1) -> None:
        self.dead = False
        """True once its process is killed: nothing is sent any more."""
        self._unit = unit
        self._host = _Host(site.bus)
        self._busy = False
        self._urgent = 0
        self._waiting: list[asyncio.Future[None]] = []

    async def open(self) -> Identity:
        await self._ask(bytes.fromhex("0380000001"))
        return Identity(model="virtual")

    async def read_inputs(self) -> tuple[bool, ...]:
        return _bits(await self._ask(bytes.fromhex("0200000008")))

    async def read_relays(self) -> tuple[bool, ...]:
        return _bits(await self._ask(bytes.fromhex("0100000008")))

    async def pulse_relay(
        self, relay: int, for_s: float, *, urgent: bool = False, by_s: float | None = None
    ) -> None:
        await self._ask(bytes([5, 2, relay, 0, round(for_s * 10)]), urgent=urgent, by_s=by_s)

    async def open_all_relays(self) -> None:
        await self._ask(bytes.fromhex("0500ff0000"), urgent=True)

    async def close(self) -> None:
        return

    async def _ask(self, pdu: bytes, *, urgent: bool = False, by_s: float | None = None) -> bytes:
        await self._take_line(urgent=urgent)
        began_s = asyncio.get_running_loop().time()
        try:
            if by_s is not None and began_s >= by_s:
                raise BoardLate("The line was not free in time.")
            if self.dead:
                await asyncio.Event().wait()
            self._host.answered = answered = asyncio.get_running_loop().create_future()
            self._host.request(self._unit, pdu)
            if self._host.hung_up:
                raise LinkError(Cause.LINK_FAILED, "The board hung up.", Action.WAIT)
            if not answered.done():
                await asyncio.wait((answered,), timeout=self.response_timeout_s)
            if not answered.done():
                raise LinkError(Cause.NO_RESPONSE, "The board does not answer.", Action.WAIT)
            answer = answered.result()
            if answer[0] & 0x80:
                if pdu[0] < 5:
                    raise LinkError(Cause.WRONG_DEVICE, "It does not tell its inputs.", Action.CONFIGURE)
                raise BoardRefused(f"exception {answer[1]}")
            return answer
        finally:
            self.answer_time_s = asyncio.get_running_loop().time() - began_s
            self._busy = False
            waiting, self._waiting = self._waiting, []
            for one in waiting:
                if not one.done():
                    one.set_result(None)

    async def _take_line(self, *, urgent: bool) -> None:
        self._urgent += urgent
        try:
            while self._busy or (self._urgent and not urgent):
                freed = asyncio.get_running_loop().create_future()
                self._waiting.append(freed)
                await freed
        finally:
            self._urgent -= urgent
        self._busy = True


def _bits(answer: bytes) -> tuple[bool, ...]:
    return tuple(bool(answer[2] >> bit & 1) for bit in range(8))


class VirtualBarrier(BarrierDriver[BarrierSettings]):
    """The driver under test: the real one, on the virtual board."""

    settings_model = BarrierSettings
    virtual_board: VirtualBoard

    def build_board(self) -> VirtualBoard:
        return self.virtual_board


class BarrierFixture:
    """A lane with its barrier, and its running driver. Keywords are settings of the controller."""

    def __init__(
        self,
        settings: dict[str, Any] | None = None,
        site: ModbusSettings | None = None,
        **controller: Any,
    ) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        self.timeline = loop.timeline
        if site is None:
            controlled = MechanicsSettings(controller=ControllerSettings(**controller))
            site = ModbusSettings(mechanics=controlled)
        self.site = ModbusSite(site, self.timeline)
        self.log = self.site.log
        self.barrier = self.site.barrier
        self.settings = BarrierSettings.model_validate({**ONE_DOOR, **(settings or {})})
        self.said: list[Observation] = []
        self.status: list[Status] = []
        self.failure: BaseException | None = None
        self.record = DeviceRecord()
        """Record that survives the driver."""
        self.ids = itertools.count(1)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.end()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        assert not others, f"left behind: {others}"

    # Life of the driver.

    async def start(self) -> None:
        """Open the driver and run it."""
        self.driver = VirtualBarrier(self.settings, LinkFactory())
        self.driver.record = self.record
        self.driver.virtual_board = VirtualBoard(self.site)
        self.failure = None
        await self.driver.open()
        self._watching = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        try:
            async for said in self.driver.watch():
                if isinstance(said, Status):
                    self.status.append(said)
                elif isinstance(said, Observation):
                    self.said.append(said)
        except LinkError as error:
            self.failure = error

    async def end(self, closing: Callable[[], None] = lambda: None) -> None:
        """End the driver in an orderly way; `closing` is called before it closes the board."""
        self._watching.cancel()
        await asyncio.gather(self._watching, return_exceptions=True)
        closing()
        await self.driver.close()

    async def kill(self) -> None:
        """Kill the driver at this moment."""
        self.driver.virtual_board.dead = True
        self._watching.cancel()
        await asyncio.gather(self._watching, return_exceptions=True)

    async def restart(self) -> None:
        """Kill the driver, and start another one."""
        await self.kill()
        await self.start()

    def check(self) -> None:
        """Raise the error that ended the driver, unless that was its link."""
        if self._watching.done() and not self._watching.cancelled():
            self._watching.result()

    # Commands.

    def call(self, within_s: float = 3.0, transaction: str | None = None) -> Invocation:
        number = next(self.ids)
        return Invocation(
            f"c{number}", "counter-1", transaction or f"t{number}", clock.boot_ns() + round(within_s * 1e9)
        )

    async def open(self, door: str = "", **how: Any) -> MoveResult:
        return await self.driver.open_barrier(OpenBarrier(door=door), self.call(**how))

    async def close(self, door: str = "", **how: Any) -> MoveResult:
        return await self.driver.close_barrier(CloseBarrier(door=door), self.call(**how))

    async def stop(self) -> StopResult:
        return await self.driver.stop(CommandArguments(), self.call())

    async def acknowledge(self) -> CommandOutput:
        done = await self.driver.acknowledge(AcknowledgeEmergency(reason="looked"), self.call())
        await self.pass_s(0.01)  # what it says of that has come
        return done

    async def maintain(self, for_s: float) -> CommandOutput:
        done = await self.driver.maintenance(SetMaintenance(duration_s=for_s, reason="a test"), self.call())
        await self.pass_s(0.01)
        return done

    # Observations.

    @property
    def now_s(self) -> float:
        return self.timeline.now_s

    async def pass_s(self, seconds: float) -> None:
        """Let time pass."""
        await asyncio.sleep(seconds)

    async def until(self, true: Callable[[], object], within_s: float = 30.0) -> None:
        """Let time pass until the condition is true."""
        deadline_s = self.now_s + within_s
        while not true():
            assert self.now_s < deadline_s, f"not within {within_s} s; it says {self.state}"
            await asyncio.sleep(0.01)

    @property
    def state(self) -> BarrierState | None:
        """The last state."""
        return next((said for said in reversed(self.said) if isinstance(said, BarrierState)), None)

    @property
    def state_code(self) -> str | None:
        return None if self.state is None else str(self.state.state)

    @property
    def passages(self) -> list[BarrierPassage]:
        return [said for said in self.said if isinstance(said, BarrierPassage)]

    def alarms(self, kind: AlarmKind | None = None) -> list[BarrierAlarm]:
        alarms = [said for said in self.said if isinstance(said, BarrierAlarm)]
        return [alarm for alarm in alarms if kind in (None, alarm.kind)]

    # The simulator's log.

    def pulse_frames(self, relay: int | None = None, since_s: float = 0.0) -> list[Frame]:
        """Frames that close a relay, received or not."""
        return [
            frame
            for frame in self.log.actuations
            if frame.at_s >= since_s and relay in (None, (frame.address or 0) & 0xFF)
        ]

    async def ready(self) -> Self:
        """Let the driver run until it accepts commands."""
        await self.until(lambda: self.state is not None)
        await self.pass_s(self.settings.min_interval_s)
        return self
