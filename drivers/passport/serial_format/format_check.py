"""Detection of a reader that sends in another format than the configured one. Pure.

Such a reader is silent otherwise: its bytes are noise to the configured framing, so no event is published,
and the device stays online.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from drivers.driver import StateCode, Status
from drivers.links.framing import NOISE, OTHER_CONTENT, TOO_LONG, CompleteFrame, DamagedFrame, Frame, Framing
from drivers.links.link import Action, Cause
from drivers.passport.framings import (
    LIMIT_BYTES,
    AccessIsFraming,
    ElyctisFraming,
    PlainTextFraming,
    RteFraming,
)
from drivers.passport.read_result import decode_text, parse_mrz, split_lines

MAX_BURST_BYTES = 2 * LIMIT_BYTES
"""Longest run of bytes that is compared with other formats: a line that never pauses is judged by runs."""
MIN_UNREADABLE_BYTES = 4
"""Shortest run of unreadable bytes that counts: an adapter that is plugged in may send a few."""
UNREADABLE_RUNS = 3
"""Number of unreadable runs without a read between them after which the format is suspected."""
TEXT_SHARE = 0.75
"""Share of text in a run, below which a reader that sends text is not readable."""
_TEXT_BYTES = bytes(range(0x20, 0x7F)) + b"\t\r\n\x02\x03"
_LINE_ENDS = b"\t\r\n"
_SEVEN_BITS = bytes(byte & 0x7F for byte in range(256))

ACCESSIS, ELYCTIS, RTE, TEXT = "accessis", "elyctis", "rte", "text"
_KEYS: dict[str, str] = {
    ACCESSIS: 'framing = "accessis"',
    ELYCTIS: 'framing = "elyctis"',
    RTE: 'framing = "rte"',
    TEXT: 'framing = "text"',
}
_WITHOUT_BCC = 'framing = "rte" and bcc = "none"'
SEVEN_BITS = "7 data bits with parity"


@dataclass(frozen=True, slots=True)
class FormatVerdict(DamagedFrame):
    """Changed judgement on the format of a line: a frame without bytes.

    `fault` is the format that the bytes have, as keys and values of the configuration, SEVEN_BITS, or ""
    where it is unknown. `is_suspected` is False once the configured format is read again.
    """

    is_suspected: bool = True
    reads_pass: bool = False
    """True if documents are read although the format differs."""
    misreads: bool = False
    """True if documents may be read with wrong characters."""


class FormatCheck:
    """A framing that also compares each run of bytes between two pauses with the formats of other readers.

    Its frames are those of `framing`, and a FormatVerdict at each change. `name` is the configured value of
    the driver `mrz-serial`; None for another driver. `is_read` tells complete frames with a valid content
    from others; by default all are valid, and those of `text` if they are a zone.
    """

    def __init__(
        self,
        framing: Framing,
        name: str | None,
        *,
        has_bcc: bool = True,
        is_read: Callable[[bytes], bool] | None = None,
    ) -> None:
        self._framing = framing
        self._name = name
        self._is_read = is_read or (_is_zone if name == TEXT else bool)
        self._candidates = [
            (key if name is not None else f'driver = "mrz-serial" and {key}', make)
            for key, make in _CANDIDATES
            if (name is None or key != _KEYS[name]) and (has_bcc or key != _WITHOUT_BCC)
        ]
        self._run = bytearray()
        self._payloads: list[bytes] = []
        """Complete frames of the present run."""
        self._has_other = self._unreadable = False
        """Frames of the present run: one with other content; one that is not of the configured format."""
        self._unreadable_runs = 0
        self._verdict: FormatVerdict | None = None

    @property
    def has_pending(self) -> bool:
        """Return true while a frame or a run of bytes is unfinished."""
        return self._framing.has_pending or bool(self._run)

    def feed(self, chunk: bytes) -> Iterator[Frame]:
        """Take a chunk and yield complete frames."""
        self._run += chunk
        for frame in self._framing.feed(chunk):
            self._note(frame)
            yield frame
        if len(self._run) >= MAX_BURST_BYTES:
            yield from self._judge()

    def on_silence(self) -> Iterator[Frame]:
        """Yield the last frames of a run, and a changed verdict."""
        for frame in self._framing.on_silence():
            self._note(frame)
            yield frame
        yield from self._judge()

    def _note(self, frame: Frame) -> None:
        match frame:
            case CompleteFrame(payload, _):
                self._payloads.append(payload)
            case DamagedFrame(fault, _):
                self._has_other = self._has_other or fault == OTHER_CONTENT
                self._unreadable = self._unreadable or fault in (NOISE, TOO_LONG)

    def _judge(self) -> Iterator[FormatVerdict]:
        """Compare the run with all formats, and yield the verdict if it has changed."""
        run, self._run = bytes(self._run), bytearray()
        payloads, self._payloads = self._payloads, []
        has_other, unreadable = self._has_other, self._unreadable
        self._has_other = self._unreadable = False
        is_text = False
        if self._name == TEXT:
            foreign = len(run.translate(None, _TEXT_BYTES))
            unreadable = foreign > len(run) * (1 - TEXT_SHARE)
            is_text = foreign == 0
            if is_text and self._verdict is None and self._unreadable_runs == 0:
                return  # Nothing to withdraw: the lines need not be parsed a second time.
        reads = has_other or any(map(self._is_read, payloads))
        if reads and (is_text or self._name != TEXT):
            yield from self._set(None)
            return
        # Every other format has control characters around its text.
        found = None if is_text else self._recognise(run)
        # A frame of the configured format that lost its last byte looks the same.
        is_certain = self._name != RTE or found != _WITHOUT_BCC
        if found is not None and (is_certain or self._unreadable_runs >= UNREADABLE_RUNS - 1):
            yield from self._set(FormatVerdict(found, b"", reads_pass=reads))
        elif reads:
            yield from self._set(None)
        elif (unreadable or found) and len(run) >= MIN_UNREADABLE_BYTES and self._verdict is None:
            self._unreadable_runs += 1
            if self._unreadable_runs >= UNREADABLE_RUNS:
                yield from self._set(FormatVerdict("", b""))

    def _recognise(self, run: bytes) -> str | None:
        """Return the format in which the run contains a document and nothing else; None if there is none."""
        for key, make in self._candidates:
            if _reads_whole(make(), run):
                return key
        has_parity = len({byte.bit_count() & 1 for byte in run}) == 1 or min(run, default=0) >= 0x80
        if has_parity and any(_reads_whole(make(), run.translate(_SEVEN_BITS)) for _, make in _CANDIDATES):
            return SEVEN_BITS
        return None

    def _set(self, verdict: FormatVerdict | None) -> Iterator[FormatVerdict]:
        self._unreadable_runs = 0
        changed, self._verdict = verdict != self._verdict, verdict
        if changed:
            yield verdict or FormatVerdict("", b"", is_suspected=False)


def _reads_whole(framing: Framing, run: bytes) -> bool:
    """Return True if a run contains documents in a framing and, except for line ends, nothing else."""
    if isinstance(framing, PlainTextFraming) and run.translate(None, _TEXT_BYTES):
        return False
    documents = 0
    for frame in (*framing.feed(run), *framing.on_silence()):
        match frame:
            case CompleteFrame(payload, _) if not isinstance(framing, ElyctisFraming):
                if not _is_zone(payload):
                    return False
                documents += 1
            case CompleteFrame(payload, _):  # such a reader also echoes commands
                documents += _is_zone(payload[1:])
            case DamagedFrame(wire=wire) if wire.strip(_LINE_ENDS):
                return False
    return documents > 0


def _is_zone(text: bytes) -> bool:
    return parse_mrz(split_lines(decode_text(text))) is not None


_CANDIDATES: list[tuple[str, Callable[[], Framing]]] = [
    (_KEYS[ACCESSIS], AccessIsFraming),
    (_KEYS[ELYCTIS], ElyctisFraming),
    (_KEYS[RTE], lambda: RteFraming("ignore")),
    (_WITHOUT_BCC, lambda: RteFraming("none")),
    (_KEYS[TEXT], PlainTextFraming),
]
"""Formats of readers, the most specific first, as keys and values of the configuration."""


def format_status(verdict: FormatVerdict, configured: str) -> Status:
    """Return the state of a reader after a verdict; `configured` is the key and value in the post's file."""
    if not verdict.is_suspected:
        return Status(StateCode.ONLINE)
    if verdict.reads_pass:
        return Status(
            StateCode.DEGRADED,
            Cause.WRONG_FORMAT,
            f"The reader sends in the format of {verdict.fault}, and the post's file has {configured}. "
            "Documents are read by chance; its other reads fail.",
            Action.CONFIGURE,
            _set_keys(verdict.fault),
        )
    if verdict.misreads:
        return Status(
            StateCode.FAULT,
            Cause.WRONG_FORMAT,
            f"Documents are misread: this reader types by {verdict.fault}, and the post's file has "
            f"{configured}.",
            Action.CONFIGURE,
            f"{_set_keys(verdict.fault)}. Or set the reader to {configured}, by its manual.",
        )
    if verdict.fault == SEVEN_BITS:
        return Status(
            StateCode.FAULT,
            Cause.WRONG_FORMAT,
            f"No document is read: the reader sends {SEVEN_BITS}, and the gateway receives 8 data bits.",
            Action.CONFIGURE,
            "Set the reader to 8 data bits without parity, by its manual.",
        )
    if verdict.fault:
        return Status(
            StateCode.FAULT,
            Cause.WRONG_FORMAT,
            f"No document is read: the bytes of this reader look like {verdict.fault}, and the post's file "
            f"has {configured}.",
            Action.CONFIGURE,
            _set_keys(verdict.fault),
        )
    return Status(
        StateCode.FAULT,
        Cause.WRONG_FORMAT,
        f"No document is read: the bytes of this reader fit neither {configured} nor another known format.",
        Action.CONFIGURE,
        "Compare `baud` and `parity` with the settings of the reader: try 9600, 19200, 115200, each with: "
        "sudo systemctl reload borderpost. If no rate helps, record it for support: borderpost record.",
    )


def _set_keys(keys: str) -> str:
    return f"Write {keys} in the table of this device, then: sudo systemctl reload borderpost"
