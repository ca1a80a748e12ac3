"""Common parts of all boards on Modbus: requests, commands, and the meaning of refusals."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Generic, NoReturn, TypeVar

from drivers.barrier.board import BoardRefused, BoardSettings, PulseEnd
from drivers.barrier.boards.host_timed import CANCELLED_BY_RELEASE, HostTimedBoard, relay_closed_error
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
from drivers.links.request_queue import RequestCancelled

AnswerT = TypeVar("AnswerT")


class ModbusBoardSettings(ModbusSettings, BoardSettings):
    """Address and model of a board."""


SettingsT = TypeVar("SettingsT", bound=ModbusBoardSettings)


class ModbusBoard(Generic[SettingsT]):
    """A board with relays and inputs at addresses of their own. Subclasses implement the pulses."""

    relays: int
    inputs: int
    pulse_end: PulseEnd
    release_timeout_s: float
    relay_address = 0
    input_address = 0

    def __init__(self, settings: SettingsT, links: LinkFactory) -> None:
        self.settings = settings
        self.links = links
        self.response_timeout_s = settings.response_timeout_s
        self.link: ModbusLink

    async def open(self) -> Identity:
        """Implement `Board.open`."""
        self.link = await self.links.modbus(self.settings)
        return await self._identify()

    @abstractmethod
    async def _identify(self) -> Identity:
        """Identify the board and check its settings; raises LinkError."""

    async def read_inputs(self) -> tuple[bool, ...]:
        """Implement `Board.read_inputs`."""
        return await self._ask(ReadBits(Function.READ_INPUTS, self.input_address, self.inputs), "its inputs")

    async def read_relays(self) -> tuple[bool, ...]:
        """Implement `Board.read_relays`."""
        return await self._ask(ReadBits(Function.READ_COILS, self.relay_address, self.relays), "its relays")

    async def _ask(self, question: ModbusRequest[AnswerT], about: str) -> AnswerT:
        """Read a value that every such board has; raises LinkError."""
        try:
            return await self.link.request(question)
        except ModbusExceptionResponse as refused:
            text = f"{self._description} does not return {about}: {refused}."
            if refused.is_wrong_board:
                how = "Correct `model`, `port` and `unit`: another board responds."
                raise LinkError(Cause.WRONG_DEVICE, text, Action.CONFIGURE, how) from None
            cause = Cause.NO_RESPONSE if refused.is_temporary else Cause.DEVICE_FAULT
            how = "If it continues, switch the board off and on; check its bus."
            raise LinkError(cause, text, Action.CALL_SUPPORT, how) from None

    async def _write(
        self, command: ModbusRequest[bool], *, urgent: bool, wanted: Callable[[], bool] = lambda: True
    ) -> None:
        """Send a command; raises Withdrawn, BoardRefused and LinkError."""
        try:
            await self.link.request(command, urgent=urgent, is_wanted=wanted)
        except ModbusExceptionResponse as refused:
            _raise_refusal(refused)

    async def _open_all(self) -> None:
        await self._write(WriteCoils(self.relay_address, (False,) * self.relays), urgent=True)

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

    def __init__(self, settings: SettingsT, links: LinkFactory) -> None:
        super().__init__(settings, links)
        self._releases = 0

    @abstractmethod
    def _pulse(self, relay: int, for_s: float) -> WriteSingle:
        """Return the frame of a pulse."""

    async def pulse_relay(self, relay: int, for_s: float, *, urgent: bool = False) -> None:
        """Implement `Board.pulse_relay`."""
        releases = self._releases
        try:
            await self._write(
                self._pulse(relay, for_s), urgent=urgent, wanted=lambda: releases == self._releases
            )
        except RequestCancelled:
            raise BoardRefused(CANCELLED_BY_RELEASE) from None

    async def open_all_relays(self) -> None:
        """Implement `Board.open_all_relays`."""
        self._releases += 1
        await self._open_all()

    async def close(self) -> None:
        """Do nothing: the board ends its pulses itself."""
        self._releases += 1


class HostTimedModbus(ModbusBoard[SettingsT], HostTimedBoard):
    """A board that closes a relay on one command, and opens it on another."""

    def __init__(self, settings: SettingsT, links: LinkFactory) -> None:
        HostTimedBoard.__init__(self)
        super().__init__(settings, links)

    async def open(self) -> Identity:
        """Implement `Board.open`; raises LinkError for a relay that is closed already: it must open first."""
        identity = await super().open()
        if True in (closed := await super().read_relays()):
            raise relay_closed_error(closed.index(True))
        return identity

    async def read_inputs(self) -> tuple[bool, ...]:
        """Implement `Board.read_inputs`."""
        self._raise_if_stuck()
        return await super().read_inputs()

    async def read_relays(self) -> tuple[bool, ...]:
        """Implement `Board.read_relays`."""
        self._raise_if_stuck()
        return await super().read_relays()

    async def _switch_relay(
        self, relay: int, closed: bool, *, urgent: bool, wanted: Callable[[], bool]
    ) -> None:
        command = WriteSingle(Function.WRITE_COIL, self.relay_address + relay, ON if closed else OFF)
        await self._write(command, urgent=urgent, wanted=wanted)

    async def close(self) -> None:
        """Implement `Board.close`."""
        await self._open_on_close()
