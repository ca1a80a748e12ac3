"""An endless, seeded sequence of vehicles, with invented plates of Utopia."""

from collections.abc import Iterator
from random import Random
from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

Direction = Literal["in", "out"]
_LETTERS = "ABCDEFGHJKLMNPRSTVWXYZ"


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class Vehicle:
    """A vehicle that passes a camera."""

    plate: Annotated[str, Field(max_length=64)]
    country: Annotated[str, Field(max_length=16)] = "UTO"
    """Three letters, as in ISO 3166-1 and Doc 9303."""
    direction: Direction = "in"
    lane: Annotated[int, Field(ge=1, le=99)] = 1
    confidence: Annotated[int, Field(ge=0, le=100)] = 95
    """Confidence of the camera in the plate, in percent."""


class Vehicles(Iterator[Vehicle]):
    """A sequence of vehicles; the n-th of a seed is always the same."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self._count = 0

    def __next__(self) -> Vehicle:
        self._count += 1
        chance = Random(f"{self.seed}/{self._count}")
        letters = "".join(chance.choices(_LETTERS, k=2))
        return Vehicle(
            plate=f"UT {chance.randrange(1000):03} {letters}",
            direction=chance.choice(("in", "out")),
            confidence=chance.randint(70, 99),
        )
