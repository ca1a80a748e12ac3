"""Documents of invented travellers, and what a reader says of each, by the drivers' own code."""

from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from typing import Any

from drivers.observation import Check, CheckGroup, Observation, Outcome, Weight
from drivers.passport.chip_result import ChipProgress, ChipResult
from drivers.passport.emrtd import ChipSession, TrustStore
from drivers.passport.observations import DocumentArea, IlluminationType, ReadTrigger, TransactionEnd
from drivers.passport.read_result import today
from drivers.passport.transaction import CardSide, DocumentTransaction
from simulators.mrz import Document, Format
from simulators.passport.chip import Chip, IssuingState, Profile
from simulators.passport.chip.faults import ChipFault
from simulators.passport.fullpage.page import Page, PageAppearance, draw_page
from simulators.travellers import TravellerGenerator

VALID = f"{today() + timedelta(days=900):%y%m%d}"
LIGHTS = ("visible", "infrared", "ultraviolet")
LOOK = PageAppearance(dpi=110)
_STEPS = (10, 60)
"""Steps of the chip read whose progress is published: the others look the same."""


def passport(travellers: TravellerGenerator, word: str = "", **fields: Any) -> Document:
    """Return the next traveller's passport; `word` is its optional data."""
    return travellers.document(Format.TD3, issuer="UTO", **{"expiry": VALID, "optional": word} | fields)


@cache
def utopia() -> IssuingState:
    """Return the state that issues all of them."""
    return IssuingState.create()


def read_chip(document: Document, *faults: ChipFault) -> list[ChipProgress | ChipResult]:
    """Read the chip of a document."""
    state = utopia()
    chip = Chip.issue(document, state, Profile(), faults)
    trust = TrustStore.from_bytes(state.csca.der, state.crl())
    zone = DocumentTransaction(ReadTrigger.INSERT, today())
    printed = zone.on_mrz(document.lines).mrz
    session = ChipSession(chip.transmit, today=today(), printed=printed, trust=trust)
    return list(session.run())


def observations(
    lines: tuple[str, ...],
    chip: list[ChipProgress | ChipResult] | None = None,
    *,
    pages: bool = True,
    copied: bool = False,
    before: CardSide | None = None,
    ended: TransactionEnd = TransactionEnd.COMPLETE,
) -> Iterator[Observation]:
    """Yield what a full-page reader says of a document, up to its sum; without `chip` none answers."""
    transaction = DocumentTransaction(ReadTrigger.INSERT, today(), before)
    yield transaction.on_placed()
    if lines:
        yield transaction.on_mrz(lines)
    if pages:
        page = Page(lines).photocopy() if copied else Page(lines)
        for light in LIGHTS:
            image = draw_page(page, light, "page", LOOK)  # type: ignore[arg-type]
            yield transaction.on_image(IlluminationType(light), DocumentArea.PAGE, "image/jpeg", image)
        face = draw_page(page, "visible", "face", LOOK)
        yield transaction.on_image(IlluminationType.VISIBLE, DocumentArea.FACE, "image/jpeg", face)
        yield transaction.on_checks(_optical(copied))
    if chip is None:
        yield transaction.on_no_chip("passports")
    for number, step in enumerate(chip or ()):
        if isinstance(step, ChipResult):
            yield transaction.on_chip_result(step)
        elif number in _STEPS:
            yield transaction.on_chip_progress(step)
    yield transaction.result(ended)


def _optical(copied: bool) -> list[Check]:
    outcome = Outcome.FAILED if copied else Outcome.SUCCESSFUL
    return [
        Check(
            id=f"optical.{code}",
            group=CheckGroup.OPTICAL,
            outcome=outcome,
            weight=Weight.MANDATORY,
            reason="feature_failed" if copied else None,
        )
        for code in ("ir_ab_mr", "uv_br_fu", "uv_br_ph", "uv_br_mr")
    ]
