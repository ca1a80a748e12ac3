"""Half a line of text for each event; personal data only where permitted."""

from collections.abc import Iterable, Sequence

from rich.text import Text

from drivers.access.observations import CardRead, ReaderStatus
from drivers.barrier.observations import (
    BarrierAlarm,
    BarrierPassage,
    BarrierState,
    MovementState,
    StateReason,
)
from drivers.camera.observations import FaceCaptured, PictureCaptured, PlateRead
from drivers.fingerprint.observations import CaptureEnded, CaptureOutcome, FingerCaptured, FingerFeedback
from drivers.observation import Check, Observation, Outcome
from drivers.passport.chip_result import ChipProgress, ChipResult, ReadLimit
from drivers.passport.mrz import Mrz, MrzDate
from drivers.passport.observations import (
    BarcodeRead,
    ChipRead,
    ChipReadProgress,
    DocumentChecked,
    DocumentPlaced,
    DocumentRead,
    DocumentRemoved,
    ImageCaptured,
    MrzRead,
    ReadFailed,
    TransactionEnd,
)
from gateway.contract.commands import CommandState
from gateway.contract.events import (
    AuditCheckpoint,
    ClaimChanged,
    ClockStepped,
    CommandDecided,
    CommandEnded,
)

OUTCOMES = {
    Outcome.SUCCESSFUL: ("✓", "green"),
    Outcome.FAILED: ("✗", "bold red"),
    Outcome.UNDETERMINED: ("?", "yellow"),
    Outcome.NOT_SUPPORTED: ("-", "dim"),
    Outcome.ABORTED: ("!", "yellow"),
    Outcome.UNKNOWN: ("?", "yellow"),
}

MANY = 4
"""Number of checks above which passed ones are counted."""
MOVING = {MovementState.CLOSED, MovementState.OPENING, MovementState.OPEN, MovementState.CLOSING}
"""States of a barrier in normal operation."""


def summarise_event(data: Observation, *, shown: bool) -> Text | None:
    """Return a summary; None for an event without a text of its own."""
    match data:
        case DocumentRead():
            return _read(data, shown=shown)
        case ReadFailed():
            detail = f" ({data.detail.rstrip('.')})" if data.detail else ""
            return Text(f"read failed: {data.fault}{detail} — present the document again", "yellow")
        case DocumentPlaced():
            return Text("document placed", "dim")
        case MrzRead():
            return Text.assemble(_zone(data.mrz, data.checks, shown=shown), _marks(data.checks))
        case ImageCaptured():
            size = sum(image.size_bytes for image in data.attachments)
            return Text(f"image of the {data.area}, {data.light} light, {size / 1000:,.0f} kB", "dim")
        case BarcodeRead():
            return Text.assemble(f"barcode: {data.barcode.kind}", _marks(data.checks))
        case ChipReadProgress():
            return Text(_progress(data.progress), "dim")
        case ChipRead():
            return _chip(data.chip)
        case DocumentChecked():
            return Text.assemble("checks", _marks(data.checks))
        case DocumentRemoved():
            return Text("document removed", "dim")
        case CardRead():
            return Text(f"card, {data.bits} bits{f': {data.data}' if shown else ''}")
        case ReaderStatus():
            return _reader(data)
        case PictureCaptured():
            return _picture(data)
        case FingerFeedback():
            return Text(f"{_words(data.position)}: {_words(data.feedback)}", "dim")
        case FingerCaptured():
            return _print(data)
        case CaptureEnded():
            return _capture(data)
        case BarrierState():
            return _barrier(data)
        case BarrierPassage():
            return _passage(data)
        case BarrierAlarm():
            return Text(f"{_door(data.door)}{data.text}", "bold red")
        case PlateRead():
            return _plate(data, shown=shown)
        case CommandDecided():
            return _decided(data)
        case CommandEnded():
            return _ended(data)
        case ClaimChanged():
            return _claim(data)
        case ClockStepped():
            return Text(f"the clock was set by {data.step_ms / 1000:+,.1f} s", "yellow")
        case AuditCheckpoint():
            return Text(f"the audit is signed up to line {data.line}: {data.trigger}")
        case _:
            return None


