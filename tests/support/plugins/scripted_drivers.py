"""A driver that obeys: what it is told it writes on its wire, and what comes back on the wire ends it.

Its wire is the witness: a command that was never begun left no line there.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from typing import ClassVar

from pydantic import Field

from drivers.command import (
    CommandArguments,
    CommandFailure,
    CommandOutput,
    CommandRefusal,
    Invocation,
    RefusalReason,
    command,
)
from drivers.driver import Driver, Family, Identity, StateCode, Status
from drivers.links.link import Action, Cause, LinkError
from drivers.links.serial import SerialSettings
from drivers.observation import DataClass, DataModel, Observation

SECRET = "WANJIKU"


class CommandNoted(Observation):
    """It was told something."""

    event_type: ClassVar[str] = "test.told"
    data_class: ClassVar[DataClass] = DataClass.RECORD
    verb: str = Field(description="What it was told.", examples=["open"])


class Gently(DataModel):
    speed: int = Field(1, ge=1, le=9, description="How fast, in steps.", examples=[1])


class Open(CommandArguments):
    """Open."""

    unredacted_fields = frozenset({"width_cm"})

    width_cm: int = Field(10, ge=1, le=100, description="How far, in centimetres.", examples=[10])
    plate: str = Field("", max_length=20, description="For whom.", examples=["KAA 001A"])
    gently: Gently | None = Field(None, description="How.", examples=[None])


class Opened(CommandOutput):
    width_cm: int = Field(description="How far it is open, in centimetres.", examples=[10])


class Called(CommandOutput):
    called_ns: int = Field(description="When, by the boot clock, in nanoseconds.", examples=[1])


class ScriptedDriver(Driver[SerialSettings]):
    """One line to the wire is one command begun; one line from the wire is its end."""

    family = Family.UNKNOWN
    settings_model = SerialSettings
    observation_types: ClassVar[tuple[type[Observation], ...]] = (CommandNoted,)

    async def open(self) -> Identity:
        """Open the port."""
        self.link = await self.links.serial(self.settings)
        self.lines: asyncio.Queue[str] = asyncio.Queue()
        self.said: asyncio.Queue[Observation | Status] = asyncio.Queue()
        return Identity(model="scripted")

    async def watch(self) -> AsyncIterator[Observation | Status]:
        """Pass on what commands say, and how the wire says that the device is."""
        reading = asyncio.create_task(self._read())
        try:
            while True:
                next_one = asyncio.create_task(self.said.get())
                await asyncio.wait({next_one, reading}, return_when=asyncio.FIRST_COMPLETED)
                if next_one.done():
                    yield next_one.result()
                else:
                    next_one.cancel()
                    await reading
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _read(self) -> None:
        rest = b""
        while True:
            *lines, rest = (rest + await self.link.read()).split(b"\n")
            for line in lines:
                match line.decode().split():
                    case ["condition", word]:
                        cause = None if word == "online" else Cause.UNKNOWN
                        action = Action.NONE if word == "online" else Action.WAIT
                        self.said.put_nowait(Status(StateCode(word), cause, "as the wire says", action))
                    case _:
                        self.lines.put_nowait(line.decode())

    async def _tell(self, verb: str, call: Invocation) -> None:
        await self.link.write(f"{verb} {call.issuer} {call.id}\n".encode())
        self.said.put_nowait(CommandNoted(verb=verb, transaction=call.transaction))

    @command(is_movement=True)
    async def open_up(self, request: Open, call: Invocation) -> Opened:
        """Begin, and end as the wire says."""
        await self._tell("open-up", call)
        match await self.lines.get():
            case "opened":
                return Opened(width_cm=request.width_cm)
            case "jammed":
                raise CommandFailure(RefusalReason.TIMED_OUT, "It did not come to its end.")
            case "cut":
                raise LinkError(Cause.LINK_FAILED, "The cable is cut.", Action.REPLUG, "Mend it.")
            case "crash":
                os._exit(3)
            case "hang":
                time.sleep(3600)
        raise ValueError(f"cannot understand {SECRET}")

    @command()
    async def look(self, request: CommandArguments, call: Invocation) -> Called:
        """Do nothing but note when."""
        called_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        await self._tell("look", call)
        return Called(called_ns=called_ns)

    @command(is_movement=True)
    async def refuse(self, request: CommandArguments, call: Invocation) -> CommandOutput:
        """Refuse."""
        raise CommandRefusal(RefusalReason.UNSAFE, "Somebody stands in it.")

    @command(is_urgent=True, is_movement=True)
    async def stop(self, request: CommandArguments, call: Invocation) -> CommandOutput:
        """Stop."""
        await self._tell("stop", call)
        return CommandOutput()
