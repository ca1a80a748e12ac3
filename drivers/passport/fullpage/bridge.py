"""Readers behind a bridge: a small service that a host of a vendor's library implements.

Source: README.md in this folder, the contract of that service.
"""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from drivers.driver import BadFrame, Identity
from drivers.links.link import Action, Cause, LinkError
from drivers.observation import Check, Outcome
from drivers.passport.fullpage.reader import FullPageReader, FullPageSettings
from drivers.passport.fullpage.regula import open_regula
from drivers.passport.fullpage.scan_items import (
    ChecksItem,
    MrzItem,
    PlacedItem,
    RemovedItem,
    ScanItem,
    image_item,
    unreadable_response,
)
from drivers.passport.fullpage.vendor_checks import (
    OutcomeWords,
    check_from_word,
    optical_check,
    optical_check_id,
)
from drivers.passport.observations import DocumentArea, IlluminationType
from drivers.passport.read_result import split_lines

VERSION = 1
"""Version of the contract in README.md."""
NO_DOCUMENT, NOT_CONNECTED, BUSY = "no_document", "reader_not_connected", "busy"
ERROR_CODE_PATTERN = r"^[a-z]{2}_[a-z]{2}_[a-z]{2}$"


class BridgeSettings(FullPageSettings):
    """Settings of one reader behind a bridge."""

    trigger: Literal["status", "scan"] = Field(
        default="status",
        description="Start of a scan: status: the gateway scans when `status` reports a document; "
        "scan: the bridge "
        "delays its answer to `scan` until there is one.",
        examples=["status"],
    )
    scan_wait_s: float = Field(
        default=10.0,
        ge=0,
        le=50,
        description="Time for which the bridge may delay an answer until a change, in seconds.",
        examples=[10.0],
    )


