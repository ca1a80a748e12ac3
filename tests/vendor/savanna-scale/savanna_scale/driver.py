"""Savanna's scale. Source: its sheet: lines `W kilograms label`, and `T`, answered by `Z kilograms`."""

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from typing import Any, ClassVar

from drivers.anonymize.anonymizer import Anonymized, join_chunks, replace_chunks
from drivers.anonymize.pseudonyms import Pseudonymizer
from drivers.command import Invocation, command
from drivers.driver import BadFrame, Driver, Family, Identity
from drivers.links.recording.recording import Entry
from drivers.links.tcp import TcpSettings
from drivers.observation import Observation
from drivers.self_test import SelfTestContext, SelfTestLevel, SelfTestStep
from savanna_scale.vocabulary import VOCABULARY, Tare, TareResult, Weighed

LOAD = re.compile(rb"W ([0-9]{1,3}\.[0-9]) ([A-Z]{1,30})")
ZERO = re.compile(rb"Z ([0-9]{1,3}\.[0-9])")


class Scale(Driver[TcpSettings]):
    """A scale on the network."""

    driver_api = 1
    family = Family("savanna")
    settings_model = TcpSettings
    vocabulary = VOCABULARY
    observation_types: ClassVar[tuple[type[Observation], ...]] = (Weighed,)
    anonymizer = "savanna_scale.driver:anonymize"
    self_test_levels = (SelfTestLevel.INTERNAL,)
    _zero: "asyncio.Future[float] | None" = None

    async def open(self) -> Identity:
        """Connect."""
        self.link = await self.links.tcp(self.settings)
        return Identity(model="Savanna 2")

    async def watch(self) -> AsyncGenerator[Observation | BadFrame]:
        """Yield each load."""
        rest = b""
        while True:
            *lines, rest = (rest[-100:] + await self.link.read()).split(b"\n")
            for line in lines:
                if (load := LOAD.fullmatch(line)) is not None:
                    yield Weighed(kilograms=float(load[1]), label=load[2].decode(), wire=line)
                elif (zero := ZERO.fullmatch(line)) is not None and self._zero is not None:
                    self._zero.set_result(float(zero[1]))
                elif line == b"? BROKEN":
                    raise ValueError("the scale is broken, says its driver")
                else:
                    yield BadFrame("malformed", line)

    @command()
    async def tare(self, _request: Tare, _call: Invocation) -> TareResult:
        """Set the present load as zero."""
        self._zero = asyncio.get_running_loop().create_future()
        await self.link.write(b"T\n")
        return TareResult(kilograms=await self._zero)

    async def self_test(self, _trial: SelfTestContext) -> AsyncGenerator[SelfTestStep]:
        """Report nothing but that the test ran."""
        yield SelfTestStep(name="scale.level", outcome="successful", text="The scale stands level.")


def anonymize(_settings: Any, entries: Sequence[Entry], pseudonymizer: Pseudonymizer) -> Anonymized:
    """Replace the names on labels."""

    def renamed(found: "re.Match[bytes]") -> bytes:
        name = found[2].decode()
        pseudonymizer.add_marks(name)
        return b"W " + found[1] + b" " + pseudonymizer.pseudonym("label", name).encode()

    received, sent = join_chunks(entries, "in", 1), join_chunks(entries, "out", 1)
    return Anonymized(replace_chunks(entries, in_=LOAD.sub(renamed, received.data), out=sent.data))
