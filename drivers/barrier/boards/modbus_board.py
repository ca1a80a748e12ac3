"""What all boards on Modbus have in common: how they are asked, told, and understood when they refuse."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Generic, NoReturn, TypeVar

from drivers.barrier.board import BoardSettings, DeviceRefused, PulseEnd
from drivers.barrier.boards.host_timed import OVERTAKEN, HostTimed, closed_before
from drivers.driver import Identity
from drivers.links.factory import Links
from drivers.links.link import Action, Cause, LinkError
from drivers.links.modbus.link import ModbusLink, ModbusSettings
from drivers.links.modbus.pdu import (
    OFF,
    ON,
    Function,
    ModbusRefused,
    ReadBits,
    Request,
    Write,
    WriteCoils,
)
from drivers.links.request_queue import Withdrawn

AnswerT = TypeVar("AnswerT")


class ModbusBoardSettings(ModbusSettings, BoardSettings):
    """How to reach a board, and which it is."""


SettingsT = TypeVar("SettingsT", bound=ModbusBoardSettings)


class ModbusBoard(Generic[SettingsT]):
    """A board with relays and inputs at addresses of their own. Its pulses are the affair of subclasses."""

    relays: int
    inputs: int
    pulse_end: PulseEnd
    released_within_s: float
    relays_at = 0
    inputs_at = 0

    def __init__(self, settings: SettingsT, links: Links) -> None:
        self.settings = settings
        self.links = links
        self.answer_within_s = settings.answer_within_s
        self.link: ModbusLink

    async def open(self) -> Identity:
        """See `Board`."""
        self.link = await self.links.modbus(self.settings)
        return await self._who()

    @abstractmethod
    async def _who(self) -> Identity:
        """Which board it is, having looked whether it is set as it must be; raises LinkError."""

    async def sense(self) -> tuple[bool, ...]:
        """See `Board`."""
        return await self._ask(ReadBits(Function.READ_INPUTS, self.inputs_at, self.inputs), "its inputs")

    async def closed_relays(self) -> tuple[bool, ...]:
        """See `Board`."""
        return await self._ask(ReadBits(Function.READ_COILS, self.relays_at, self.relays), "its relays")

    async def _ask(self, question: Request[AnswerT], about: str) -> AnswerT:
        """Ask for what such a board must know; raises LinkError."""
        try:
            return await self.link.ask(question)
        except ModbusRefused as refused:
            text = f"{self._named} does not tell {about}: {refused}."
            if refused.other_board:
                how = "Correct `model`, `port` and `unit`: another board answers."
                raise LinkError(Cause.WRONG_DEVICE, text, Action.CONFIGURE, how) from None
            cause = Cause.NO_ANSWER if refused.for_now else Cause.DEVICE_FAULT
            how = "If it stays so, switch the board off and on; check its bus."
            raise LinkError(cause, text, Action.CALL, how) from None

    async def _tell(
        self, command: Request[bool], *, urgent: bool, wanted: Callable[[], bool] = lambda: True
    ) -> None:
        """Tell it to do something; raises Withdrawn, DeviceRefused and LinkError."""
        try:
            await self.link.ask(command, urgent=urgent, wanted=wanted)
        except ModbusRefused as refused:
            _raise_as_meant(refused)

    async def _open_all(self) -> None:
        await self._tell(WriteCoils(self.relays_at, (False,) * self.relays), urgent=True)

    @property
    def _named(self) -> str:
        return f"The board at {self.settings.port} (unit {self.settings.unit})"

    def not_set_up(self, text: str, how: str) -> LinkError:
        """The board is not set as it must be."""
        return LinkError(
            Cause.WRONG_DEVICE,
            f"{self._named} {text}.",
            Action.CONFIGURE,
            how,
        )


def _raise_as_meant(refused: ModbusRefused) -> NoReturn:
    if refused.nothing_done:
        raise DeviceRefused(f"The board refused: {refused}.") from None
    raise LinkError(
        Cause.DEVICE_FAULT,
        f"The board says that something went wrong: {refused}. It may have acted all the same.",
        Action.CALL,
        "Look at the barrier; switch the board off and on if it repeats.",
    ) from None


class BoardTimed(ModbusBoard[SettingsT]):
    """A board that opens a relay by itself when the time that it was given is over."""

    pulse_end = PulseEnd.BOARD_TIMED

    def __init__(self, settings: SettingsT, links: Links) -> None:
        super().__init__(settings, links)
        self._releases = 0

    @abstractmethod
    def _pulse(self, relay: int, for_s: float) -> Write:
        """The frame."""

    async def pulse(self, relay: int, for_s: float, *, urgent: bool = False) -> None:
        """See `Board`."""
        releases = self._releases
        try:
            await self._tell(
                self._pulse(relay, for_s), urgent=urgent, wanted=lambda: releases == self._releases
            )
        except Withdrawn:
            raise DeviceRefused(OVERTAKEN) from None

    async def release(self) -> None:
        """See `Board`."""
        self._releases += 1
        await self._open_all()

    async def close(self) -> None:
        """See `Board`: it ends its pulses itself."""
        self._releases += 1


class HostTimedModbus(ModbusBoard[SettingsT], HostTimed):
    """A board that is told to close a relay, and told to open it."""

    def __init__(self, settings: SettingsT, links: Links) -> None:
        HostTimed.__init__(self)
        super().__init__(settings, links)

    async def open(self) -> Identity:
        """See `Board`. A relay that is closed already is nobody's pulse: it must open first."""
        identity = await super().open()
        if True in (closed := await super().closed_relays()):
            raise closed_before(closed.index(True))
        return identity

    async def sense(self) -> tuple[bool, ...]:
        """See `Board`."""
        self._usable()
        return await super().sense()

    async def closed_relays(self) -> tuple[bool, ...]:
        """See `Board`."""
        self._usable()
        return await super().closed_relays()

    async def _switch(self, relay: int, closed: bool, *, urgent: bool, wanted: Callable[[], bool]) -> None:
        command = Write(Function.WRITE_COIL, self.relays_at + relay, ON if closed else OFF)
        await self._tell(command, urgent=urgent, wanted=wanted)

    async def close(self) -> None:
        """See `Board`."""
        await self._let_go()
