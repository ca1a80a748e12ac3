"""Vehicles without end, seeded, with plates of Utopia that no vehicle bears."""

from collections.abc import Iterator
from random import Random
from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

Direction = Literal["in", "out"]
_LETTERS = "ABCDEFGHJKLMNPRSTVWXYZ"


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class Vehicle:
    """One that passes a camera."""

    plate: Annotated[str, Field(max_length=64)]
    country: Annotated[str, Field(max_length=16)] = "UTO"
    """Three letters, as ISO 3166-1 and Doc 9303 have them."""
    direction: Direction = "in"
    lane: Annotated[int, Field(ge=1, le=99)] = 1
    confidence: Annotated[int, Field(ge=0, le=100)] = 95
    """How sure the camera is of the plate, in percent."""


class Vehicles(Iterator[Vehicle]):
    """The n-th vehicle of a seed is always the same one."""

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
