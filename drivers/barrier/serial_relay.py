"""Barriers on relay boards with a serial port of their own: Numato, LCUS."""

from pydantic import Field

from drivers.barrier.board import Board
from drivers.barrier.board_settings import BoardBarrierSettings
from drivers.barrier.boards.registry import AnySerialBoard
from drivers.barrier.driver import BarrierDriver


class SerialRelaySettings(BoardBarrierSettings):
    """Settings of one barrier and its board."""

    board: AnySerialBoard = Field(description="Board with the relays of the barrier.")


class SerialRelay(BarrierDriver[SerialRelaySettings]):
    """A barrier on a Numato or LCUS board."""

    settings_model = SerialRelaySettings

    def build_board(self) -> Board:
        """Implement `BarrierDriver.build_board`."""
        return self.settings.build_board(self.links)
