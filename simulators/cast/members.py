"""The members of the cast that the simulated readers can present.

The expectations follow BSI TR-03135-1 and Doc 9303. They hold for a reader with three lights and chips, whose
gateway has the certificates of the issuing state.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from simulators.cast.member import ChipOrder, Member, Presentation, Statement
from simulators.errors import SimulatorError
from simulators.mrz import Document, Format, check_digit
from simulators.passport.chip import faults
from simulators.travellers import TravellerGenerator

VALID_DAYS = 900
"""Days for which the documents are still valid."""
NO_CHIP = Statement("undetermined", "chip_expected")
FOREIGN = "UNO"
"""Another issuer than the fictional state. A code that is in no list would be a defect of the zone too."""


def _document(member: Member, **fields: str) -> Document:
    """Return the document of a member: the same person every day, with a document that is valid today."""
    expiry = f"{_today() + timedelta(days=VALID_DAYS):%y%m%d}"
    given = {"code": "P", "issuer": "UTO", "nationality": "UTO", "expiry": expiry, "optional": ""} | fields
    return TravellerGenerator(9000 + member.number).document(Format.TD3, **given)


def _today() -> datetime:
    return datetime.now(UTC)


def _whole(
    *chip_faults: faults.ChipFault, proves_original: bool = False, **fields: str
) -> Callable[[Member], Presentation]:
    """Return a maker of passports with a chip."""

    def make(member: Member) -> Presentation:
        document = _document(member, **fields)
        chip = ChipOrder(document, chip_faults, proves_original)
        return Presentation(document, document.lines, chip=chip)

    return make


def _without_chip(*, dull: bool = True, b900: bool = True) -> Callable[[Member], Presentation]:
    """Return a maker of passports whose chip does not respond, or that have none."""

    def make(member: Member) -> Presentation:
        document = _document(member)
        return Presentation(document, document.lines, has_dull_paper=dull, has_b900_ink=b900)

    return make


def _washed(member: Member) -> Presentation:
    return replace(_whole()(member), is_washed=True)


def _expires_today(member: Member) -> Presentation:
    return _whole(expiry=f"{_today():%y%m%d}")(member)


def _child(member: Member) -> Presentation:
    return _whole(birth=f"{_today() - timedelta(days=7 * 365):%y%m%d}")(member)


def _altered_digit(member: Member) -> Presentation:
    """Print a later expiry without its check digits."""
    document = _document(member)
    first, second = document.lines
    expiry, digit = second[21:27], second[27]
    # From 29 to 30 the digit stays the same by chance.
    later = next(
        date
        for date in (f"{int(expiry[:2]) + years:02d}{expiry[2:]}" for years in (1, 2))
        if check_digit(date) != digit
    )
    return Presentation(document, (first, second[:21] + later + second[27:]))


def _altered_recomputed(member: Member) -> Presentation:
    """Print a later expiry with its check digits; the chip keeps the earlier one."""
    document = _document(member)
    later = replace(document, expiry=f"{int(document.expiry[:2]) + 1:02d}{document.expiry[2:]}")
    return Presentation(later, later.lines, chip=ChipOrder(document))


def _altered_name(member: Member) -> Presentation:
    """Print another name, which no check digit protects."""
    document = _document(member)
    other = replace(document, surname="Vandandra", given_names="Lumissa")
    return Presentation(other, other.lines, chip=ChipOrder(document))


def _foreign_signer(member: Member) -> Presentation:
    """Print and store another state than that of the signer."""
    document = _document(member, issuer=FOREIGN)
    chip = ChipOrder(document, (faults.ForeignState(issuer=FOREIGN),))
    return Presentation(document, document.lines, chip=chip)


def _chip_of_another(member: Member) -> Presentation:
    document = _document(member)
    return Presentation(document, document.lines, chip=ChipOrder(replace(document, number="X1234567")))


CAST: dict[str, Member] = {
    one.name: one
    for one in (
        Member(
            name="ordinary", number=1, what="passport with a chip", genuine=True,
            lesson="Successful checks are not an admission.", make=_whole(),
        ),
        Member(
            name="unknown-state", number=2, what="passport of a signer without a trust anchor", genuine=True,
            shows=("chip",),
            says={
                check: Statement("undetermined", "csca_unknown")
                for check in ("chip.dsc_signature", "chip.dsc_revocation", "chip.trust")
            },
            lesson="Common, and no reason for suspicion.", make=_whole(faults.UnknownCsca()),
        ),
        Member(
            name="chip-dead", number=4, what="passport whose chip does not respond", genuine=True,
            shows=("chip",), says={"chip.access": NO_CHIP},
            lesson="A chip can fail by accident or on purpose: examine the page in every light.",
            make=_without_chip(),
        ),
        Member(
            name="expires-today", number=6, what="passport on its last day", genuine=True,
            lesson="The last day counts as valid.", make=_expires_today,
        ),
        Member(
            name="washed", number=7, what="passport that was washed", genuine=True, shows=("ultraviolet",),
            says={"optical.uv_br_fu": Statement("failed", "feature_failed")},
            lesson="A failed check can be a washing machine: fibres and overprint are there.", make=_washed,
        ),
        Member(
            name="refugee-travel-document", number=12, what="travel document of a refugee", genuine=True,
            shows=("zone",), lesson="The issuer is not the nationality; protection is no defect.",
            make=_whole(nationality="XXB"),
        ),
        Member(
            name="child", number=14, what="passport of a child", genuine=True, shows=("person",),
            lesson="Consent papers are needed; age is no alarm.", make=_child,
        ),
        Member(
            name="altered-digit", number=19, what="passport without a chip", genuine=False,
            forged="expiry changed, check digits not", shows=("zone",),
            says={
                "mrz.check_digits": Statement("failed", "check_digit_wrong"),
                "combined.not_expired": Statement("undetermined", "expiry_digit_wrong"),
                "chip.access": NO_CHIP,
            },
            lesson="The crude forgery.", make=_altered_digit,
        ),
        Member(
            name="altered-recomputed", number=20, what="passport with a chip", genuine=False,
            forged="expiry changed with its check digits", shows=("infrared", "chip"),
            says={"chip.access": Statement("failed", "access_denied")},
            lesson="Without a chip no check fails: look at the ink in infrared light.",
            make=_altered_recomputed,
        ),
        Member(
            name="altered-name", number=21, what="passport with a chip", genuine=False,
            forged="name changed in the zone", shows=("chip",),
            says={"combined.mrz_vs_dg1": Statement("failed", "differs_from_chip")},
            lesson="No check digit protects a name.", make=_altered_name,
        ),
        Member(
            name="counterfeit-laser", number=27, what="passport without a chip", genuine=False,
            forged="whole page, in toner on dull paper", shows=("visible", "ultraviolet", "hand"),
            says={"chip.access": NO_CHIP},
            lesson="Toner is carbon: every light passes, and fibres are printed alike in every copy.",
            make=_without_chip(),
        ),
        Member(
            name="photocopy", number=28, what="colour copy of a passport", genuine=False,
            forged="whole page", shows=("infrared", "ultraviolet"),
            says={
                **{
                    f"optical.{code}": Statement("failed", "feature_failed")
                    for code in ("uv_br_fu", "uv_br_ph", "uv_br_mr", "ir_ab_mr")
                },
                "chip.access": NO_CHIP,
            },
            lesson="A copy is no document.", make=_without_chip(dull=False, b900=False),
        ),
        Member(
            name="stolen-blank", number=29, what="genuine blank, filled in by ink-jet", genuine=False,
            forged="everything that was filled in", shows=("infrared", "chip"),
            says={"optical.ir_ab_mr": Statement("failed", "feature_failed"), "chip.access": NO_CHIP},
            lesson="Lists of stolen numbers are in the back office.", make=_without_chip(b900=False),
        ),
        Member(
            name="impostor", number=31, what="passport of a person who looks alike", genuine=False,
            forged="the bearer", shows=("person",),
            lesson="The most convincing: compare with the chip's portrait, and ask.", make=_whole(),
        ),
        Member(
            name="cloned-chip", number=33, what="passport with a chip", genuine=False,
            forged="chip copied without its private key", shows=("chip",),
            says={"chip.active_authentication": Statement("failed", "signature_wrong")},
            lesson="The data are true, the chip is a copy.",
            make=_whole(faults.ClonedChip(), proves_original=True),
        ),
        Member(
            name="wrong-signature", number=34, what="passport with a chip", genuine=False,
            forged="signature of the chip's data", shows=("chip",),
            says={"chip.sod_signature": Statement("failed", "signature_wrong")},
            lesson="Strong evidence: second line.", make=_whole(faults.AlteredSignature()),
        ),
        Member(
            name="altered-portrait", number=35, what="passport with a chip", genuine=False,
            forged="portrait in the chip", shows=("chip", "person"),
            says={"chip.data_group_hash.DG2": Statement("failed", "hash_wrong")},
            lesson="The rest of the chip is still true.", make=_whole(faults.AlteredGroup(group=2)),
        ),
        Member(
            name="revoked-signer", number=36, what="passport with a chip", genuine=False,
            forged="signed with a key that was revoked", shows=("chip",),
            says={"chip.dsc_revocation": Statement("failed", "revoked")},
            lesson="About the signer, not about the bearer.", make=_whole(faults.RevokedSigner()),
        ),
        Member(
            name="foreign-signer", number=37, what="passport with a chip", genuine=False,
            forged="state of the zone is not that of the signer", shows=("chip",),
            says={"chip.issuing_state": Statement("failed", "state_differs")},
            lesson="Zone and chip belong to two states.", make=_foreign_signer,
        ),
        Member(
            name="chip-of-another", number=38, what="passport with the chip of another", genuine=False,
            forged="chip", shows=("chip",), says={"chip.access": Statement("failed", "access_denied")},
            lesson="As altered-recomputed: the same words, another cause.", make=_chip_of_another,
        ),
    )
}  # fmt: skip


def member_of(name: str) -> Member:
    """Return the member of that name; raise SimulatorError if there is none."""
    if name not in CAST:
        raise SimulatorError(f"member: {name!r} is not one of {', '.join(CAST)}")
    return CAST[name]
