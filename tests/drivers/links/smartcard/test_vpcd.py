"""Chips of a simulated post: read over TCP, without a smart card service."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import ValidationError
from support.patience import PATIENCE_S

from drivers.links.factory import LinkFactory
from drivers.links.link import Cause, LinkError
from drivers.observation import Outcome
from drivers.passport.chip_reading import ChipReader, ChipSettings
from drivers.passport.chip_result import ChipResult
from drivers.passport.emrtd import TrustStore
from drivers.passport.read_result import parse_mrz
from simulators.mrz import Format
from simulators.passport.chip import Chip, IssuingState
from simulators.passport.chip import faults as fault
from simulators.passport.chip.listening_slot import ListeningSlot
from simulators.travellers import TravellerGenerator

UTOPIA = IssuingState.create()
TRAVELLER = TravellerGenerator(7).document(Format.TD3)


@pytest.fixture
async def slot() -> AsyncIterator[ListeningSlot]:
    async with ListeningSlot() as slot:
        yield slot


def reader_at(port: int, **settings: Any) -> ChipReader:
    trust = TrustStore.from_bytes(UTOPIA.csca.der, UTOPIA.crl())
    return ChipReader(ChipSettings(reader=f"vpcd://127.0.0.1:{port}", **settings), LinkFactory(), trust)


async def read(chips: ChipReader) -> ChipResult | None:
    async with asyncio.timeout(PATIENCE_S):
        steps = [step async for step in chips.read(parse_mrz(TRAVELLER.lines))]
    return next((step for step in steps if isinstance(step, ChipResult)), None)


@pytest.mark.parametrize(
    ("faults", "attempts", "trusted"),
    [
        ((), 1, Outcome.SUCCESSFUL),
        ((fault.FieldLoss(at=20, for_s=0.05),), 2, Outcome.SUCCESSFUL),
        ((fault.CardRemoval(at=20),), 1, Outcome.ABORTED),
    ],
    ids=["whole", "lost and found again", "removed"],
)
async def test_chip_is_read(
    slot: ListeningSlot, faults: tuple[fault.ChipFault, ...], attempts: int, trusted: Outcome
) -> None:
    await slot.place(Chip.issue(TRAVELLER, UTOPIA, faults=faults))
    chips = reader_at(slot.port, return_timeout_s=30 if attempts > 1 else 0)
    result = await read(chips)
    assert result is not None
    assert result.attempts == attempts
    assert {check.outcome for check in result.checks if check.id == "chip.trust"} <= {trusted}
    assert (result.face is not None) is (trusted is Outcome.SUCCESSFUL)
    assert chips._links.is_simulated


async def test_slot_without_chip_yields_nothing(slot: ListeningSlot) -> None:
    assert await read(reader_at(slot.port, card_timeout_s=0.1)) is None


async def test_chip_that_is_placed_later_is_read(slot: ListeningSlot) -> None:
    reading = asyncio.create_task(read(reader_at(slot.port, card_timeout_s=60)))
    await asyncio.sleep(0)
    await slot.place(Chip.issue(TRAVELLER, UTOPIA))
    assert await reading is not None


async def test_removal_is_noticed(slot: ListeningSlot) -> None:
    await slot.place(Chip.issue(TRAVELLER, UTOPIA))
    waiting = asyncio.create_task(reader_at(slot.port).wait_until_removed())
    await asyncio.sleep(0.05)
    assert not waiting.done()
    await slot.remove()
    async with asyncio.timeout(PATIENCE_S):
        await waiting


async def test_absent_slot_says_what_to_do() -> None:
    async with ListeningSlot() as gone:
        port = gone.port
    with pytest.raises(LinkError) as caught:
        await read(reader_at(port))
    assert caught.value.cause is Cause.NO_RESPONSE
    assert f"vpcd://127.0.0.1:{port}" in caught.value.text


@pytest.mark.parametrize("address", ["vpcd://127.0.0.1", "vpcd://:1", "vpcd:1"])
def test_wrong_address_is_refused(address: str) -> None:
    with pytest.raises(ValidationError, match="vpcd://HOST:PORT"):
        ChipSettings(reader=address)


def test_rights_are_those_of_its_connection() -> None:
    rights = ChipSettings(reader="vpcd://127.0.0.1:35963").link_rights()
    assert {(host.name, host.port) for host in rights.hosts} == {("127.0.0.1", 35963)}
    assert not rights.local_sockets
