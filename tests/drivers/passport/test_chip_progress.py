"""Progress and end of a chip's read: which steps are told, and how the document's end is named."""

import asyncio
from typing import Any

import pytest

from drivers.links.link import Action, Cause, LinkError
from drivers.observation import Check, CheckGroup, Outcome
from drivers.passport.chip_reading import _ended, _is_notable, slot_failed_status
from drivers.passport.chip_result import ChipProgress, ChipResult, ChipStage
from drivers.passport.observations import TransactionEnd


def reading(bytes_read: int | None, file: str = "DG2", total: int | None = 1000) -> ChipProgress:
    return ChipProgress(stage=ChipStage.READING, file=file, bytes_read=bytes_read, bytes_total=total)


@pytest.mark.parametrize(
    ("last", "now", "told"),
    [
        (None, reading(4), True),
        (reading(4), reading(249), False),
        (reading(4), reading(250), True),
        (reading(249), reading(250), True),
        (reading(250), reading(499), False),
        (reading(250), reading(1000), True),
        (reading(4), reading(4, "DG1"), True),
        (reading(4), ChipProgress(stage=ChipStage.AUTHENTICATION, file="DG2"), True),
        (reading(4), reading(900, total=None), False),
        (reading(4), reading(None), False),
        (reading(None), reading(900), False),
        (reading(0, total=0), reading(0, total=0), False),
    ],
)
def test_progress_is_told_in_quarters(last: ChipProgress | None, now: ChipProgress, told: bool) -> None:
    assert _is_notable(last, now) is told


def result(reason: str | None) -> ChipResult:
    outcome = Outcome.ABORTED if reason else Outcome.SUCCESSFUL
    check = Check(id="chip.access", group=CheckGroup.ELECTRONIC, outcome=outcome, reason=reason)
    return ChipResult(checks=(check,))


CUT, WHOLE = result("card_removed"), result(None)
LOST = LinkError(Cause.UNPLUGGED, "gone", Action.REPLUG)


@pytest.mark.parametrize(
    ("made", "upcoming", "ended"),
    [
        (WHOLE, None, TransactionEnd.COMPLETE),
        (WHOLE, "zone", TransactionEnd.COMPLETE),
        (WHOLE, LOST, TransactionEnd.COMPLETE),
        (CUT, None, TransactionEnd.REMOVED),
        (CUT, "zone", TransactionEnd.REPLACED),
        (CUT, LOST, TransactionEnd.READER_LOST),
        (None, None, TransactionEnd.COMPLETE),
        (None, "zone", TransactionEnd.REPLACED),
        (None, LOST, TransactionEnd.READER_LOST),
        (result("chip_error"), None, TransactionEnd.COMPLETE),
    ],
)
async def test_how_a_document_ended(made: ChipResult | None, upcoming: Any, ended: TransactionEnd) -> None:
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    if isinstance(upcoming, Exception):
        future.set_exception(upcoming)
        future.exception()
    elif upcoming is not None:
        future.set_result(upcoming)

    assert _ended(made, future) is ended


async def test_cancelled_reader_is_not_lost() -> None:
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    future.cancel()

    assert _ended(CUT, future) is TransactionEnd.REPLACED


def test_failed_slot_aborts_the_access() -> None:
    check = slot_failed_status(LinkError(Cause.NO_RESPONSE, "No service.", Action.RESTART, "Start it."))
    assert (check.id, check.group, check.outcome) == ("chip.access", CheckGroup.ELECTRONIC, Outcome.ABORTED)
    assert (check.reason, check.text) == ("no_response", "No service. Start it.")
    assert slot_failed_status(LOST).text == "gone"
