"""Driver that writes each command to its line, and ends it when the line answers.

The line proves what happened: a command that was never started wrote nothing to it.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from typing import ClassVar

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
from drivers.observation import Observation

if __package__:  # imported by tests, without its folder on the path
    from support.plugins.plugin_words import VOCABULARY, Called, CommandNoted, Open, Opened
else:
    from plugin_words import VOCABULARY, Called, CommandNoted, Open, Opened

SECRET = "WANJIKU"


class ScriptedDriver(Driver[SerialSettings]):
    """One line written is one command started; one line read is its end."""

    family = Family("test_device")
    vocabulary = VOCABULARY
    settings_model = SerialSettings
    observation_types: ClassVar[tuple[type[Observation], ...]] = (CommandNoted,)

    async def open(self) -> Identity:
        """Open the port."""
        self.link = await self.links.serial(self.settings)
        self.lines: asyncio.Queue[str] = asyncio.Queue()
        self.said: asyncio.Queue[Observation | Status] = asyncio.Queue()
        return Identity(model="scripted")

    async def watch(self) -> AsyncIterator[Observation | Status]:
        """Yield notes of commands, and the states that the line sends."""
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
                        self.said.put_nowait(Status(StateCode(word), cause, "as the line says", action))
                    case _:
                        self.lines.put_nowait(line.decode())

    async def _tell(self, verb: str, call: Invocation) -> None:
        await self.link.write(f"{verb} {call.issuer} {call.id}\n".encode())
        self.said.put_nowait(CommandNoted(verb=verb, transaction=call.transaction))

    @command(is_movement=True)
    async def open_up(self, request: Open, call: Invocation) -> Opened:
        """Start, and end as the line says."""
        await self._tell("open-up", call)
        match await self.lines.get():
            case "opened":
                return Opened(width_cm=request.width_cm)
            case "jammed":
                raise CommandFailure(RefusalReason.TIMED_OUT, "It did not end in time.")
            case "cut":
                raise LinkError(Cause.LINK_FAILED, "The cable is cut.", Action.REPLUG, "Mend it.")
            case "crash":
                os._exit(3)
            case "hang":
                time.sleep(3600)
        raise ValueError(f"cannot understand {SECRET}")

    @command()
    async def look(self, request: CommandArguments, call: Invocation) -> Called:
        """Return the time of the call."""
        called_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        await self._tell("look", call)
        return Called(called_ns=called_ns)

    @command(is_movement=True)
    async def refuse(self, request: CommandArguments, call: Invocation) -> CommandOutput:
        """Refuse."""
        raise CommandRefusal(RefusalReason.UNSAFE, "A person is in the way.")

    @command(is_urgent=True, is_movement=True)
    async def stop(self, request: CommandArguments, call: Invocation) -> CommandOutput:
        """Stop."""
        await self._tell("stop", call)
        return CommandOutput()
