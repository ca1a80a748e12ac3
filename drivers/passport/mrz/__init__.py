"""Machine readable zones: parser, checks and, for simulators and tests, generator.

Source: ICAO Doc 9303, parts 3 to 7, and the issuers in `profiles` that depart from it. No I/O, no clock.
"""

from drivers.passport.mrz.checks import check_digit, mrz_checks
from drivers.passport.mrz.codes import CODES
from drivers.passport.mrz.generator import Holder, LongNumberDigit, TravelDocument, generate
from drivers.passport.mrz.model import (
    DeviationCode,
    DigitCheck,
    DigitResult,
    Mrz,
    MrzDate,
    MrzDeviation,
    MrzFormat,
    MrzProfile,
    Sex,
)
from drivers.passport.mrz.names import Truncation
from drivers.passport.mrz.parser import parse
from drivers.passport.mrz.transliteration import Language, transliterate

__all__ = [
    "CODES",
    "DeviationCode",
    "DigitCheck",
    "DigitResult",
    "Holder",
    "Language",
    "LongNumberDigit",
    "Mrz",
    "MrzDate",
    "MrzDeviation",
    "MrzFormat",
    "MrzProfile",
    "Sex",
    "TravelDocument",
    "Truncation",
    "check_digit",
    "generate",
    "mrz_checks",
    "parse",
    "transliterate",
]
