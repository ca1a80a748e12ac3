"""One member of the cast: how its document is made, and the truth about it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from simulators.mrz import Document

if TYPE_CHECKING:  # a reader without chips and barcodes does not load them
    from simulators.passport.chip.faults import ChipFault
    from simulators.passport.seals.faults import SealFault

Light = Literal["zone", "visible", "infrared", "ultraviolet", "chip", "seal", "person", "hand", "passage"]
"""Where something shows: in the zone, in a light, in chip or seal, at the person, or only in the hand."""
Outcome = Literal["failed", "undetermined"]
PhotoFault = Literal["", "glued", "dyed"]


MADE_BY_NO_READER = ("optical.ir_ab_ph", "combined.visa_vs_passport")
"""Checks of `says` that no reader or gateway makes yet: expectations for the future."""


@dataclass(frozen=True, slots=True)
class Statement:
    """Outcome of one check that is not `successful`, with its reason."""

    outcome: Outcome
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ChipOrder:
    """The chip of a document; its data may be those of another one."""

    document: Document
    faults: "tuple[ChipFault, ...]" = ()
    proves_original: bool = False
    """True if it has a key for Active Authentication."""
    is_list_stale: bool = False
    """True if the revocation list of its signer's state is out of date at the post."""


@dataclass(frozen=True, slots=True)
class BarcodeOrder:
    """A barcode that the bearer shows, at a reader with `barcodes`."""

    kind: str
    """Value of `BarcodeKind`."""
    fault: "SealFault | None" = None


@dataclass(frozen=True, slots=True)
class Presentation:
    """A document as it lies on a reader."""

    document: Document
    lines: tuple[str, ...]
    """The printed zone."""
    has_dull_paper: bool = True
    is_washed: bool = False
    """True if detergent makes the whole page bright in ultraviolet light."""
    has_b900_ink: bool = True
    chip: ChipOrder | None = None
    """None: no chip responds."""
    photo_fault: PhotoFault = ""
    """`glued`: on paper that is bright in ultraviolet light. `dyed`: the ink vanishes in infrared light."""
    has_front: bool = False
    """True if the side without a zone was shown before."""
    barcode: BarcodeOrder | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One traveller of the cast; the document is the same at every presentation."""

    name: str
    number: int
    """Number that never changes, for exercises on paper."""
    what: str
    """The document, in a few words."""
    genuine: bool
    forged: str = ""
    """What is forged, in a few words; empty for a genuine document."""
    shows: tuple[Light, ...] = ()
    """Where the forgery, or what is unusual, can be found."""
    says: Mapping[str, Statement] = field(default_factory=dict)
    """Checks that a gateway must not report as `successful`, of those that its reader makes.

    `MADE_BY_NO_READER` has those that no reader makes yet.

    All others are `successful`, `not_supported` for a feature that the document does not have, or `aborted`
    where the chip could not be opened.
    """
    deviations: tuple[str, ...] = ()
    """Deviations of the zone that a gateway reports; none is a failure."""
    lesson: str
    make: Callable[["Member"], Presentation] = field(repr=False)

    def presentation(self) -> Presentation:
        """Make the document."""
        return self.make(self)

    def truth(self) -> dict[str, Any]:
        """Return the truth as the control API has it."""
        return {
            "member": self.name,
            "number": self.number,
            "what": self.what,
            "genuine": self.genuine,
            "forged": self.forged,
            "shows": list(self.shows),
            "says": {
                check: {"outcome": statement.outcome, "reason": statement.reason}
                for check, statement in self.says.items()
            },
            "deviations": list(self.deviations),
            "lesson": self.lesson,
        }
