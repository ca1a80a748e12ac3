"""Documents of the cast: each function makes one of a member, or returns such a function."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from simulators.cast.member import BarcodeOrder, ChipOrder, Member, PhotoFault, Presentation, Statement
from simulators.mrz import Document, Format, check_digit
from simulators.passport.chip import faults
from simulators.passport.seals import faults as seals
from simulators.travellers import TravellerGenerator

VALID_DAYS = 900
"""Days for which the documents are still valid."""
NO_CHIP = Statement("undetermined", "chip_expected")
FOREIGN = "UNO"
"""Another issuer than the fictional state. A code that is in no list would be a defect of the zone too."""


def document_of(member: Member, **fields: str) -> Document:
    """Return the document of a member: the same person every day, with a document that is valid today."""
    expiry = f"{today() + timedelta(days=VALID_DAYS):%y%m%d}"
    given = {"code": "P", "issuer": "UTO", "nationality": "UTO", "expiry": expiry, "optional": ""} | fields
    return TravellerGenerator(9000 + member.number).document(Format.TD3, **given)


def today() -> datetime:
    """Return the present day, in UTC."""
    return datetime.now(UTC)


def whole(
    *chip_faults: faults.ChipFault, proves_original: bool = False, **fields: str
) -> Callable[[Member], Presentation]:
    """Return a maker of passports with a chip."""

    def make(member: Member) -> Presentation:
        document = document_of(member, **fields)
        chip = ChipOrder(document, chip_faults, proves_original)
        return Presentation(document, document.lines, chip=chip)

    return make


def without_chip(
    *, dull: bool = True, b900: bool = True, washed: bool = False, photo: PhotoFault = "", **fields: str
) -> Callable[[Member], Presentation]:
    """Return a maker of passports whose chip does not respond, or that have none.

    `photo`: `glued`, with paper that is bright in ultraviolet light, or `dyed`, with ink that vanishes in
    infrared light.
    """

    def make(member: Member) -> Presentation:
        document = document_of(member, **fields)
        return Presentation(
            document,
            document.lines,
            has_dull_paper=dull,
            has_b900_ink=b900,
            is_washed=washed,
            photo_fault=photo,
        )

    return make


def washed(member: Member) -> Presentation:
    """Make a page that detergent has made bright."""
    return replace(whole()(member), is_washed=True)


def expires_today(member: Member) -> Presentation:
    """Make a passport on its last day."""
    return whole(expiry=f"{today():%y%m%d}")(member)


def child(member: Member) -> Presentation:
    """Make the passport of a child of seven."""
    return whole(birth=f"{today() - timedelta(days=7 * 365):%y%m%d}")(member)


def altered_digit(member: Member) -> Presentation:
    """Print a later expiry without its check digits."""
    document = document_of(member)
    first, second = document.lines
    expiry, digit = second[21:27], second[27]
    # From 29 to 30 the digit stays the same by chance.
    later = next(
        date
        for date in (f"{int(expiry[:2]) + years:02d}{expiry[2:]}" for years in (1, 2))
        if check_digit(date) != digit
    )
    return Presentation(document, (first, second[:21] + later + second[27:]))


def altered_recomputed(member: Member) -> Presentation:
    """Print a later expiry with its check digits; the chip keeps the earlier one."""
    document = document_of(member)
    later = replace(document, expiry=f"{int(document.expiry[:2]) + 1:02d}{document.expiry[2:]}")
    return Presentation(later, later.lines, chip=ChipOrder(document))


def altered_name(member: Member) -> Presentation:
    """Print another name, which no check digit protects."""
    document = document_of(member)
    other = replace(document, surname="Vandandra", given_names="Lumissa")
    return Presentation(other, other.lines, chip=ChipOrder(document))


def foreign_signer(member: Member) -> Presentation:
    """Print and store another state than that of the signer."""
    document = document_of(member, issuer=FOREIGN)
    chip = ChipOrder(document, (faults.ForeignState(issuer=FOREIGN),))
    return Presentation(document, document.lines, chip=chip)


def chip_of_another(member: Member) -> Presentation:
    """Make a passport with the chip of another."""
    document = document_of(member)
    return Presentation(document, document.lines, chip=ChipOrder(replace(document, number="X1234567")))


def worn_zone(member: Member) -> Presentation:
    """Rub out characters of the second line, so that the number and the expiry cannot be read."""
    whole_one = whole()(member)
    first, second = whole_one.lines
    rubbed = "".join("*" if place in (2, 5, 23, 25) else letter for place, letter in enumerate(second))
    return replace(whole_one, lines=(first, rubbed))


def stale_list(member: Member) -> Presentation:
    """Make a passport of a signer whose revocation list is out of date at the post."""
    document = document_of(member)
    return Presentation(document, document.lines, chip=ChipOrder(document, is_list_stale=True))


def dyed_photo(member: Member) -> Presentation:
    """Make a passport with a substituted photo, on dull paper, in ink that vanishes in infrared light."""
    return replace(whole()(member), photo_fault="dyed")


def card(**fields: str) -> Callable[[Member], Presentation]:
    """Return a maker of identity cards, whose zone is on the back."""

    def make(member: Member) -> Presentation:
        expiry = f"{today() + timedelta(days=VALID_DAYS):%y%m%d}"
        given = {
            "code": "I",
            "issuer": "UTO",
            "nationality": "UTO",
            "optional": "",
        } | fields
        document = TravellerGenerator(9000 + member.number).document(Format.TD1, expiry=expiry, **given)
        return Presentation(document, document.lines)

    return make


def two_sides(member: Member) -> Presentation:
    """Make a card of which both sides are shown."""
    return replace(card()(member), has_front=True)


def paper(member: Member) -> Presentation:
    """Make a paper form without a zone."""
    return Presentation(document_of(member), ())


def visa(barcode: BarcodeOrder | None = None) -> Callable[[Member], Presentation]:
    """Return a maker of visas, perhaps with a barcode."""

    def make(member: Member) -> Presentation:
        expiry = f"{today() + timedelta(days=VALID_DAYS):%y%m%d}"
        document = TravellerGenerator(9000 + member.number).document(
            Format.MRV_A, code="V", issuer="UTO", nationality="UTO", expiry=expiry, optional=""
        )
        return Presentation(document, document.lines, barcode=barcode)

    return make


def with_barcode(kind: str, fault: seals.SealFault | None = None) -> Callable[[Member], Presentation]:
    """Return a maker of passports whose bearer shows a barcode."""

    def make(member: Member) -> Presentation:
        return replace(whole()(member), barcode=BarcodeOrder(kind, fault))

    return make
