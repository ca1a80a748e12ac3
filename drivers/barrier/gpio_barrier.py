"""Barriers at GPIO lines of the machine itself."""

from pydantic import Field

from drivers.barrier.board import Board
from drivers.barrier.board_settings import BoardBarrierSettings
from drivers.barrier.boards.gpio import GpioBoardSettings
from drivers.barrier.driver import BarrierDriver


class GpioBarrierSettings(BoardBarrierSettings):
    """Settings of one barrier and its lines."""

    board: GpioBoardSettings = Field(description="The board whose relays work the barrier.")


class GpioBarrier(BarrierDriver[GpioBarrierSettings]):
    """A barrier whose relays and inputs hang on a GPIO chip."""

    settings_model = GpioBarrierSettings

    def build_board(self) -> Board:
        """See `BarrierDriver`."""
        return self.settings.build_board(self.links)
