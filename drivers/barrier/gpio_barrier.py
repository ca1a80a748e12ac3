"""Barriers on GPIO lines of the gateway's own machine."""

from pydantic import Field

from drivers.barrier.board import Board
from drivers.barrier.board_settings import BoardBarrierSettings
from drivers.barrier.boards.gpio import GpioBoardSettings
from drivers.barrier.driver import BarrierDriver


class GpioBarrierSettings(BoardBarrierSettings):
    """Settings of one barrier and its lines."""

    board: GpioBoardSettings = Field(description="Board with the relays of the barrier.")


class GpioBarrier(BarrierDriver[GpioBarrierSettings]):
    """A barrier whose relays and inputs are lines of a GPIO chip."""

    settings_model = GpioBarrierSettings

    def build_board(self) -> Board:
        """Implement `BarrierDriver.build_board`."""
        return self.settings.build_board(self.links)
