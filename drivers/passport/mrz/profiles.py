"""Issuers that depart from Doc 9303, one table each.

Sources: the layouts and digits of the French and Swiss documents agree with PRADO and with the published
specimens in the tests of the `mrz` packages of npm (cheminfo). The places in Kenyan and Ugandan cards are
those of two public readers, which agree; an unconfirmed field is noted in every reading. Long Belgian and
Portuguese numbers need no profile: both readings of 9303-5 are accepted from every issuer.
"""

import re
from dataclasses import replace

from drivers.passport.mrz.layouts import (
    ICAO,
    TD1,
    TD1_COMPOSITE,
    TD3,
    TD3_OPTIONAL,
    CheckDigitLayout,
    MrzLayout,
)
from drivers.passport.mrz.model import DeviationCode, MrzDeviation, MrzFormat, MrzProfile

# Until August 2021. The surname has line 1, the given names a field of their own; number = year and month
# of issue, department, serial number. There is no date of expiry. The composite sums both lines.
FRA_ID = MrzLayout(
    format=MrzFormat.FRA_ID,
    profile=MrzProfile.FRA_ID,
    lengths=(36, 36),
    marks=re.compile("IDFRA"),
    code=slice(0, 2),
    issuer=slice(2, 5),
    name=slice(5, 30),
    optional=(slice(30, 36),),
    number=slice(36, 48),
    issue=slice(36, 40),
    given_names=slice(49, 63),
    birth=slice(63, 69),
    sex=70,
    digits=(
        CheckDigitLayout("document_number", 48, ((slice(36, 48),),)),
        CheckDigitLayout("birth_date", 69, ((slice(63, 69),),)),
        CheckDigitLayout("composite", 71, ((slice(0, 71),),)),
    ),
)

# Both digits sum from the first character of the line, document code included.
FRA_LICENCE = MrzLayout(
    format=MrzFormat.FRA_LICENCE,
    profile=MrzProfile.FRA_LICENCE,
    lengths=(30,),
    marks=re.compile("D1FRA"),
    code=slice(0, 2),
    issuer=slice(2, 5),
    number=slice(5, 14),
    expiry=slice(15, 21),
    name=slice(21, 29),
    digits=(
        CheckDigitLayout("document_number", 14, ((slice(0, 14),),)),
        CheckDigitLayout("composite", 29, ((slice(0, 29),),)),
    ),
)

# Line 1 is the number of the blank with a letter for the language. No digit anywhere.
CHE_LICENCE = MrzLayout(
    format=MrzFormat.CHE_LICENCE,
    profile=MrzProfile.CHE_LICENCE,
    lengths=(9, 30, 30),
    marks=re.compile(".{9}FACHE"),
    code=slice(9, 11),
    issuer=slice(11, 14),
    number=slice(14, 26),
    second_number=slice(0, 9),
    birth=slice(28, 34),
    name=slice(39, 69),
    digits=(),
)

_KENYAN_NOTES = (
    MrzDeviation(
        code=DeviationCode.NUMBER_UNNAMED,
        field="second_number",
        text="Two numbers are printed; public sources differ on which is the identity number.",
    ),
    MrzDeviation(
        code=DeviationCode.EXPIRY_UNVERIFIED,
        field="expiry_date",
        text="The date in the place of the expiry is not confirmed to be one; it may be the date of issue.",
    ),
)

# Newer cards: a TD1 whose second optional field holds the second number.
KEN_ID = replace(
    TD1,
    profile=MrzProfile.KEN_ID,
    marks=re.compile("IDKEN|IDKYA.{40}KEN", re.DOTALL),
    second_number=slice(48, 59),
    surname_unmarked=True,
    notes=_KENYAN_NOTES,
)

# Older cards print KYA, which is no code, and have no nationality: the second number takes its place too, and
# the composite sums it.
KYA_ID = replace(
    KEN_ID,
    marks=re.compile("IDKYA"),
    nationality=None,
    second_number=slice(45, 59),
    optional=(slice(15, 30), slice(45, 59)),
    digits=(
        *TD1.digits[:3],
        CheckDigitLayout("composite", 59, ((*TD1_COMPOSITE[:3], slice(45, 59)), TD1_COMPOSITE)),
    ),
)

# National identity number (14 characters) in the first optional field, date of issue in the second.
UGA_ID = replace(
    TD1,
    profile=MrzProfile.UGA_ID,
    marks=re.compile("I.UGA", re.DOTALL),
    second_number=slice(15, 30),
    issue=slice(48, 54),
)

# Until the citizen service number (BSN) left the zone: nine digits, and a digit for the field at its end.
NLD_ID = replace(
    TD1,
    profile=MrzProfile.NLD_ID,
    marks=re.compile("I.NLD.{10}[0-9]{9}<{5}[0-9]", re.DOTALL),
    second_number=slice(15, 24),
    optional=(slice(15, 29), slice(48, 59)),
    long_number=None,
    digits=(*TD1.digits[:3], CheckDigitLayout("optional_data", 29, ((slice(15, 29),),)), TD1.digits[3]),
)

# Cyrillic letters without a Latin equivalent are printed as digits (3 for che, 4 for sha, 8 for ia ...). The
# expiry is empty. The last digit of the series is the first character of the optional data.
RUS_INTERNAL = replace(
    TD3,
    profile=MrzProfile.RUS_INTERNAL,
    marks=re.compile("PNRUS"),
    name_digits=True,
    notes=(
        MrzDeviation(
            code=DeviationCode.NUMBER_SPLIT,
            field="document_number",
            text="One digit of the number is in the optional data.",
        ),
    ),
)

# Another number of the issuer fills the optional data up to the composite, without a digit for the field.
USA_PASSPORT = replace(
    TD3,
    profile=MrzProfile.USA_PASSPORT,
    marks=re.compile("P.USA", re.DOTALL),
    digits=(*TD3.digits[:3], replace(TD3_OPTIONAL, free=True), TD3.digits[4]),
)

LAYOUTS = (
    FRA_ID,
    FRA_LICENCE,
    CHE_LICENCE,
    KEN_ID,
    KYA_ID,
    UGA_ID,
    NLD_ID,
    RUS_INTERNAL,
    USA_PASSPORT,
    *ICAO,
)
"""All layouts, those of single issuers before the general ones."""
