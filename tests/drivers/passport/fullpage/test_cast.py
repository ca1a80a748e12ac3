"""The cast as a test: of each member, a driver says exactly what stands with it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fullpage_fixture import FullPageFixture, fullpage_fixture
from support.ports import free_port

from drivers.observation import Check, Outcome
from drivers.passport.observations import DocumentRead, DocumentRemoved, ReadTrigger, TransactionEnd
from drivers.passport.read_result import today
from drivers.passport.transaction import DocumentTransaction
from simulators.cast.member import MADE_BY_NO_READER, Statement
from simulators.cast.members import CAST

UNREMARKABLE = (Outcome.SUCCESSFUL, Outcome.NOT_SUPPORTED)
EVERY_MEMBER = pytest.mark.parametrize(
    "name",
    [
        name if number % 6 == 0 else pytest.param(name, marks=pytest.mark.thorough)
        for number, name in enumerate(CAST)
    ],
)
"""Each takes most of a second: every sixth is in the daily tests."""


@pytest.fixture(params=["document-bridge", pytest.param("desko", marks=pytest.mark.thorough)])
async def reader(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[FullPageFixture]:
    """Run a reader with three lights and chips, and a driver with the certificates of the issuing state."""
    port, trust = free_port(), tmp_path / "trust"
    chip = {"reader": f"vpcd://127.0.0.1:{port}", "trust": (trust,), "card_timeout_s": 0.3}
    async with fullpage_fixture(
        request.param, {"chip": {"port": port, "trust": trust}}, chip=chip
    ) as fixture:
        yield fixture


def remarkable(checks: tuple[Check, ...]) -> dict[str, tuple[str, str | None]]:
    """Return outcome and reason of the checks that are not successful."""
    return {
        one.id: (str(one.outcome), one.reason)
        for one in checks
        if one.outcome not in UNREMARKABLE and one.reason != "no_access"
    }


def agree(found: tuple[str, str | None], expected: Statement) -> bool:
    return found[0] == expected.outcome and expected.reason in (None, found[1])


@EVERY_MEMBER
async def test_reader_with_lights_and_chips_says_what_stands_with_member(
    reader: FullPageFixture, name: str
) -> None:
    member = CAST[name]
    if member.presentation().has_front:
        await reader.device.handle_command("insert", {"member": name, "front": True})
        await reader.next(DocumentRead)
        await reader.device.handle_command("remove", {})
        await reader.next(DocumentRemoved)
    answer = await reader.device.handle_command("insert", {"member": name})
    read = await reader.next(DocumentRead)
    found = remarkable(read.checks)
    expected = {check: says for check, says in member.says.items() if is_made_by_page_reader(check)}
    assert found.keys() == expected.keys()
    assert [check for check in expected if not agree(found[check], expected[check])] == []
    assert answer["truth"]["says"].keys() == member.says.keys()
    deviations = () if read.mrz is None else read.mrz.deviations
    assert {str(one.code) for one in deviations} >= set(member.deviations)


def is_made_by_page_reader(check: str) -> bool:
    """Tell whether a check is made: seals are read by other readers."""
    return check not in MADE_BY_NO_READER and not check.startswith("seal.")


WITH_ZONE = [name for name, one in CAST.items() if one.presentation().lines]


@pytest.mark.parametrize("name", WITH_ZONE)
def test_swipe_says_its_part_of_it(name: str) -> None:
    transaction = DocumentTransaction(ReadTrigger.INSERT, today())
    transaction.on_placed()
    transaction.on_mrz(CAST[name].presentation().lines)
    checks = transaction.result(TransactionEnd.COMPLETE).checks
    made = {one.id for one in checks}
    expected = {check for check in CAST[name].says if check in made}
    assert remarkable(checks).keys() == expected


def test_cast_is_the_forty_eight_of_the_exercises() -> None:
    assert [one.number for one in CAST.values()] == list(range(1, 49))


def test_green_is_not_genuine() -> None:
    false = [one for one in CAST.values() if not one.genuine]
    assert any(not one.says for one in false)
    assert any(one.says for one in CAST.values() if one.genuine)
    assert all(one.forged and one.shows for one in false)
    assert not any(one.forged for one in CAST.values() if one.genuine)
