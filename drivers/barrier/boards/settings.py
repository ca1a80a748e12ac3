"""What the settings of all boards have in common."""

from abc import abstractmethod

from drivers.barrier.board import Board
from drivers.links.links import Links
from drivers.links.settings import Settings


class BoardSettings(Settings):
    """Settings of one board. Its `model` says which."""

    @abstractmethod
    def board(self, links: Links) -> Board:
        """The board, not yet opened."""
