"""Barriers on relay and input boards with Modbus, over TCP or on a serial line."""

from pydantic import Field

from drivers.barrier.board import Board
from drivers.barrier.board_settings import BoardBarrierSettings
from drivers.barrier.boards.registry import AnyModbusBoard
from drivers.barrier.driver import BarrierDriver
from drivers.links.recording import dissect as meanings


class ModbusBarrierSettings(BoardBarrierSettings):
    """Settings of one barrier and its board."""

    board: AnyModbusBoard = Field(description="Board with the relays of the barrier.")


class ModbusBarrier(BarrierDriver[ModbusBarrierSettings]):
    """A barrier on a Modbus board: Waveshare, Wiren Board, KMtronic, or another make by its register map."""

    settings_model = ModbusBarrierSettings
    describe_chunk = staticmethod(meanings.describe_modbus)

    def build_board(self) -> Board:
        """Implement `BarrierDriver.build_board`."""
        return self.settings.build_board(self.links)
