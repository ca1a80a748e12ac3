"""Run by test_pcsc.py in a network of its own: real driver, pty and pcscd; only card and reader are not.

`BORDERPOST_CARDS` sets how often a document is laid down and taken away.
"""

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.readers import FRAMES

from drivers.links.link import Cause, LinkError
from drivers.links.links import Links
from drivers.observation import Outcome
from drivers.passport.mrz_serial import MrzSerial, MrzSerialSettings
from drivers.passport.observations import ChipRead, DocumentRead, DocumentRemoved, Ended, MrzRead
from simulators.errors import SimulatorError
from simulators.mrz import Document, Format
from simulators.passport.chip import (
    Access,
    ActiveAuthentication,
    Chip,
    Cipher,
    IssuingState,
    Profile,
    VpcdSlot,
)
from simulators.passport.chip import faults as fault
from simulators.serial_line import SerialLine
from simulators.travellers import Travellers

UTOPIA = IssuingState.found()
TRAVELLERS = Travellers(20261124)
TIMES = int(os.environ.get("BORDERPOST_CARDS", "6"))
QUICK = Profile(access=Access.PACE, chip_authentication=(Cipher.AES_128,), details=False)


class Post:
    """A swipe reader on a pty, a chip reader on vpcd, and the driver that has both."""

    def __init__(self, wire: SerialLine, slot: VpcdSlot, driver: MrzSerial) -> None:
        self.slot, self._wire = slot, wire
        self.said: list[Any] = []
        self._listening = asyncio.create_task(self._listen(driver))

    async def _listen(self, driver: MrzSerial) -> None:
        async with contextlib.aclosing(driver.watch()) as observations:
            async for observation in observations:
                self.said.append(observation)

    async def present(self, document: Document, chip: Chip | None) -> DocumentRead:
        """Swipe and lay down; returns the sum of what was read."""
        self.said.clear()
        if chip is not None:
            await patiently(lambda: self.slot.insert(chip))
        await self._wire.send(FRAMES["text"](document.lines))
        return await self.until(DocumentRead)

    async def until(self, kind: type[Any]) -> Any:
        async with asyncio.timeout(30):
            while not (found := [one for one in self.said if isinstance(one, kind)]):
                assert not self._listening.done(), self._listening.exception()
                await asyncio.sleep(0.005)
        return found[0]

    async def take_away(self) -> None:
        await self.slot.remove()
        await self.until(DocumentRemoved)

    async def close(self) -> None:
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)


async def patiently(what: Any) -> None:
    """pcscd looks at its slots a few times a second, and holds the port of a card that left until then."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await what()
            except (SimulatorError, LinkError):
                await asyncio.sleep(0.05)


@pytest.fixture
async def post(tmp_path: Path) -> AsyncIterator[Post]:
    trust = tmp_path / "trust"
    trust.mkdir()
    (trust / "csca.cer").write_bytes(UTOPIA.csca.der)
    (trust / "csca.crl").write_bytes(UTOPIA.crl())
    links = Links()

    async def service_is_up() -> None:
        async with links.smart_card("Virtual PCD 00 00"):
            pass

    await patiently(service_is_up)
    assert links.simulated, "a virtual reader is known for what it is"
    async with SerialLine.at(tmp_path / "port", settle_s=0.001, look_s=0.002) as wire, VpcdSlot() as slot:
        settings = MrzSerialSettings.model_validate(
            {
                "port": str(tmp_path / "port"),
                "framing": "text",
                "chip": {"reader": "Virtual PCD 00 00", "trust": [str(trust)], "wait_s": 5},
            }
        )
        driver = MrzSerial(settings, links)
        await driver.open()
        await wire.host_opened()
        running = Post(wire, slot, driver)
        try:
            yield running
        finally:
            await running.close()
            await slot.remove()
            await driver.close()
            await links.close()
            await asyncio.get_running_loop().shutdown_default_executor()


@pytest.mark.parametrize(
    ("profile", "check"),
    [
        (QUICK, "chip.chip_authentication"),
        (
            Profile(access=Access.BAC, active_authentication=ActiveAuthentication.RSA_SHA1),
            "chip.active_authentication",
        ),
    ],
)
async def test_a_genuine_document_is_read_and_proved(post: Post, profile: Profile, check: str) -> None:
    document = TRAVELLERS.document(Format.TD3, issuer="UTO")
    read = await post.present(document, Chip.issued(document, UTOPIA, profile))
    outcomes = {made.id: made.outcome for made in read.checks}
    assert outcomes[check] is Outcome.SUCCESSFUL
    assert outcomes["chip.dsc_signature"] is Outcome.SUCCESSFUL
    assert outcomes["combined.mrz_vs_dg1"] is Outcome.SUCCESSFUL
    assert read.overall is Outcome.SUCCESSFUL
    assert (await post.until(ChipRead)).attachments[0].role == "chip_face"
    await post.take_away()
    assert isinstance(post.said[0], MrzRead)


async def test_removal_at_any_command_gives_aborted_checks_and_a_clean_next_read(post: Post) -> None:
    document = TRAVELLERS.document(Format.TD3, issuer="UTO")
    commands = (await post.present(document, Chip.issued(document, UTOPIA, QUICK))).chip.commands
    await post.take_away()
    every = range(1, commands + 1) if TIMES > 100 else (1, 2, 7, commands // 2, commands)
    for at in every:
        read = await post.present(document, Chip.issued(document, UTOPIA, QUICK, [fault.Removed(at=at)]))
        assert read.ended is Ended.REMOVED, at
        assert {made.outcome for made in read.checks if made.reason == "card_removed"} == {Outcome.ABORTED}
        assert Outcome.FAILED not in {made.outcome for made in read.checks}
        await post.until(DocumentRemoved)
    read = await post.present(document, Chip.issued(document, UTOPIA, QUICK))
    assert read.overall is Outcome.SUCCESSFUL


async def test_documents_come_and_go_and_nothing_is_left_of_them(post: Post) -> None:
    def here() -> tuple[int, int]:
        return threading.active_count(), len([*Path("/proc/self/fd").iterdir()])

    before = None
    for number in range(TIMES):
        document = TRAVELLERS.document(Format.TD3, issuer="UTO")
        read = await post.present(document, Chip.issued(document, UTOPIA, QUICK))
        # Some travellers come with a passport that has expired.
        assert {made.id for made in read.checks if made.outcome is Outcome.FAILED} <= {"combined.not_expired"}
        assert read.chip.lines == document.lines
        await post.take_away()
        threads, descriptors = here()
        before = before or (threads, descriptors)
        assert threads <= before[0] + 2, "threads of the loop's own executor"
        assert descriptors <= before[1] + 1


async def test_a_document_without_a_chip_and_a_reader_that_is_not_there(post: Post) -> None:
    document = TRAVELLERS.document(Format.TD3, issuer="UTO")
    read = await post.present(document, None)
    (check,) = [made for made in read.checks if made.id == "chip.access"]
    assert (check.outcome, check.reason) == (Outcome.UNDETERMINED, "chip_expected")

    with pytest.raises(LinkError, match=r'No chip reader "ACS" .* knows: "Virtual PCD') as caught:
        async with Links().smart_card("ACS"):
            pass
    assert caught.value.cause is Cause.NO_DEVICE
    with pytest.raises(LinkError, match="2 slots begin with") as caught:
        async with Links().smart_card("Virtual"):
            pass
    assert caught.value.cause is Cause.AMBIGUOUS
