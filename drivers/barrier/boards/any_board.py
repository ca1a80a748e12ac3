"""Every board that a barrier's configuration may name, by its `model`."""

from typing import Annotated

from pydantic import Field

from drivers.barrier.boards.generic import GenericSettings
from drivers.barrier.boards.kmtronic import KMtronicSettings
from drivers.barrier.boards.waveshare import WaveshareSettings
from drivers.barrier.boards.wirenboard import WirenBoardSettings

AnyModbusBoard = Annotated[
    WaveshareSettings | WirenBoardSettings | KMtronicSettings | GenericSettings, Field(discriminator="model")
]
