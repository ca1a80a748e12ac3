"""Detection of a reader in keyboard mode that types by another layout than the configured one. Pure.

With another layout a zone has other letters: A and Q, Z and W, Y and Z are exchanged. Names have no check
digit, so some documents seem to be read well; the check digits and the code of the state show it as soon as
one has such a letter.
"""

from collections.abc import Iterator

from drivers.links.framing import CompleteFrame, Frame
from drivers.observation import Outcome
from drivers.passport.mrz import DeviationCode, Mrz, MrzDeviation
from drivers.passport.mrz.checks import mrz_checks
from drivers.passport.read_result import decode_text, parse_mrz, split_lines, today
from drivers.passport.serial_format.format_check import FormatVerdict
from drivers.passport.wedge.framing import WedgeFraming
from drivers.passport.wedge.keyboard import EVENT
from drivers.passport.wedge.keymap import US, KeyLayout

SHIFTED_DIGITS = frozenset("!@#$%^&*()")
"""Digits while Shift seems pressed: its release was lost, which is no fault of the document."""
LAYOUTS = (US, KeyLayout("us", "\\"), KeyLayout("azerty"), KeyLayout("qwertz"))
MAX_RUN_BYTES = 4096 * EVENT.size
"""Longest run of events that is compared with other layouts: a zone has some 800."""

_LOWER_CASE = MrzDeviation(
    code=DeviationCode.LOWER_CASE,
    text="The reader typed small letters only, as with Caps Lock; they were read as capitals.",
)
_UNKNOWN_STATES = frozenset({DeviationCode.ISSUER_UNKNOWN, DeviationCode.NATIONALITY_UNKNOWN})


def typed_zone(text: bytes) -> tuple[tuple[str, ...], Mrz | None]:
    """Return the lines of a typed text and the zone in them; None if there is none."""
    # Zones have capitals only; small letters alone mean a Caps Lock on which reader and host disagree.
    locked = text.islower()
    lines = split_lines(decode_text(text.upper() if locked else text))
    mrz = None if SHIFTED_DIGITS & set("".join(lines)) else parse_mrz(lines)
    if mrz is not None and locked:
        mrz = mrz.model_copy(update={"deviations": (_LOWER_CASE, *mrz.deviations)})
    return lines, mrz


class LayoutCheck:
    """A WedgeFraming that also decodes texts without a valid zone by other layouts.

    Its frames are those of the configured layout, and a FormatVerdict at each change. Events are kept until
    the pause that ends their text, at most.
    """

    def __init__(self, gap_s: float, layout: KeyLayout) -> None:
        self._gap_s = gap_s
        self._layout = layout
        self._framing = WedgeFraming(gap_s, layout)
        self._run = bytearray()
        self._is_misread = self._is_valid = False
        """Kinds of texts in the present run: a zone that is not valid; a valid one."""
        self._verdict: FormatVerdict | None = None

    @property
    def has_pending(self) -> bool:
        """Return true while a character or a text is unfinished."""
        return self._framing.has_pending or bool(self._run)

    def feed(self, chunk: bytes) -> Iterator[Frame]:
        """Add bytes of events and yield the complete documents and other texts."""
        self._run += chunk[: max(0, MAX_RUN_BYTES - len(self._run))]
        for frame in self._framing.feed(chunk):
            self._note(frame)
            yield frame

    def on_silence(self) -> Iterator[Frame]:
        """End the last text after the gap time, and yield a changed verdict."""
        for frame in self._framing.on_silence():
            self._note(frame)
            yield frame
        yield from self._judge()

    def _note(self, frame: Frame) -> None:
        if isinstance(frame, CompleteFrame) and (valid := _is_valid_zone(frame.payload)) is not None:
            self._is_valid = self._is_valid or valid
            self._is_misread = self._is_misread or not valid

    def _judge(self) -> Iterator[FormatVerdict]:
        run, self._run = bytes(self._run), bytearray()
        is_misread, self._is_misread = self._is_misread, False
        is_valid, self._is_valid = self._is_valid, False
        if is_valid:
            yield from self._set(None)
            return
        others = (layout for layout in LAYOUTS if layout != self._layout)
        other = next((layout for layout in others if self._fits(layout, run)), None)
        if other is not None:
            yield from self._set(FormatVerdict(other.settings, b"", misreads=is_misread))

    def _fits(self, layout: KeyLayout, run: bytes) -> bool:
        """Return True if a run has a valid zone when it is typed by another layout."""
        framing = WedgeFraming(self._gap_s, layout)
        for frame in (*framing.feed(run), *framing.on_silence()):
            if isinstance(frame, CompleteFrame) and _is_valid_zone(frame.payload):
                return True
        return False

    def _set(self, verdict: FormatVerdict | None) -> Iterator[FormatVerdict]:
        changed, self._verdict = verdict != self._verdict, verdict
        if changed:
            yield verdict or FormatVerdict("", b"", is_suspected=False)


def _is_valid_zone(text: bytes) -> bool | None:
    """Return True if the check digits of a zone are right and its state's code is known; None: no zone."""
    lines, mrz = typed_zone(text)
    if mrz is None:
        return None
    digits, _ = mrz_checks(mrz, lines, today())
    found = {deviation.code for deviation in mrz.deviations}
    return digits.outcome is Outcome.SUCCESSFUL and not found & _UNKNOWN_STATES
