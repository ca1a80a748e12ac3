"""Vocabulary of the device for the benchmark."""

from typing import ClassVar

from pydantic import Field

from drivers.command import CommandArguments, CommandOutput, CommandType
from drivers.observation import DataClass, Observation
from drivers.vocabulary import Vocabulary


class CallTime(CommandOutput):
    """Time of a command's execution."""

    called_ns: int = Field(description="Time by CLOCK_MONOTONIC, in nanoseconds.", examples=[1])


class LineReceived(Observation):
    """A line was received."""

    event_type: ClassVar[str] = "bench_push.line"
    data_class: ClassVar[DataClass] = DataClass.RECORD
    text: str = Field(description="The line.", examples=["#1"])


VOCABULARY = Vocabulary(
    "bench_push", 1, (LineReceived,), (CommandType("bench_push.open-up", CommandArguments, CallTime),)
)
