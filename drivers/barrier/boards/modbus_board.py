"""Common parts of all boards on Modbus: requests, commands, and the meaning of refusals."""

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Generic, NoReturn, TypeVar

from drivers.barrier.board import BoardLate, BoardRefused, BoardSettings, PulseEnd
from drivers.barrier.boards.host_timed import HostTimedBoard, relay_closed_error
from drivers.barrier.boards.release import (
    REFUSED_PAUSE_S,
    RELEASE_ATTEMPTS,
    LaterPulse,
    ReleaseRefusedError,
    ReleasingBoard,
    take_back,
)
from drivers.driver import Identity
from drivers.links.factory import LinkFactory
from drivers.links.link import Action, Cause, LinkError
from drivers.links.modbus.link import ModbusLink, ModbusSettings
from drivers.links.modbus.pdu import (
    OFF,
    ON,
    Function,
    ModbusExceptionResponse,
    ModbusRequest,
    ReadBits,
    WriteCoils,
    WriteSingle,
)
from drivers.links.request_queue import LineNotFree

AnswerT = TypeVar("AnswerT")


class ModbusBoardSettings(ModbusSettings, BoardSettings):
    """Address and model of a board."""


SettingsT = TypeVar("SettingsT", bound=ModbusBoardSettings)


def _allow() -> None:
    """Allow the frame."""


class ModbusBoard(ReleasingBoard, Generic[SettingsT]):
    """A board with relays and inputs at addresses of their own. Subclasses implement the pulses."""

    relays: int
    inputs: int
    pulse_end: PulseEnd
    release_timeout_s: float
    relay_address = 0
    input_address = 0

    def __init__(self, settings: SettingsT, links: LinkFactory) -> None:
        super().__init__()
        self.settings = settings
        self.links = links
        self.response_timeout_s = settings.response_timeout_s
        self.link: ModbusLink

    async def open(self) -> Identity:
        """Implement `Board.open`."""
        self.link = await self.links.modbus(self.settings)
        return await self._open_board()

    async def _open_board(self) -> Identity:
        """Identify the board, open its relays, and check its setup; the link is open."""
        identity = await self._identify()
        await self._release_at_opening()
        await self._check_setup()
        return identity

    @property
    def answer_time_s(self) -> float:
        """Implement `Board.answer_time_s`."""
        return self.link.answer_time_s

    @abstractmethod
    async def _identify(self) -> Identity:
        """Identify the board, by registers that only this model has; raises LinkError."""

    async def _check_setup(self) -> None:
        """Check the settings of the board itself, by reading; raises LinkError for an unsafe one."""

    async def _release_at_opening(self) -> None:
        """Open relays that are closed already; raises LinkError for one that does not open."""
        if True not in await self.read_relays():
            return
        self.is_left_open = False
        await self._repeat_release()
        if True in (closed := await self.read_relays()):
            raise relay_closed_error(closed.index(True))

    async def read_inputs(self) -> tuple[bool, ...]:
        """Implement `Board.read_inputs`."""
        return await self._ask(ReadBits(Function.READ_INPUTS, self.input_address, self.inputs), "its inputs")

    async def read_relays(self) -> tuple[bool, ...]:
        """Implement `Board.read_relays`."""
        return await self._ask(ReadBits(Function.READ_COILS, self.relay_address, self.relays), "its relays")

    async def _ask(self, question: ModbusRequest[AnswerT], about: str, *, urgent: bool = False) -> AnswerT:
        """Read a value that every such board has; raises LinkError."""
        before_write = _allow if urgent else self._before_reading
        try:
            return await self.link.request(question, urgent=urgent, before_write=before_write)
        except ModbusExceptionResponse as refused:
            text = f"{self._description} does not return {about}: {refused}."
            if refused.is_wrong_board:
                how = "Correct `model`, `port` and `unit`: another board responds."
                raise LinkError(Cause.WRONG_DEVICE, text, Action.CONFIGURE, how) from None
            cause = Cause.NO_RESPONSE if refused.is_temporary else Cause.DEVICE_FAULT
            how = "If it continues, switch the board off and on; check its bus."
            raise LinkError(cause, text, Action.CALL_SUPPORT, how) from None

    def _before_reading(self) -> None:
        """Check, right before a reading is written, that it may be."""

    async def _write(
        self, command: ModbusRequest[bool], *, urgent: bool, before_write: Callable[[], None] = _allow
    ) -> None:
        """Send a command; raises BoardRefused, BoardLate and LinkError."""
        try:
            await self.link.request(command, urgent=urgent, before_write=before_write)
        except ModbusExceptionResponse as refused:
            _raise_refusal(refused)
        except LineNotFree:
            raise BoardLate("Earlier requests may still wait on the line: nothing was sent.") from None

    async def _open_all(self) -> None:
        command = WriteCoils(self.relay_address, (False,) * self.relays)
        is_doubtful = self.link.has_late_twin(command)
        await self._write(command, urgent=True)
        if is_doubtful:
            await self._prove_open(range(self.relays))

    async def _prove_open(self, relays: Iterable[int]) -> None:
        """Read relays whose release may have got the response to an earlier one, before a pulse.

        Raises LinkError if one is closed.
        """
        coils = ReadBits(Function.READ_COILS, self.relay_address, self.relays)
        states = await self._ask(coils, "its relays", urgent=True)
        for relay in relays:
            if states[relay]:
                raise relay_closed_error(relay)

    @property
    def _description(self) -> str:
        return f"The board at {self.settings.port} (unit {self.settings.unit})"

    def not_configured_error(self, text: str, how: str) -> LinkError:
        """Build the error for a board that is not set up as required."""
        return LinkError(
            Cause.WRONG_DEVICE,
            f"{self._description} {text}.",
            Action.CONFIGURE,
            how,
        )