def _barrier(barrier: BarrierState) -> Text:
    colour = "dim" if barrier.stale else "" if barrier.state in MOVING else "bold yellow"
    line = Text(str(barrier.state).replace("_", " "), colour)
    conditions = barrier.conditions or (
        () if barrier.reason is StateReason.LIMIT_SWITCHES else (barrier.reason,)
    )
    if conditions:
        line.append("  " + ", ".join(str(one).replace("_", " ") for one in conditions), "yellow")
    if len(barrier.doors) > 1:
        line.append("".join(f"  {door.door} {door.state}" for door in barrier.doors), "dim")
    if any(door.presence for door in barrier.doors):
        line.append("  lane obstructed", "cyan")
    elif any(door.entry_side for door in barrier.doors):
        line.append("  traveller waiting", "cyan")
    if barrier.stale:
        line.append("  last state before the link failed", "yellow")
    return line


def _passage(passage: BarrierPassage) -> Text:
    line = Text(f"{_door(passage.door)}passage {str(passage.direction).replace('_', ' ')}")
    if passage.permitted:
        line.append("  ✓ permit", "green")
    else:
        line.append("  tailgating" if passage.tailgating else "  no permit", "yellow")
    return line


def _decided(decided: CommandDecided) -> Text:
    line = Text(f"{decided.verb or 'a command'} requested by {decided.station or 'an unknown station'}: ")
    line.append(str(decided.decision), "" if decided.reason is None else "yellow")
    line.append("" if decided.reason is None else f", {decided.reason}", "yellow")
    line.append(f"  {decided.count} times" if decided.count > 1 else "", "dim")
    return line


def _ended(ended: CommandEnded) -> Text:
    done = ended.state is CommandState.DONE
    line = Text(f"{ended.verb} for {ended.station}: ", "")
    line.append(str(ended.state), "green" if done else "yellow")
    line.append("" if ended.reason is None else f", {ended.reason}", "yellow")
    if ended.duration_ms:
        line.append(f" in {ended.duration_ms / 1000:.1f} s", "dim")
    return line


def _claim(claim: ClaimChanged) -> Text:
    line = Text(f"{claim.change}: {f'held by {claim.holder}' if claim.holder else 'no holder'}", "")
    line.append(f", before by {claim.previous_holder}" if claim.previous_holder else "", "dim")
    line.append(f" ({claim.reason})" if claim.reason else "", "yellow")
    return line


def _door(door: str | None) -> str:
    return f"{door}: " if door else ""


def _reader(status: ReaderStatus) -> Text:
    line = Text("card reader", "dim")
    for name, active in (("inputs", status.inputs), ("outputs", status.outputs)):
        if active is not None:
            line.append(f"  {name} {''.join('●' if one else '○' for one in active)}")
    if status.tampered:
        line.append("  opened or removed", "bold red")
    if status.power_failure:
        line.append("  supply fails", "yellow")
    return line


def _read(read: DocumentRead, *, shown: bool) -> Text:
    kind = "document" if read.mrz is None else read.mrz.format.upper().replace("_", "-")
    line = Text(f"{kind:<8} ", "bold" if read.images or read.chip else "")
    line.append(_zone(read.mrz, read.checks, shown=shown))
    if read.end_reason is not TransactionEnd.COMPLETE:
        line.append(f"  ended early: {read.end_reason}", "yellow")
    line.append(_marks(read.checks))
    return line


def _zone(mrz: Mrz | None, checks: Iterable[Check], *, shown: bool) -> Text:
    if mrz is None:
        absent = any(check.reason == "no_mrz" for check in checks)
        return Text("no machine readable zone" if absent else "zone not readable", "yellow")
    return Text(_person(mrz)) if shown else Text(f"{mrz.issuer} (personal data hidden)", "dim")


