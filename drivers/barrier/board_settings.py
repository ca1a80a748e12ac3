"""Settings of a barrier that hangs on a board: which board, and why it must not hang on that one."""

from typing import Self

from pydantic import Field, model_validator

from drivers.barrier.board import Board, BoardSettings
from drivers.barrier.boards.composite import Joined
from drivers.barrier.boards.registry import AnyWithInputs
from drivers.barrier.wiring import BarrierSettings
from drivers.links.factory import Links


class OnABoard(BarrierSettings):
    """Settings of a barrier that hangs on one board, or on the relays of one and the inputs of another."""

    board: BoardSettings = Field(description="The board whose relays work the barrier.")
    inputs_from: AnyWithInputs | None = Field(
        None, description="Another board: its inputs are counted on after those of the first."
    )

    @model_validator(mode="after")
    def _may_hang_on_it(self) -> Self:
        board = self.boards(Links())
        if not board.inputs:
            raise ValueError(
                "the board has no inputs, so nothing would sense the barrier; wire its limit switches to "
                "another board and name that as `inputs_from`"
            )
        if (objection := self.objection(board)) is not None:
            raise ValueError(f"a barrier must not hang on this board; {objection}")
        return self

    def boards(self, links: Links) -> Board:
        """The board, or both as one, not yet opened."""
        first = self.board.board(links)
        return first if self.inputs_from is None else Joined(first, self.inputs_from.board(links))
