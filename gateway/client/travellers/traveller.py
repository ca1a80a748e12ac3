"""Traveller: everything that came with one transaction, and what is still missing."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from drivers.barrier.observations import BarrierPassage, PassageDirection
from drivers.camera.observations import FaceCaptured
from drivers.fingerprint.observations import CaptureEnded, FingerCaptured
from drivers.observation import Check, Observation
from drivers.passport.chip_result import ChipResult
from drivers.passport.mrz.model import Mrz
from drivers.passport.observations import (
    BarcodeRead,
    ChipRead,
    DocumentChecked,
    DocumentRead,
    DocumentRemoved,
    ImageCaptured,
    MrzRead,
)
from gateway.client.models import ReceivedEvent


class Part(StrEnum):
    """Part of a traveller that a counter may need."""

    DOCUMENT = "document"
    """Sum of the read: `document.read`."""
    CHIP = "chip"
    """Result of the chip; a document that was read without one lacks none."""
    PAGE = "page"
    """An image of the page, under any light."""
    PORTRAIT = "portrait"
    """A picture by the counter's camera."""
    PRINTS = "prints"
    """At least one fingerprint."""
    PASSAGE = "passage"
    """Passage through the gate; whoever turned back has not passed."""


@dataclass(frozen=True, slots=True)
class Portrait:
    """A picture of the person, with its measurements."""

    captured: FaceCaptured
    """Event of the picture, with its measurements."""
    image: bytes = field(repr=False)
    """The picture; empty where it did not arrive."""


@dataclass(frozen=True, slots=True)
class Print:
    """A fingerprint in every encoding that came: `png`, `wsq`, ..."""

    captured: FingerCaptured
    """Event of the print: finger, quality."""
    images: dict[str, bytes] = field(repr=False)
    """The print by encoding."""


@dataclass(eq=False)
class Traveller:
    """Everything that came with one transaction. It grows with each event; `wipe` empties it.

    Give its `transaction` to the commands for this person, so that their events come back here.
    """

    transaction: str
    """Transaction of the document, which the commands for this person carry on."""
    wanted: frozenset[Part] = frozenset()
    """Parts that this counter needs; `missing` names those that have not come."""
    mrz: Mrz | None = field(default=None, repr=False)
    """The machine readable zone, from `document.mrz` or the sum of the read."""
    document: DocumentRead | None = field(default=None, repr=False)
    """Sum of the read; None before it has come."""
    chip: ChipResult | None = field(default=None, repr=False)
    """Result of the chip; None before it has come, and without a chip."""
    images: dict[str, bytes] = field(default_factory=dict, repr=False)
    """Images of the document and of its chip by role, such as `page_visible` and `chip_face`."""
    portrait: Portrait | None = field(default=None, repr=False)
    """The newest portrait."""
    prints: list[Print] = field(default_factory=list, repr=False)
    """Fingerprints in the order they came."""
    capture_ended: CaptureEnded | None = None
    """End of the newest capture of fingers: why there is no print, if there is none."""
    passage: BarrierPassage | None = None
    """The newest passage. One that turned back still misses its passage."""
    is_document_present: bool = False
    """True while the document lies on the reader, where the reader can tell."""
    is_simulated: bool = False
    """True if any of it came from no real device."""
    other_side: "Traveller | None" = field(default=None, repr=False)
    """The side of the card that was read just before this one."""
    lost_images: list[str] = field(default_factory=list)
    """Roles of images that were announced and did not arrive."""
    _checks: dict[str, Check] = field(default_factory=dict, repr=False)

    @property
    def checks(self) -> tuple[Check, ...]:
        """Newest result of each check."""
        return tuple(self._checks.values())

    @property
    def missing(self) -> tuple[Part, ...]:
        """Wanted parts that have not come, in their order. A document without a chip lacks none."""
        return tuple(part for part in Part if part in self.wanted and not self._has(part))

    @property
    def is_complete(self) -> bool:
        """True if nothing wanted is missing."""
        return not self.missing

    def take(self, event: ReceivedEvent) -> None:
        """Add one event of this transaction."""
        self.is_simulated = self.is_simulated or event.is_simulated
        if isinstance(event.data, Observation):
            expected = {attachment.role for attachment in event.data.attachments}
            self.lost_images += sorted(expected - event.images.keys())
        match event.data:
            case MrzRead(mrz=mrz, checks=checks):
                self.mrz, self.is_document_present = mrz, True
                self._take_checks(checks)
            case ImageCaptured():
                self.images |= event.images
            case ChipRead(chip=chip):
                self.chip = chip
                self.images |= event.images
                self._take_checks(chip.checks)
            case DocumentRead() as document:
                self.document, self.mrz = document, document.mrz
                self.chip = document.chip or self.chip
                self.images |= event.images
                self._take_checks(document.checks)
            case DocumentChecked(checks=checks) | BarcodeRead(checks=checks):
                self._take_checks(checks)
            case DocumentRemoved():
                self.is_document_present = False
            case FaceCaptured() as captured:
                self.portrait = Portrait(captured, next(iter(event.images.values()), b""))
            case FingerCaptured() as captured:
                self.prints.append(Print(captured, dict(event.images)))
            case CaptureEnded() as ended:
                self.capture_ended = ended
            case BarrierPassage() as passage:
                self.passage = passage

    def wipe(self) -> None:
        """Drop all that is known of the person; `transaction` stays."""
        fresh = Traveller(self.transaction, self.wanted)
        self.__dict__.update(fresh.__dict__)

    def _take_checks(self, checks: Iterable[Check]) -> None:
        self._checks |= {check.id: check for check in checks}

    def _has(self, part: Part) -> bool:
        match part:
            case Part.DOCUMENT:
                return self.document is not None
            case Part.CHIP:
                return self.chip is not None or self.document is not None
            case Part.PAGE:
                return any(role.startswith("page") for role in self.images)
            case Part.PORTRAIT:
                return self.portrait is not None
            case Part.PRINTS:
                return bool(self.prints)
            case Part.PASSAGE:
                return self.passage is not None and self.passage.direction is PassageDirection.FORWARD
