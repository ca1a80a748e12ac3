"""Boards that a configuration may name, by their `model`."""

from typing import Annotated

from pydantic import Field

from drivers.barrier.boards.generic import GenericSettings
from drivers.barrier.boards.gpio import GpioBoardSettings
from drivers.barrier.boards.kmtronic import KMtronicSettings
from drivers.barrier.boards.lcus import LcusSettings
from drivers.barrier.boards.numato import NumatoSettings
from drivers.barrier.boards.waveshare import WaveshareSettings
from drivers.barrier.boards.wirenboard import WirenBoardSettings

AnyModbusBoard = Annotated[
    WaveshareSettings | WirenBoardSettings | KMtronicSettings | GenericSettings, Field(discriminator="model")
]
AnySerialBoard = Annotated[NumatoSettings | LcusSettings, Field(discriminator="model")]
AnyInputBoard = Annotated[
    WaveshareSettings | WirenBoardSettings | GenericSettings | NumatoSettings | GpioBoardSettings,
    Field(discriminator="model"),
]
