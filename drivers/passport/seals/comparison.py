"""Comparison of a seal with the printed zone of the same document, and of its validity with the day."""

import re
from collections.abc import Iterator
from datetime import date
from itertools import permutations

from drivers.observation import Check
from drivers.passport.check_results import MRZ_VS_SEAL, SEAL, SEAL_NOT_EXPIRED
from drivers.passport.mrz import DigitResult, Mrz, MrzFormat
from drivers.passport.seals.idb.model import Idb
from drivers.passport.seals.model import FeatureName, Vds, VdsNc
from drivers.passport.seals.parts import SealHolder

# Part of the joined lines that a visa's seal repeats; optional data follows.
_COMPARED = {MrzFormat.MRV_A: 44 + 28, MrzFormat.MRV_B: 36 + 28}
_MAX_LINES = 3
_SEXES = {"male": "M", "female": "F"}
# Health certificates may state a year alone, IDB may mask digits: what is unknown is not compared.
_WHOLE_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T.*)?")
_VISAS = frozenset({MrzFormat.MRV_A, MrzFormat.MRV_B})
# Document whose number a feature is, by the zone that is printed beside it.
_NUMBERS = {
    FeatureName.PASSPORT_NUMBER: frozenset({MrzFormat.TD3}),
    FeatureName.DOCUMENT_NUMBER: frozenset({MrzFormat.TD1, MrzFormat.TD2, MrzFormat.TD3}),
}


def mrz_vs_seal(printed: Mrz | None, seal: Vds | VdsNc | Idb) -> Check:
    """Compare character by character when both have the same zone, else number, birth and sex.

    A difference fails, unless the reader reported that it did not see the zone completely.
    """
    if printed is None:
        return SEAL.undetermined(MRZ_VS_SEAL, "no_printed_mrz")
    match seal:
        case Vds():
            return _result(printed, _of_vds(printed, seal))
        case Idb():
            return _result(printed, _of_idb(printed, seal))
        case VdsNc():
            return mrz_vs_holder(printed, seal.holder)


def mrz_vs_holder(printed: Mrz | None, holder: SealHolder | None) -> Check:
    """Compare number, birth and sex of the holder where both are stated; never the spelling of a name."""
    if printed is None:
        return SEAL.undetermined(MRZ_VS_SEAL, "no_printed_mrz")
    return _result(printed, _of_holder(printed, holder or SealHolder()))


def seal_not_expired(valid_from: date | None, valid_until: date | None, today: date) -> Check:
    """Compare the validity that a barcode states with today; both ends count as valid."""
    if valid_from is not None and today < valid_from:
        return SEAL.failed(SEAL_NOT_EXPIRED, "seal_not_yet_valid")
    if valid_until is None:
        return SEAL.not_supported(SEAL_NOT_EXPIRED, "no_expiry")
    if today > valid_until:
        return SEAL.failed(SEAL_NOT_EXPIRED, "seal_expired")
    return SEAL.successful(SEAL_NOT_EXPIRED)


def _result(printed: Mrz, compared: Iterator[bool]) -> Check:
    identifier, agreements = MRZ_VS_SEAL, tuple(compared)
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


def _of_idb(printed: Mrz, seal: Idb) -> Iterator[bool]:
    """Yield for each field that both have, true when it is equal; the zone alone if it is the same one."""
    if seal.mrz is not None and (
        seal.mrz.format is printed.format or {seal.mrz.format, printed.format} == _VISAS
    ):
        yield _same_zone(printed, seal.mrz)
        return
    passport = seal.text_at("1.5", "6.3")
    number = passport if printed.format is MrzFormat.TD3 else None
    yield from _of_holder(
        printed,
        SealHolder(
            document_number=number or seal.text_at("3.5", "5.7"),
            birth_date=seal.text_at("3.3", "4.5", "5.5", "6.4"),
            sex=seal.text_at("4.6", "6.6"),
        ),
    )


def _same_zone(printed: Mrz, sealed: Mrz) -> bool:
    compared = _COMPARED.get(printed.format)
    lines = printed.lines
    orders = permutations(lines) if len(lines) <= _MAX_LINES else (lines,)
    return "".join(sealed.lines)[:compared] in {"".join(order)[:compared] for order in orders}


def _of_holder(printed: Mrz, holder: SealHolder) -> Iterator[bool]:
    if holder.document_number:
        yield _plain(holder.document_number) == _plain(printed.document_number)
    birth = printed.birth_date.as_date() if printed.birth_date else None
    if holder.birth_date and _WHOLE_DATE.fullmatch(holder.birth_date) and birth is not None:
        # The century of a printed date is inferred, so only the printed part is compared.
        yield holder.birth_date[2:10] == birth.isoformat()[2:]
    sex = _SEXES.get(holder.sex or "", holder.sex)
    if sex in {"M", "F"} and printed.sex in {"M", "F"}:
        yield sex == printed.sex


def _plain(number: str) -> str:
    """Remove the separators that zones, seals and people write between the characters of a number."""
    return "".join(c for c in number.upper() if c.isalnum())
