"""Our events for people: which images come with each, and what a counter does about it."""

from typing import NamedTuple


class EventGuide(NamedTuple):
    """Images of an event, and what to do about it."""

    images: str
    answer: str


_NONE = "none"
GUIDES: dict[str, EventGuide] = {
    "document.placed": EventGuide(_NONE, "Begin a traveller; say that the document is being read."),
    "document.mrz": EventGuide(_NONE, "Show the fields at once. The rest follows with the same transaction."),
    "document.image": EventGuide(
        "one, named by area and light: `page_visible`, `page_infrared`, `face_visible`",
        "Show it in the place of its light.",
    ),
    "document.barcode": EventGuide(_NONE, "Add the seal's checks."),
    "document.chip_progress": EventGuide(_NONE, "Show the progress; ask to leave the document where it is."),
    "document.chip": EventGuide(
        "`chip_face` as it is in the chip, and `chip_face_decoded`, a JPEG, where that is JPEG 2000",
        "Show both portraits side by side.",
    ),
    "document.checked": EventGuide(_NONE, "Show the checks, worst first, each with its own outcome."),
    "document.read": EventGuide(_NONE, "The document is complete. Nothing more of it comes but its removal."),
    "document.read_failed": EventGuide(_NONE, "Ask to present the document again, or type it in."),
    "document.removed": EventGuide(_NONE, "Start the time after which the screen is wiped."),
    "finger.feedback": EventGuide(_NONE, "Show the advice to the person; it replaces the one before."),
    "finger.captured": EventGuide(
        "one for each encoding: `png`, `wsq`, `fir_2005`, `fir_2011`", "Show the print and its quality."
    ),
    "finger.capture_ended": EventGuide(_NONE, "Say why it ended; ask again with `capture`, if needed."),
    "face.feedback": EventGuide(_NONE, "Show the advice beside the preview."),
    "face.captured": EventGuide("`picture`", "Show it beside the portraits of page and chip."),
    "scene.captured": EventGuide("`picture`", "Show it, or store it where the law asks for it."),
    "plate.read": EventGuide("as the camera names them", "Show the plate with the vehicle's lane."),
    "access.card_read": EventGuide(_NONE, "Decide by your own list of cards; answer with `pulse`."),
    "access.status": EventGuide(_NONE, "Show a reader that was opened or lost its protection."),
    "barrier.state": EventGuide(_NONE, "Show what the sensors say. A new one replaces it."),
    "barrier.passage": EventGuide(_NONE, "The person has gone: end the traveller and wipe the screen."),
    "barrier.alarm": EventGuide(_NONE, "Call a person to the barrier; `stop` is always obeyed."),
    "claim.changed": EventGuide(_NONE, "Show who has the device."),
    "command.decided": EventGuide(_NONE, "Nothing at a counter: it is a record for supervisors."),
    "command.ended": EventGuide(_NONE, "Nothing at a counter: it is a record for supervisors."),
    "technician.operation": EventGuide(_NONE, "Nothing at a counter: it is a record for supervisors."),
    "clock.stepped": EventGuide(_NONE, "Correct times of earlier events by `monons`, if you compare them."),
    "audit.checkpoint": EventGuide(_NONE, "Store it: it proves later that no line of the audit was removed."),
}

TRAVELLER_FIGURE = """\
 counter                        gateway (events of one transaction)            person
    │                               │  document-placed                            │ lays the document down
    │                               │  document-mrz          fields               │
    │                               │  document-image        page, each light     │
    │                               │  document-chip_progress                     │
    │                               │  document-chip         chip_face            │
    │                               │  document-read         sum, all checks      │
    │  cmd/capture (camera) ──────► │  face-feedback ...                          │ looks at the camera
    │  transaction of the document  │  face-captured         picture              │
    │  cmd/capture (scanner) ─────► │  finger-feedback ...                        │ places a finger
    │                               │  finger-captured       png                  │
    │                               │  finger-capture_ended                       │
    │  cmd/open (barrier) ────────► │  barrier-state         opening, open        │
    │ ◄──── rsp: accepted, done     │  barrier-passage       permitted            │ goes through
    │  wipe                         │  document-removed      (whenever)           │ takes the document
"""
"""Sequence of the messages of one traveller."""

TRAVELLER_TEXT = """\
A counter gives the document's `transaction` to its commands, so every event of one person carries it.
Images come before the event that lists them, each as a message of its own, `blob/{event id}/{role}`. A reader
without a page or a chip sends `document-read` alone. Where a part of a document could not be read, a check
states the reason."""
