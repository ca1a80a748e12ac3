"""Settings of a barrier with its board, and the check that the board is suitable."""

from collections.abc import Iterator
from typing import Self

from pydantic import Field, model_validator

from drivers.barrier.board import Board, BoardSettings
from drivers.barrier.boards.composite import CompositeBoard
from drivers.barrier.boards.registry import AnyInputBoard
from drivers.barrier.safety.board_rules import board_addresses, board_violations, serial_port
from drivers.barrier.safety.violations import raise_violations
from drivers.barrier.wiring import BarrierSettings
from drivers.links.factory import LinkFactory


class BoardBarrierSettings(BarrierSettings):
    """Settings of a barrier on one board, or on the relays of one board and the inputs of another."""

    board: BoardSettings = Field(description="Board with the relays of the barrier.")
    inputs_from: AnyInputBoard | None = Field(
        default=None, description="Another board: its inputs are numbered after those of the first."
    )

    @model_validator(mode="after")
    def _may_hang_on_it(self) -> Self:
        board = self.build_board(LinkFactory())
        if not board.inputs:
            raise ValueError(
                "the board has no inputs, so the position of the barrier would be unknown; wire its limit "
                "switches to another board and write that as `inputs_from`"
            )
        if (objection := self.board_objection(board)) is not None:
            raise ValueError(f"a barrier must not be wired to this board; {objection}")
        raise_violations(self, board_violations(self, self.board, self.inputs_from))
        return self

    def exclusive_addresses(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Implement `Settings.exclusive_addresses`: a board has one master."""
        for key, board in (("board", self.board), ("inputs_from", self.inputs_from)):
            if board is not None:
                name = "chip" if hasattr(board, "chip") else "port"
                for address in board_addresses(board):
                    yield (key, name), address

    def serial_ports(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Implement `Settings.serial_ports`."""
        for key, board in (("board", self.board), ("inputs_from", self.inputs_from)):
            if port := serial_port(board):
                yield (key, "port"), port

    def build_board(self, links: LinkFactory) -> Board:
        """Build the board, or both boards as one, not opened yet."""
        first = self.board.build(links)
        return first if self.inputs_from is None else CompositeBoard(first, self.inputs_from.build(links))
