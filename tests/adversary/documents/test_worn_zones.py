"""Worn zones: none raises, none is repaired silently, none is called absent, none passes that cannot be.

12,000 zones in `make adversary`, a sample of them in `make test`. `pytest -s` prints the outcomes by kind.
"""

from collections import Counter

import pytest
from adversary.documents.worn_zones import KINDS, Lines, worn_zones

from drivers.observation import Check, Outcome
from drivers.passport.mrz import Mrz, MrzDate, Sex
from drivers.passport.observations import DocumentRead, ReadTrigger
from drivers.passport.read_result import decode_text, document_read, parse_mrz, split_lines

DIGITS, LETTERS = set("0123456789"), set("ABCDEFGHIJKLMNOPQRSTUVWXYZ")


def read(worn: Lines) -> DocumentRead:
    """Read lines as every driver of a reader with frames of its own does."""
    wire = "\r".join(worn).encode()
    lines = split_lines(decode_text(wire))
    return document_read(lines, parse_mrz(lines), ReadTrigger.SWIPE, wire)


def is_date(value: MrzDate | None) -> bool:
    """Return true when each part is two digits or two fillers, and a calendar can have the day."""
    if value is None:
        return True
    parts = [value.raw[:2], value.raw[2:4], value.raw[4:]]
    if not all(part == "<<" or set(part) <= DIGITS for part in parts):
        return False
    return "<<" in parts or value.as_date() is not None


def impossible_fields(mrz: Mrz) -> set[str]:
    """Return the fields that no print can have as they were read."""
    possible = {
        "birth": is_date(mrz.birth_date),
        "expiry": is_date(mrz.expiry_date),
        "digits": all(
            set(digit.printed) <= DIGITS | {"<"} for digit in mrz.digits if digit.result != "absent"
        ),
        "number": bool(mrz.document_number) and not mrz.document_number.startswith("<"),
        "issuer": set(mrz.issuer) <= LETTERS,
        "nationality": mrz.nationality is None or set(mrz.nationality) <= LETTERS,
        "sex": mrz.sex is not Sex.UNKNOWN,
        "name": mrz.profile == "rus_internal"
        or not DIGITS & set(mrz.primary_identifier + mrz.secondary_identifier),
        "primary": bool(mrz.primary_identifier),
        "code": set(mrz.document_code) <= LETTERS | DIGITS,
    }
    return {name for name, is_possible in possible.items() if not is_possible}


def verify(worn: Lines) -> Check:
    """Read a worn zone and verify every promise; return the check of its digits."""
    found = read(worn)
    digits, expiry = found.checks
    assert digits.reason != "no_mrz"
    assert expiry.reason != "no_mrz"
    assert found.lines == tuple(line for line in worn if line.strip())
    if found.mrz is None:
        assert digits.outcome is Outcome.UNDETERMINED
        assert "ine" in (digits.text or ""), "the text names a line"
    else:
        given = "".join(worn)
        assert set(found.mrz.lines) <= set(worn)
        assert found.mrz.birth_date is None or found.mrz.birth_date.raw in given
        assert found.mrz.expiry_date is None or found.mrz.expiry_date.raw in given
        words = f"{found.mrz.primary_identifier} {found.mrz.secondary_identifier}".split()
        assert all(word in given for word in (*words, found.mrz.issuer, found.mrz.nationality or ""))
        if impossible_fields(found.mrz):
            assert digits.outcome is not Outcome.SUCCESSFUL, impossible_fields(found.mrz)
            assert found.overall_outcome is not Outcome.SUCCESSFUL
    return digits


def outcomes(kind: str, count: int) -> Counter[str]:
    """Verify so many zones of a kind and count the outcomes of their check digits."""
    counted: Counter[str] = Counter()
    for sound, worn in worn_zones(kind, count):
        made = verify(worn)
        text = made.text or ""
        assert not any(
            word in text for line in sound for word in line.replace("<", " ").split() if len(word) > 8
        )
        counted[f"{made.outcome}/{made.reason or '-'}"] += 1
    print(f"{kind}: {dict(counted.most_common())}")
    return counted


@pytest.mark.parametrize("kind", KINDS)
def test_worn_zone_is_never_absent(kind: str) -> None:
    assert outcomes(kind, 60).total() == 60


@pytest.mark.thorough
@pytest.mark.parametrize("kind", KINDS)
def test_two_thousand_worn_zones(kind: str) -> None:
    assert outcomes(kind, 2000).total() == 2000


def test_letter_in_date_never_passes() -> None:
    """Every letter in every place of both dates of a passport: 23 of 1,000 keep all digits right."""
    upper, lower = (
        "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<",
        "L898902C36UTO7408122F1204159ZE184226B<<<<<10",
    )
    for at in (*range(13, 20), *range(21, 28)):
        for letter in sorted(LETTERS):
            found = read((upper, lower[:at] + letter + lower[at + 1 :]))
            assert found.checks[0].outcome is Outcome.UNDETERMINED, (at, letter)
            assert f"place {at + 1})" in (found.checks[0].text or "")