def _marks(checks: Sequence[Check]) -> Text:
    """Return the outcomes of checks by name; many passed ones as their number."""
    line = Text()
    good = [check for check in checks if check.outcome is Outcome.SUCCESSFUL]
    many = len(checks) > MANY
    if many and good:
        line.append(f"  ✓ {len(good)} checks", "green")
    for check in checks:
        if not many or check not in good:
            mark, colour = OUTCOMES[check.outcome]
            line.append(f"  {mark} {check.id.rpartition('.')[2]}", colour)
    return line


def _progress(progress: ChipProgress) -> str:
    if progress.file is None or not progress.bytes_total:
        return f"chip: {progress.access or progress.stage}"
    return f"chip: {progress.file}, {100 * (progress.bytes_read or 0) // progress.bytes_total} %"


def _chip(chip: ChipResult) -> Text:
    files = " ".join(f"DG{number}" for number in chip.data_groups_read) or "nothing read"
    line = Text.assemble(f"chip by {chip.access or 'no access'}: {files}", _marks(chip.checks))
    if chip.attempts > 1:
        line.append(f"  {chip.attempts} attempts", "yellow")
    if chip.read_limit is ReadLimit.READER:
        line.append("  reader of short commands", "dim")
    elif chip.read_limit is ReadLimit.ERRORS:
        line.append(f"  reads of {chip.read_bytes} bytes after errors", "dim")
    return line


def _print(taken: FingerCaptured) -> Text:
    size = sum(image.size_bytes for image in taken.attachments)
    line = Text(f"print of {_words(taken.position)}, {taken.width_px}x{taken.height_px}", "bold")
    line.append(f", {size / 1000:,.0f} kB")
    quality = taken.quality
    if quality.value is not None:
        mark, colour = OUTCOMES[quality.outcome]
        colour = "" if quality.required_minimum is None else colour
        line.append(f"  {_words(quality.measure)} {quality.value:g}", colour)
        line.append("" if quality.required_minimum is None else f" {mark}", colour)
    return line


def _capture(ended: CaptureEnded) -> Text:
    taken = ended.outcome is CaptureOutcome.CAPTURED
    line = Text(f"capture of {_words(ended.position)}: ")
    line.append(_words(ended.outcome), "green" if taken else "yellow")
    line.append("" if ended.reason is None else f", {_words(ended.reason)}", "yellow")
    return line


def _words(word: str | None) -> str:
    return "" if word is None else str(word).replace("_", " ")


def _picture(picture: PictureCaptured) -> Text:
    of = "portrait" if isinstance(picture, FaceCaptured) else "picture"
    size = sum(image.size_bytes for image in picture.attachments)
    line = Text(f"{of}, {picture.width_px}x{picture.height_px}, {size / 1000:,.0f} kB", "bold")
    line.append(f", {picture.age_ms:,.0f} ms old", "dim")
    for hint in picture.measurements:
        if hint.outcome is Outcome.FAILED:
            line.append(f"  ✗ {hint.measure} {hint.value:g}", "yellow")
    return line


def _plate(read: PlateRead, *, shown: bool) -> Text:
    # Never the text as read: a terminal would interpret its control characters.
    plate = read.plate or "no plate read"
    line = Text(plate if shown else "a vehicle (plate hidden)", "bold")
    line.append(f"  {read.country or ''} {read.direction}, {len(read.attachments)} images", "dim")
    if read.backlog:
        line.append("  read while the camera was disconnected", "yellow")
    if read.missing_images:
        line.append(f"  {read.missing_images} images missing", "yellow")
    return line


def _person(mrz: Mrz) -> str:
    name = f"{mrz.primary_identifier}, {mrz.secondary_identifier}".rstrip(", ")
    return f"{mrz.issuer} {mrz.document_number or '?'}  {name}  {_date(mrz.birth_date)}"


def _date(date: MrzDate | None) -> str:
    if date is None:
        return ""
    parts = (f"{date.year:04d}" if date.year else "????", _two(date.month), _two(date.day))
    return "*" + "-".join(parts)


def _two(number: int | None) -> str:
    return f"{number:02d}" if number else "??"
