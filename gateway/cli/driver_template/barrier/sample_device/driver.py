"""Sample device: a barrier on a board with a serial port. Source: SHEET.md.

`BarrierDriver` does all that moves: it has the state machine, the commands (`open`, `close`, `stop` ...) and the events of
every barrier. Read `drivers/barrier/SAFETY.md` before a real barrier is connected.
"""

from drivers.barrier.board import Board
from drivers.barrier.board_settings import BoardBarrierSettings
from drivers.barrier.driver import BarrierDriver
from pydantic import Field

from sample_device.board import SampleBoardSettings


class SampleDeviceSettings(BoardBarrierSettings):
    """Settings of one barrier and its board."""

    board: SampleBoardSettings = Field(description="Board with the relays of the barrier.")


class SampleDevice(BarrierDriver[SampleDeviceSettings]):
    """A barrier on this board."""

    driver_api = 1
    settings_model = SampleDeviceSettings

    def build_board(self) -> Board:
        """Build the board of these settings."""
        return self.settings.build_board(self.links)
