"""Signed barcodes that are texts: their content as of one day, and the checks that did not succeed."""

from datetime import date

from drivers.passport.mrz import Mrz
from drivers.passport.mrz.parser import parse
from drivers.passport.seals import Barcode
from drivers.passport.seals.checks import seal_checks
from drivers.passport.seals.hcert.trust_list import HealthTrustLists
from drivers.passport.seals.payload import parse_barcode
from drivers.passport.seals.store import SealSignerStore

TODAY = date(2027, 3, 1)
NAMES = (
    "seal.readable",
    "seal.signature",
    "seal.certificate",
    "seal.issuing_state",
    "combined.mrz_vs_seal",
    "seal.not_expired",
)
"""Identifiers of the checks of such a barcode, in their order."""
PASSPORT = ("P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F3204153ZE184226B<<<<<16")
PRINTED = parse(PASSPORT, TODAY)

Reasons = dict[str, tuple[str, str | None]]


def read(text: str, today: date = TODAY) -> Barcode:
    return parse_barcode(text.encode(), None, today)


def reasons(
    text: str,
    store: SealSignerStore | None,
    printed: Mrz | None = None,
    today: date = TODAY,
    health: HealthTrustLists | None = None,
) -> Reasons:
    """Return outcome and reason of each check that did not succeed."""
    checks = seal_checks(read(text, today), printed, store, today, health)
    assert tuple(check.id for check in checks) == NAMES
    assert all(check.text for check in checks if check.reason)
    return {check.id: (check.outcome.value, check.reason) for check in checks if check.reason}
