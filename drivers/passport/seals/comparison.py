"""Comparison of the printed zone with the seal of the same document."""

from collections.abc import Iterator
from itertools import permutations

from drivers.observation import Check
from drivers.passport.check_results import MRZ_VS_SEAL, SEAL
from drivers.passport.mrz import DigitResult, Mrz, MrzFormat
from drivers.passport.seals.model import FeatureName, SealHolder, Vds, VdsNc

# Part of the joined lines that a visa's seal repeats; optional data follows.
_COMPARED = {MrzFormat.MRV_A: 44 + 28, MrzFormat.MRV_B: 36 + 28}
_MAX_LINES = 3
_VISAS = frozenset({MrzFormat.MRV_A, MrzFormat.MRV_B})
# Document whose number a feature is, by the zone that is printed beside it.
_NUMBERS = {
    FeatureName.PASSPORT_NUMBER: frozenset({MrzFormat.TD3}),
    FeatureName.DOCUMENT_NUMBER: frozenset({MrzFormat.TD1, MrzFormat.TD2, MrzFormat.TD3}),
}


def mrz_vs_seal(printed: Mrz | None, seal: Vds | VdsNc) -> Check:
    """Compare character by character when both have the same zone, else number, birth and sex.

    A difference fails, unless the reader reported that it did not see the zone completely.
    """
    identifier = MRZ_VS_SEAL
    if printed is None:
        return SEAL.undetermined(identifier, "no_printed_mrz")
    agreements = tuple(
        _of_vds(printed, seal) if isinstance(seal, Vds) else _of_holder(printed, seal.holder or SealHolder())
    )
    if not agreements:
        return SEAL.undetermined(identifier, "nothing_in_common")
    if all(agreements):
        return SEAL.successful(identifier)
    if any(digit.result is DigitResult.UNREADABLE for digit in printed.digits):
        return SEAL.undetermined(identifier, "printed_unreadable")
    return SEAL.failed(identifier, "differs_from_seal")


def _of_vds(printed: Mrz, seal: Vds) -> Iterator[bool]:
    """Yield for each field that both have, true when it is equal.

    A seal on a visa or permit also names the passport, and a sticker the card it is on: when the printed zone
    is that of the passport or card, their numbers are compared.
    """
    if seal.mrz is not None and (
        seal.mrz.format is printed.format or {seal.mrz.format, printed.format} == _VISAS
    ):
        yield _same_zone(printed, seal.mrz)
        return
    for name, beside in _NUMBERS.items():
        number = seal.text_of(name)
        if number and printed.format in beside:
            yield _plain(number) == _plain(printed.document_number)


def _same_zone(printed: Mrz, sealed: Mrz) -> bool:
    compared = _COMPARED.get(printed.format)
    lines = printed.lines
    orders = permutations(lines) if len(lines) <= _MAX_LINES else (lines,)
    return "".join(sealed.lines)[:compared] in {"".join(order)[:compared] for order in orders}


def _of_holder(printed: Mrz, holder: SealHolder) -> Iterator[bool]:
    if holder.document_number:
        yield _plain(holder.document_number) == _plain(printed.document_number)
    birth = printed.birth_date.as_date() if printed.birth_date else None
    if holder.birth_date and birth is not None:
        # The century of a printed date is inferred, so only the printed part is compared.
        yield holder.birth_date[2:] == birth.isoformat()[2:]
    if holder.sex in {"M", "F"} and printed.sex in {"M", "F"}:
        yield holder.sex == printed.sex


def _plain(number: str) -> str:
    """Remove the separators that zones, seals and people write between the characters of a number."""
    return "".join(c for c in number.upper() if c.isalnum())
