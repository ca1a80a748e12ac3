"""One document in pieces: no claim about unseen parts."""

from datetime import date

import pytest

from drivers.observation import Check, CheckGroup, Outcome
from drivers.passport.mrz import MrzFormat
from drivers.passport.observations import DocumentArea, IlluminationType, ReadTrigger, TransactionEnd
from drivers.passport.transaction import DocumentTransaction
from simulators.specimens import ERIKSSON_LINES

TODAY = date(2012, 4, 1)
PASSPORT = ERIKSSON_LINES["TD3"]
CARD = ERIKSSON_LINES["TD1"]
EXPECTED = ("optical.ir_ab_mr", "optical.uv_br_fu")
ZONE = ("mrz.check_digits", "combined.not_expired")


def begun(**more: object) -> DocumentTransaction:
    return DocumentTransaction(ReadTrigger.INSERT, TODAY, **more)  # type: ignore[arg-type]


def made(transaction: DocumentTransaction) -> dict[str, tuple[Outcome, str | None]]:
    return {check.id: (check.outcome, check.reason) for check in transaction.result().checks}


def test_all_events_share_transaction() -> None:
    transaction = begun()
    observations = [
        transaction.on_placed(),
        transaction.on_mrz(PASSPORT),
        transaction.on_image(IlluminationType.VISIBLE, DocumentArea.PAGE, "image/jpeg", b"x"),
        transaction.result(),
        transaction.on_removed(TransactionEnd.COMPLETE),
    ]
    assert {observation.transaction for observation in observations} == {transaction.id}


def test_result_sums_up() -> None:
    transaction = begun()
    transaction.on_mrz(PASSPORT)
    image = transaction.on_image(IlluminationType.INFRARED, DocumentArea.PAGE, "image/jpeg", b"x")
    read = transaction.result()
    assert read.mrz is not None
    assert read.mrz.format is MrzFormat.TD3
    assert (read.lines, read.overall_outcome) == (PASSPORT, Outcome.SUCCESSFUL)
    assert [one.sha256 for one in read.images] == [image.attachments[0].sha256]
    assert image.attachments[0].role == "page_infrared"


def test_page_without_a_zone_has_none() -> None:
    assert made(begun()) == dict.fromkeys(ZONE, (Outcome.NOT_SUPPORTED, "no_mrz"))


@pytest.mark.parametrize(
    ("ended", "reason"),
    [
        (TransactionEnd.REMOVED, "document_removed"),
        (TransactionEnd.REPLACED, "document_replaced"),
        (TransactionEnd.READER_LOST, "reader_lost"),
    ],
)
def test_unread_parts_are_aborted(ended: TransactionEnd, reason: str) -> None:
    transaction = begun()
    cut = transaction.on_interrupted(ended, EXPECTED)
    assert {check.outcome for check in cut.checks} == {Outcome.ABORTED}
    assert made(transaction) == dict.fromkeys((*ZONE, *EXPECTED), (Outcome.ABORTED, reason))
    assert transaction.result(ended).overall_outcome is Outcome.ABORTED


def test_earlier_parts_are_kept() -> None:
    transaction = begun()
    transaction.on_mrz(PASSPORT)
    failed = Check(id=EXPECTED[0], group=CheckGroup.OPTICAL, outcome=Outcome.FAILED)
    transaction.on_checks([failed])
    assert [check.id for check in transaction.on_interrupted(TransactionEnd.REMOVED, EXPECTED).checks] == [
        EXPECTED[1]
    ]
    assert made(transaction)[ZONE[0]] == (Outcome.SUCCESSFUL, None)
    assert transaction.result(TransactionEnd.REMOVED).overall_outcome is Outcome.FAILED


def test_nothing_aborted_after_full_read() -> None:
    transaction = begun()
    transaction.on_mrz(PASSPORT)
    assert transaction.on_interrupted(TransactionEnd.REMOVED, ()).checks == ()


def test_aborted_checks_keep_groups() -> None:
    cut = begun().on_interrupted(TransactionEnd.REMOVED, ("chip.access", "seal.signature", "odd"))
    groups = {check.id: check.group for check in cut.checks}
    assert groups == {
        "mrz.check_digits": CheckGroup.OPTICAL,
        "combined.not_expired": CheckGroup.COMBINED,
        "chip.access": CheckGroup.ELECTRONIC,
        "seal.signature": CheckGroup.SEAL,
        "odd": CheckGroup.UNKNOWN,
    }


@pytest.mark.parametrize(
    ("first", "second", "joined"),
    [((), CARD, True), (CARD, (), True), (CARD, CARD, False), ((), (), False), ((), PASSPORT, False)],
)
def test_one_side_of_card_has_zone(first: tuple[str, ...], second: tuple[str, ...], joined: bool) -> None:
    one = begun()
    if first:
        one.on_mrz(first)
    two = begun(before=one.side())
    if second:
        two.on_mrz(second)
    read = two.result()
    assert read.previous_side_transaction == (one.id if joined else None)
    assert ("combined.both_sides" in {check.id for check in read.checks}) is joined


@pytest.mark.parametrize(
    ("expected", "lines", "outcome"),
    [
        ("always", CARD, Outcome.UNDETERMINED),
        ("passports", CARD, Outcome.NOT_SUPPORTED),
        ("passports", PASSPORT, Outcome.UNDETERMINED),
        ("never", PASSPORT, Outcome.NOT_SUPPORTED),
    ],
)
def test_missing_chip_counts_if_expected(expected: str, lines: tuple[str, ...], outcome: Outcome) -> None:
    transaction = begun()
    transaction.on_mrz(lines)
    (check,) = transaction.on_no_chip(expected).checks  # type: ignore[arg-type]
    assert (check.id, check.outcome) == ("chip.access", outcome)
