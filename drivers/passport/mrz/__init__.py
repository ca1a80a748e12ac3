"""Machine readable zones: parser, checks and, for simulators and tests, generator.

Source: ICAO Doc 9303, parts 3 to 7, and the issuers in `profiles` that depart from it. No I/O, no clock.
"""

from drivers.passport.mrz.checks import mrz_checks
from drivers.passport.mrz.codes import CODES
from drivers.passport.mrz.digits import check_digit
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
from drivers.passport.mrz.unreadable import ZoneFault, find_zone_fault

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
    "ZoneFault",
    "check_digit",
    "find_zone_fault",
    "generate",
    "mrz_checks",
    "parse",
    "transliterate",
]
