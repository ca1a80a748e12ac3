"""Comparison of the printed zone with the zone in the chip."""

from itertools import permutations

from drivers.observation import Check
from drivers.passport.check_results import CHIP, MRZ_VS_DG1
from drivers.passport.emrtd.evidence import ChipEvidence
from drivers.passport.emrtd.transport.files import ElementaryFile
from drivers.passport.mrz import DigitResult, Mrz

_MAX_LINES = 3


def mrz_vs_dg1(printed: Mrz | None, lines: tuple[str, ...], evidence: ChipEvidence) -> Check:
    """Compare every character; lines in another order or in one piece are normalised first.

    A difference fails, unless the reader reported that it did not see the zone completely.
    """
    identifier = MRZ_VS_DG1
    if ElementaryFile.DG1 not in evidence.files:
        return evidence.missing_file_check(identifier, ElementaryFile.DG1)
    if not lines:
        return CHIP.undetermined(identifier, "dg1_malformed")
    if printed is None:
        return CHIP.undetermined(identifier, "no_printed_mrz")
    orders = permutations(printed.lines) if len(printed.lines) <= _MAX_LINES else (printed.lines,)
    if "".join(lines) in {"".join(order) for order in orders}:
        return CHIP.successful(identifier)
    if any(digit.result is DigitResult.UNREADABLE for digit in printed.digits):
        return CHIP.undetermined(identifier, "printed_unreadable")
    return CHIP.failed(identifier, "differs_from_chip")