def _raise_refusal(refused: ModbusExceptionResponse) -> NoReturn:
    if refused.is_before_execution:
        raise BoardRefused(f"The board refused: {refused}.") from None
    raise LinkError(
        Cause.DEVICE_FAULT,
        f"The board reports an error: {refused}. It may have acted nevertheless.",
        Action.CALL_SUPPORT,
        "Check the barrier; switch the board off and on if it repeats.",
    ) from None


class BoardTimedModbus(ModbusBoard[SettingsT]):
    """A board that opens a relay by itself at the end of the commanded time."""

    pulse_end = PulseEnd.BOARD_TIMED

    @abstractmethod
    def _pulse(self, relay: int, for_s: float) -> WriteSingle:
        """Return the frame of a pulse."""

    async def pulse_relay(
        self, relay: int, for_s: float, *, urgent: bool = False, by_s: float | None = None
    ) -> None:
        """Implement `Board.pulse_relay`."""
        with self._permit(relay, by_s) as permit:
            try:
                await self._write(self._pulse(relay, for_s), urgent=urgent, before_write=permit.use)
            except LinkError as lost:
                if not urgent and not permit.is_withdrawn:
                    await take_back(permit, lost, lambda allow: self._open_relay_once(relay, allow))
                raise

    async def _open_relay_once(self, relay: int, before_write: Callable[[], None]) -> None:
        """Open one relay with one frame, which ends its pulse; the function is that of a release."""
        command = WriteCoils(self.relay_address + relay, (False,))
        await self._write(command, urgent=True, before_write=before_write)

    async def open_all_relays(self) -> None:
        """Implement `Board.open_all_relays`."""
        self._withdraw_pulses()
        await self._release()

    async def close(self) -> None:
        """Cancel waiting pulses; the board ends running ones itself."""
        self._withdraw_pulses()

    async def _release_at_opening(self) -> None:
        """Open relays that are closed already; one that does not open is reported by reading it."""
        with suppress(LinkError):
            await super()._release_at_opening()


class HostTimedModbus(ModbusBoard[SettingsT], HostTimedBoard):
    """A board that closes a relay on one command, and opens it on another.

    Each reading restarts a watchdog. So a board that has one is not read while a release is unacknowledged:
    on a lossy line, readings that arrive between lost releases would keep the relay closed. The release is
    written again in place of the reading.
    """

    def __init__(self, settings: SettingsT, links: LinkFactory) -> None:
        super().__init__(settings, links)
        self._unreleased: set[int] = set()
        """Relays whose release was written, or is about to be, and is not acknowledged."""

    async def open(self) -> Identity:
        """Implement `Board.open`. A failure takes longer than the watchdog waits, if a relay may be closed.

        Each attempt sends requests, and attempts that follow each other faster would restart the watchdog for
        ever, although a relay stays closed.
        """
        self.link = await self.links.modbus(self.settings)
        try:
            return await self._open_board()
        except LinkError:
            if not self.is_left_open:
                await self._stay_silent()
            raise

    async def read_inputs(self) -> tuple[bool, ...]:
        """Implement `Board.read_inputs`."""
        self._raise_if_stuck()
        return await super().read_inputs()

    async def read_relays(self) -> tuple[bool, ...]:
        """Implement `Board.read_relays`."""
        self._raise_if_stuck()
        return await super().read_relays()

    async def _switch_relay(
        self, relay: int, closed: bool, *, urgent: bool, before_write: Callable[[], None]
    ) -> None:
        command = WriteSingle(Function.WRITE_COIL, self.relay_address + relay, ON if closed else OFF)

        def before_frame() -> None:
            before_write()
            if closed:
                self._unreleased.discard(relay)

        if closed:
            await self._write(command, urgent=urgent, before_write=before_frame)
            return
        self._unreleased.add(relay)
        is_doubtful = self.link.has_late_twin(command)
        try:
            await self._write(command, urgent=urgent, before_write=before_frame)
        except LaterPulse:
            self._unreleased.discard(relay)
            raise
        if is_doubtful:
            await self._prove_open((relay,))
        self._unreleased.discard(relay)

    async def _open_all(self) -> None:
        self._unreleased |= self._closed_by_us
        await super()._open_all()
        self._unreleased.clear()

    async def _ask(self, question: ModbusRequest[AnswerT], about: str, *, urgent: bool = False) -> AnswerT:
        while True:
            try:
                return await super()._ask(question, about, urgent=urgent)
            except _ReleaseUnacknowledged:
                self._raise_if_stuck()
                await self._release_again()

    def _before_reading(self) -> None:
        if self._unreleased and self.pulse_end is PulseEnd.WATCHDOG:
            raise _ReleaseUnacknowledged

    async def _release_again(self) -> None:
        """Write the unacknowledged releases once more; raises LinkError if one remains unacknowledged.

        A release that the board refuses is repeated, as a busy board refuses for a moment. The relay of a
        pulse that is written meanwhile, maybe for a stop, is left closed.
        """
        for left in reversed(range(RELEASE_ATTEMPTS)):
            allowances = {relay: self._allow_unless_pulsed(relay) for relay in sorted(self._unreleased)}
            try:
                for relay, allow in allowances.items():
                    with suppress(LaterPulse):
                        await self._open_relay_once(relay, allow)
            except BoardRefused as refused:
                if not left:
                    raise ReleaseRefusedError(str(refused)) from None
                await asyncio.sleep(REFUSED_PAUSE_S)
                self._raise_if_stuck()
            else:
                return

    async def close(self) -> None:
        """Implement `Board.close`."""
        await self._open_on_close()


class _ReleaseUnacknowledged(Exception):  # noqa: N818 - a state, not a fault
    """A reading was not written, because a release is unacknowledged."""
