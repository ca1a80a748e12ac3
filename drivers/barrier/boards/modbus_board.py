"""What all boards on Modbus have in common: how they are asked, told, and understood when they refuse."""

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
    """How to reach a board, and which it is."""


SettingsT = TypeVar("SettingsT", bound=ModbusBoardSettings)


class ModbusBoard(Generic[SettingsT]):
    """A board with relays and inputs at addresses of their own. Its pulses are the affair of subclasses."""

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
        """See `Board`."""
        self.link = await self.links.modbus(self.settings)
        return await self._identify()

    @abstractmethod
    async def _identify(self) -> Identity:
        """Which board it is, having looked whether it is set as it must be; raises LinkError."""

    async def read_inputs(self) -> tuple[bool, ...]:
        """See `Board`."""
        return await self._ask(ReadBits(Function.READ_INPUTS, self.input_address, self.inputs), "its inputs")

    async def read_relays(self) -> tuple[bool, ...]:
        """See `Board`."""
        return await self._ask(ReadBits(Function.READ_COILS, self.relay_address, self.relays), "its relays")

    async def _ask(self, question: ModbusRequest[AnswerT], about: str) -> AnswerT:
        """Ask for what such a board must know; raises LinkError."""
        try:
            return await self.link.request(question)
        except ModbusExceptionResponse as refused:
            text = f"{self._description} does not tell {about}: {refused}."
            if refused.is_wrong_board:
                how = "Correct `model`, `port` and `unit`: another board answers."
                raise LinkError(Cause.WRONG_DEVICE, text, Action.CONFIGURE, how) from None
            cause = Cause.NO_RESPONSE if refused.is_temporary else Cause.DEVICE_FAULT
            how = "If it stays so, switch the board off and on; check its bus."
            raise LinkError(cause, text, Action.CALL_SUPPORT, how) from None

    async def _write(
        self, command: ModbusRequest[bool], *, urgent: bool, wanted: Callable[[], bool] = lambda: True
    ) -> None:
        """Tell it to do something; raises Withdrawn, DeviceRefused and LinkError."""
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
        """The board is not set as it must be."""
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
        f"The board says that something went wrong: {refused}. It may have acted all the same.",
        Action.CALL_SUPPORT,
        "Look at the barrier; switch the board off and on if it repeats.",
    ) from None


class BoardTimedModbus(ModbusBoard[SettingsT]):
    """A board that opens a relay by itself when the time that it was given is over."""

    pulse_end = PulseEnd.BOARD_TIMED

    def __init__(self, settings: SettingsT, links: LinkFactory) -> None:
        super().__init__(settings, links)
        self._releases = 0

    @abstractmethod
    def _pulse(self, relay: int, for_s: float) -> WriteSingle:
        """The frame."""

    async def pulse_relay(self, relay: int, for_s: float, *, urgent: bool = False) -> None:
        """See `Board`."""
        releases = self._releases
        try:
            await self._write(
                self._pulse(relay, for_s), urgent=urgent, wanted=lambda: releases == self._releases
            )
        except RequestCancelled:
            raise BoardRefused(CANCELLED_BY_RELEASE) from None

    async def open_all_relays(self) -> None:
        """See `Board`."""
        self._releases += 1
        await self._open_all()

    async def close(self) -> None:
        """See `Board`: it ends its pulses itself."""
        self._releases += 1


class HostTimedModbus(ModbusBoard[SettingsT], HostTimedBoard):
    """A board that is told to close a relay, and told to open it."""

    def __init__(self, settings: SettingsT, links: LinkFactory) -> None:
        HostTimedBoard.__init__(self)
        super().__init__(settings, links)

    async def open(self) -> Identity:
        """See `Board`. A relay that is closed already is nobody's pulse: it must open first."""
        identity = await super().open()
        if True in (closed := await super().read_relays()):
            raise relay_closed_error(closed.index(True))
        return identity

    async def read_inputs(self) -> tuple[bool, ...]:
        """See `Board`."""
        self._raise_if_stuck()
        return await super().read_inputs()

    async def read_relays(self) -> tuple[bool, ...]:
        """See `Board`."""
        self._raise_if_stuck()
        return await super().read_relays()

    async def _switch_relay(
        self, relay: int, closed: bool, *, urgent: bool, wanted: Callable[[], bool]
    ) -> None:
        command = WriteSingle(Function.WRITE_COIL, self.relay_address + relay, ON if closed else OFF)
        await self._write(command, urgent=urgent, wanted=wanted)

    async def close(self) -> None:
        """See `Board`."""
        await self._open_on_close()