class _BridgeMessage(BaseModel):
    """Message of a bridge. Fields are only added within a version, so unknown ones are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)


class _Reader(_BridgeMessage):
    connected: bool
    model: str = Field(default="full-page reader", max_length=80)
    manufacturer: str | None = Field(default=None, max_length=80)
    serial_number: str | None = Field(default=None, max_length=80)
    firmware: str | None = Field(default=None, max_length=80)


class BridgeStatus(_BridgeMessage):
    """Answer to `GET /status`."""

    bridge: int
    reader: _Reader
    document: Literal["present", "absent", "unknown"]
    checks: tuple[str, ...] = ()
    """Generic codes of the checks that the bridge makes."""
    simulated: bool = False


class _Mrz(_BridgeMessage):
    lines: tuple[str, ...] = Field(max_length=8)


class _Image(_BridgeMessage):
    light: IlluminationType
    area: DocumentArea
    path: str


class _Check(_BridgeMessage):
    code: str = Field(pattern=ERROR_CODE_PATTERN)
    outcome: str | None = None
    vendor_code: str | int | None = None


class _Error(_BridgeMessage):
    code: str


class _Line(_BridgeMessage):
    """Line of the answer to `POST /scan`: one of these fields is present."""

    placed: dict[str, object] | None = None
    mrz: _Mrz | None = None
    image: _Image | None = None
    check: _Check | None = None
    removed: dict[str, object] | None = None
    done: dict[str, object] | None = None
    error: _Error | None = None


@dataclass(frozen=True, slots=True)
class ImageReference:
    """An image that can be fetched."""

    light: IlluminationType
    area: DocumentArea
    path: str


@dataclass(frozen=True, slots=True)
class ScanDone:
    """End of a scan."""


@dataclass(frozen=True, slots=True)
class ScanError:
    """Error of the bridge."""

    code: str


def parse_status(body: bytes) -> BridgeStatus | None:
    """Parse a status; None when it is none."""
    with suppress(ValidationError):
        return BridgeStatus.model_validate_json(body)
    return None


def parse_line(line: bytes, words: OutcomeWords) -> ScanItem | ImageReference | ScanDone | ScanError | None:
    """Parse a line of a scan; None for kinds of lines that came after this version."""
    try:
        parsed = _Line.model_validate_json(line)
    except ValidationError:
        return unreadable_response(line)
    if parsed.mrz is not None:
        lines = split_lines("\n".join(parsed.mrz.lines))
        return MrzItem(lines, line) if lines else None
    if parsed.image is not None:
        return ImageReference(parsed.image.light, parsed.image.area, parsed.image.path)
    if parsed.check is not None:
        return ChecksItem((_check(parsed.check, words),))
    if parsed.error is not None:
        return ScanError(parsed.error.code)
    if parsed.removed is not None:
        return RemovedItem()
    if parsed.done is not None:
        return ScanDone()
    return None if parsed.placed is None else PlacedItem()


def _check(parsed: _Check, words: OutcomeWords) -> Check:
    if parsed.outcome is None:
        return check_from_word(parsed.code, parsed.vendor_code, words)
    outcome = Outcome(parsed.outcome)
    if outcome is Outcome.UNKNOWN:
        return optical_check(
            parsed.code, Outcome.UNDETERMINED, vendor_code=parsed.vendor_code, reason="vendor_word_unknown"
        )
    return optical_check(parsed.code, outcome, vendor_code=parsed.vendor_code)


class BridgeReader(FullPageReader[BridgeSettings]):
    """A reader behind a bridge."""

    settings_model = BridgeSettings

    async def open(self) -> Identity:
        """Request the identity; raises LinkError when the service is no bridge, or has no reader."""
        self.link = await self.links.http(self.settings)
        self.examiner = await open_regula(self.settings.regula, self.links)
        status = await self._status()
        if status.document == "unknown" and self.settings.trigger == "status":
            raise LinkError(
                Cause.WRONG_DEVICE,
                "This reader cannot detect a document on its glass, so it would never scan.",
                Action.CONFIGURE,
                'Set `trigger = "scan"`.',
            )
        self.expected_checks = tuple(optical_check_id(code) for code in status.checks)
        reader = status.reader
        return Identity(
            model=reader.model,
            manufacturer=reader.manufacturer,
            serial_number=reader.serial_number,
            firmware=reader.firmware,
        )

    async def wait_for_document(self) -> AsyncGenerator[ScanItem, None]:
        """Wait for a document as `trigger` says."""
        if self.settings.trigger == "status":
            await self._wait_for("present")
            return self._items(0)
        while True:
            asked_s = _clock_s()
            pieces = self._items(self.settings.scan_wait_s)
            if await anext(pieces, None) is not None:
                return pieces
            await self._pause(asked_s)

    async def wait_until_removed(self) -> None:
        """Wait for `absent`; a reader that cannot detect documents waits at its next scan."""
        await self._wait_for("absent", "unknown")

    async def _wait_for(self, *states: str) -> None:
        unless = "absent" if "present" in states else "present"
        while True:
            asked_s = _clock_s()
            status = await self._status(unless)
            if status.document in states:
                return
            await self._pause(asked_s)

    async def _pause(self, asked_s: float) -> None:
        """Poll at once after a delayed answer, else after `poll_s`."""
        await asyncio.sleep(max(0.0, self.settings.poll_s - (_clock_s() - asked_s)))

    async def _status(self, unless: str | None = None) -> BridgeStatus:
        """Request the status, delayed while the document is `unless`; raises LinkError."""
        wait_s = self.settings.scan_wait_s
        answer = await self.link.request(
            "GET",
            "/status",
            query=None if unless is None else {"unless": unless, "wait_s": wait_s},
            expect=(200, 409, 503),
            timeout_s=self.settings.timeout_s + (0 if unless is None else wait_s),
        )
        if answer.status != 200:
            parsed = parse_line(answer.body, self.settings.outcome_words)
            raise _refusal(parsed.code if isinstance(parsed, ScanError) else "")
        status = parse_status(answer.body)
        if status is None:
            raise self.link.wrong_service_error("is no bridge to a document reader")
        if status.bridge != VERSION:
            raise self.link.wrong_service_error(
                f"speaks version {status.bridge} of the bridge, not {VERSION}"
            )
        if status.simulated:
            self.link.mark_simulated()
        if not status.reader.connected:
            raise _refusal(NOT_CONNECTED)
        return status

    async def _items(self, wait_s: float) -> AsyncGenerator[ScanItem, None]:
        """Scan and yield the items; with `wait_s` first PlacedItem, or nothing when no document comes."""
        request = {
            "bridge": VERSION,
            "lights": list(self.settings.lights),
            "areas": ["page", "face"] if self.settings.face else ["page"],
            "image_format": self.settings.image_format,
            "wait_s": wait_s,
        }
        lines = self.link.stream_lines(
            "POST",
            "/scan",
            body=request,
            expect=(200, 204, 409, 503),
            silence_s=wait_s + self.settings.scan_timeout_s,
        )
        placed = not wait_s
        try:
            async for line in lines:
                parsed = parse_line(line, self.settings.outcome_words)
                if not placed:
                    if parsed == ScanError(NO_DOCUMENT):
                        return
                    placed = True
                    yield PlacedItem()
                match parsed:
                    case ScanDone():
                        return
                    case ScanError("no_document"):  # it was removed before the scan began
                        yield RemovedItem()
                        return
                    case ScanError(code):
                        raise _refusal(code)
                    case ImageReference():
                        yield await self._image(parsed)
                    case RemovedItem():
                        yield parsed
                        return
                    case None:
                        pass
                    case _:
                        yield parsed
        finally:
            await lines.aclose()
        if placed:
            raise LinkError(
                Cause.LINK_FAILED,
                f"The bridge at {self.settings.url} ended a scan without its last line, so the read "
                "is incomplete.",
                Action.RESTART,
                "Restart the bridge if this repeats; see its own log for the cause.",
            )

    async def _image(self, at: ImageReference) -> ScanItem:
        answer = await self.link.request(
            "GET",
            at.path,
            expect=(200, 404, 410),
            timeout_s=self.settings.scan_timeout_s,
            limit_bytes=self.settings.image_max_bytes,
        )
        if answer.status != 200:
            return BadFrame("image_missing", json.dumps({"light": at.light, "area": at.area}).encode())
        return image_item(at.light, at.area, answer.body)


def _refusal(code: str) -> LinkError:
    match code:
        case "reader_not_connected":
            return LinkError(
                Cause.UNPLUGGED,
                "The bridge responds, but its reader is missing.",
                Action.REPLUG,
                "Check cable and power of the reader.",
            )
        case "busy":
            return LinkError(
                Cause.PORT_HELD,
                "Another program uses the reader through the bridge.",
                Action.RESTART,
                "Stop that program.",
            )
        case _:
            return LinkError(
                Cause.NO_RESPONSE,
                "The bridge could not scan.",
                Action.RESTART,
                "Restart the bridge; see its own log for the cause.",
            )


def _clock_s() -> float:
    return asyncio.get_running_loop().time()
