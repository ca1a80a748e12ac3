"""Machine readable zones: models, which a workstation loads; parser, checks and generator are in the modules.

Source: ICAO Doc 9303, parts 3 to 7, and the issuers in `profiles` that depart from it. No I/O, no clock.
"""

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

__all__ = [
    "DeviationCode",
    "DigitCheck",
    "DigitResult",
    "Mrz",
    "MrzDate",
    "MrzDeviation",
    "MrzFormat",
    "MrzProfile",
    "Sex",
]
