"""Driver for a WS-BD service, with scanners that only their maker's software can drive.

Source: NIST SP 500-288 and OASIS WS-BD 1.0 (2017), XML over HTTP. A client registers, locks the sensor,
initialises and configures it, starts the capture (the request is answered at the end of the capture) and
downloads the image. The service detects the finger; this driver gets only the complete image.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field, field_validator

from drivers import driver
from drivers.command import CommandOutput, CommandRefusal, Invocation, RefusalReason, command
from drivers.driver import BadFrame, Identity, StateCode
from drivers.fingerprint.commands import CaptureFinger, StealLock
from drivers.fingerprint.observations import (
    SINGLE_FINGERS,
    CaptureOutcome,
    FingerPosition,
    UnreadableReason,
)
from drivers.fingerprint.raster import CaptureFailure, Raster
from drivers.fingerprint.scanner import FingerprintScanner, ScannerSettings, need_libraries
from drivers.fingerprint.wsbd.images import FORMATS, content_type, decode_raster
from drivers.fingerprint.wsbd.results import (
    DictionaryItem,
    Edition,
    ResultError,
    Value,
    WsBdResult,
    configuration_body,
    parse_result,
)
from drivers.fingerprint.wsbd.statuses import WsBdStatus, parse_status, status_error
from drivers.links.factory import LinkFactory
from drivers.links.http.client import HttpSettings
from drivers.links.link import Action, Cause, LinkError

XML = "application/xml"
CAPTURE_EXTRA_S = 5.0
"""Time limit of the capture request beyond that of the capture, which comes first, in seconds."""
CLOSING_S = 1.0
SUBMODALITIES: dict[FingerPosition, str] = {
    FingerPosition.UNKNOWN: "unknown",
    FingerPosition.RIGHT_THUMB: "rightThumb",
    FingerPosition.RIGHT_INDEX: "rightIndex",
    FingerPosition.RIGHT_MIDDLE: "rightMiddle",
    FingerPosition.RIGHT_RING: "rightRing",
    FingerPosition.RIGHT_LITTLE: "rightLittle",
    FingerPosition.LEFT_THUMB: "leftThumb",
    FingerPosition.LEFT_INDEX: "leftIndex",
    FingerPosition.LEFT_MIDDLE: "leftMiddle",
    FingerPosition.LEFT_RING: "leftRing",
    FingerPosition.LEFT_LITTLE: "leftLittle",
    FingerPosition.RIGHT_FOUR: "rightFourFingers",
    FingerPosition.LEFT_FOUR: "leftFourFingers",
    FingerPosition.BOTH_THUMBS: "bothThumbs",
}
"""Usual names of the fingers: `leftMiddle` is NIST's own example, the others follow its pattern."""


class WsBdSettings(HttpSettings, ScannerSettings):
    """Settings of one scanner behind a service."""

    edition: Edition = Field(
        default="nist",
        description="Edition, which selects the XML namespace: nist (SP 500-288) or oasis (WS-BD 1.0).",
        examples=["oasis"],
    )
    positions: tuple[FingerPosition, ...] = Field(
        default=tuple(position for position in FingerPosition if position in SINGLE_FINGERS),
        min_length=1,
        description="Supported positions: single fingers, right_four, left_four, both_thumbs.",
        examples=[["right_four", "left_four", "both_thumbs"]],
    )
    submodalities: dict[FingerPosition, str] = Field(
        default={},
        description="Service's name of a position, if it differs from the usual name such as leftMiddle.",
        examples=[{"right_four": "rightSlap"}],
    )
    parameters: dict[str, Value] = Field(
        default={},
        description="Further parameters of the service, set before every capture.",
        examples=[{"contentType": "image/png", "captureTimeout": 20000}],
    )
    steal_lock: str | None = Field(
        default=None,
        min_length=4,
        description="Reason for taking the lock from another client at the start of the gateway; without "
        "one the gateway waits until the lock is free.",
        examples=["the counter's old software starts by itself and keeps the lock"],
    )
    resolution_ppi: int = Field(
        default=500,
        ge=100,
        le=2000,
        description="Resolution of images without a resolution of their own, in pixels per inch.",
        examples=[500],
    )
    image_max_bytes: int = Field(
        default=16 * 1024 * 1024,
        ge=64 * 1024,
        le=48 * 1024 * 1024,
        description="Largest accepted image, in bytes.",
        examples=[16777216],
    )
    initialise_timeout_s: float = Field(
        default=30.0,
        gt=0,
        le=120,
        description="Time limit of the scanner's initialisation, in seconds.",
        examples=[30.0],
    )
    idle_poll_s: float = Field(
        default=5.0,
        gt=0,
        le=60,
        description="Interval between checks of the lock, in seconds.",
        examples=[5.0],
    )
    poll_s: float = Field(
        default=0.1,
        gt=0,
        le=5,
        description="Interval between requests for an image that the service still prepares, in seconds.",
        examples=[0.1],
    )

    @field_validator("submodalities")
    @classmethod
    def _of_known_positions(cls, names: dict[FingerPosition, str]) -> dict[FingerPosition, str]:
        if not all(names.values()):
            raise ValueError("has an empty name")
        return names


class WsBd(FingerprintScanner[WsBdSettings]):
    """A scanner behind a WS-BD service."""

    settings_model = WsBdSettings
    senses_fingers: ClassVar[bool] = False

    def __init__(self, settings: WsBdSettings, links: LinkFactory) -> None:
        super().__init__(settings, links)
        self.positions = frozenset(settings.positions)
        self._session: str | None = None
        self._held = False
        self._capturing = False
        self._look_again = asyncio.Event()
        self._wanted = CaptureFinger()

    async def open(self) -> Identity:
        """Register, lock and initialise; raises LinkError. If another client has the lock, wait for it."""
        need_libraries(self.settings)
        self.link = await self.links.http(self.settings)
        info = await self._asked("GET", "/info")
        registered = await self._done("POST", "/register", "register the gateway")
        if registered.session_id is None:
            raise self.link.wrong_service_error("registers nobody")
        self._session = registered.session_id
        held = await self._lock()
        if not held and self.settings.steal_lock is not None:
            await self._steal()
            held = True
        if held:
            await self._initialise()
        return _identity(info.metadata)

    async def close(self) -> None:
        """Release lock and registration, if the service still responds."""
        with contextlib.suppress(LinkError, TimeoutError):
            async with asyncio.timeout(CLOSING_S):
                if self._capturing:
                    await self._asked("POST", f"/cancel/{self._session}")
                if self._held:
                    await self._asked("DELETE", f"/lock/{self._session}")
                if self._session is not None:
                    await self._asked("DELETE", f"/register/{self._session}")

    def idle_status(self) -> driver.Status:
        """Return DEGRADED while another client has the lock."""
        return driver.Status(StateCode.ONLINE) if self._held else _HELD

    async def watch_idle(self) -> None:
        """Keep the lock, or wait for it."""
        if not self._held:
            self.emit(_HELD)
        while True:
            self._look_again.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.settings.idle_poll_s):
                    await self._look_again.wait()
            before = self._held
            held = await self._lock()
            if held and not before:
                await self._initialise()
            if held is not before:
                self.emit(self.idle_status())

    @command()
    async def steal_lock(self, _request: StealLock, _call: Invocation) -> CommandOutput:
        """Take the lock from another client, whatever its operation."""
        if self._session is None:
            raise CommandRefusal(RefusalReason.BUSY, "The service is not connected yet.")
        if not self._held:
            try:
                await self._steal()
            except LinkError as error:
                raise CommandRefusal(RefusalReason.DEVICE_REFUSED, error.text) from error
            self._held = False  # `watch_idle` finds the lock, and initialises
            self._look_again.set()
        return CommandOutput()

    async def _lock(self) -> bool:
        result = await self._asked("POST", f"/lock/{self._session}")
        match parse_status(result.status):
            case WsBdStatus.SUCCESS:
                self._held = True
            case WsBdStatus.LOCK_HELD_BY_ANOTHER:
                self._held = False
            case _:
                raise status_error(result.status, "grant the lock")
        return self._held

    async def _steal(self) -> None:
        await self._done("PUT", f"/lock/{self._session}", "transfer the lock of another client")
        self._held = True

    async def _initialise(self) -> None:
        await self._done(
            "POST",
            f"/initialize/{self._session}",
            "initialise the scanner",
            timeout_s=self.settings.initialise_timeout_s,
        )

    async def prepare_capture(self, wanted: CaptureFinger) -> None:
        """Set the finger and the configured parameters."""
        self._wanted = wanted
        if not self._held:
            if not await self._lock():
                raise CommandRefusal(RefusalReason.BUSY, _HELD.text)
            await self._initialise()
        result = await self._configured(wanted)
        if parse_status(result.status) is WsBdStatus.INITIALIZATION_NEEDED:
            await self._initialise()
            result = await self._configured(wanted)
        match parse_status(result.status):
            case WsBdStatus.SUCCESS:
                return
            case WsBdStatus.BAD_VALUE | WsBdStatus.NO_SUCH_PARAMETER | WsBdStatus.UNSUPPORTED:
                names = ", ".join(name[:40] for name in result.bad_fields[:5]) or result.status
                raise CommandRefusal(
                    RefusalReason.NOT_SUPPORTED, f"The service does not accept this: {names}."
                )
            case WsBdStatus.SENSOR_BUSY:
                raise CommandRefusal(RefusalReason.BUSY, "The scanner is busy with another operation.")
            case _:
                raise status_error(result.status, "set the parameters")

    async def _configured(self, wanted: CaptureFinger) -> WsBdResult:
        names = SUBMODALITIES | self.settings.submodalities
        parameters: dict[str, Value] = {"submodality": names[wanted.position], **self.settings.parameters}
        return await self._asked(
            "POST", f"/configure/{self._session}", body=configuration_body(self.settings.edition, parameters)
        )

    async def wait_for_finger(self) -> None:
        """Do nothing: the service waits for the finger."""

    async def wait_for_lift(self) -> None:
        """Do nothing: the service waits for the lift."""

    async def capture_image(self) -> Raster | CaptureFailure:
        """Start the capture at the service, wait for its end, and download the image."""
        self._capturing = True
        result = await self._asked(
            "POST", f"/capture/{self._session}", timeout_s=self._wanted.timeout_s + CAPTURE_EXTRA_S
        )
        self._capturing = False
        match parse_status(result.status):
            case WsBdStatus.SUCCESS if result.capture_ids:
                # A service that also separates several fingers names their common image first.
                return await self._downloaded(result.capture_ids[0])
            case WsBdStatus.SUCCESS | WsBdStatus.FAILURE:
                return _FAILED
            case WsBdStatus.SENSOR_TIMEOUT:
                return CaptureFailure(CaptureOutcome.TIMED_OUT)
            case WsBdStatus.CANCELED:
                return CaptureFailure(CaptureOutcome.CANCELLED)
            case _:
                raise status_error(result.status, "capture")

    async def _downloaded(self, capture: str) -> Raster | CaptureFailure:
        while True:
            result = await self._asked(
                "GET",
                f"/download/{capture}",
                # Base64 makes four characters of three bytes.
                limit_bytes=self.settings.image_max_bytes * 4 // 3 + 65536,
            )
            if parse_status(result.status) is not WsBdStatus.PREPARING_DOWNLOAD:
                break
            await asyncio.sleep(self.settings.poll_s)
        match parse_status(result.status):
            case WsBdStatus.SUCCESS:
                pass
            case WsBdStatus.FAILURE | WsBdStatus.INVALID_ID:  # the capture is not there any more
                return _FAILED
            case _:
                raise status_error(result.status, "deliver the image")
        media_type = content_type(result.metadata)
        if media_type not in FORMATS:
            raise LinkError(
                Cause.WRONG_DEVICE,
                f"The service delivers images as {media_type[:40] or 'nothing it names'}, which is not read.",
                Action.CONFIGURE,
                "Set `parameters` so that it delivers image/png or another file format.",
            )
        raster = await self.run_in_worker(
            decode_raster, result.sensor_data, media_type, result.metadata, self.settings.resolution_ppi
        )
        if raster is None:
            self.emit(BadFrame("image", result.sensor_data[:64]))
            return _FAILED
        return raster

    async def end_capture(self) -> None:
        """Cancel the capture of the service, if it still runs."""
        if self._capturing:
            self._capturing = False
            result = await self._asked("POST", f"/cancel/{self._session}")
            if parse_status(result.status) not in (
                WsBdStatus.SUCCESS,
                WsBdStatus.FAILURE,
                WsBdStatus.CANCELED,
                WsBdStatus.LOCK_NOT_HELD,
                WsBdStatus.LOCK_HELD_BY_ANOTHER,
            ):
                raise status_error(result.status, "cancel the capture")

    async def _done(self, method: str, path: str, doing: str, **how: Any) -> WsBdResult:
        """Send a request that must succeed."""
        result = await self._asked(method, path, **how)
        if parse_status(result.status) is not WsBdStatus.SUCCESS:
            raise status_error(result.status, doing)
        return result

    async def _asked(self, method: str, path: str, **how: Any) -> WsBdResult:
        answer = await self.link.request(method, path, media_type=XML, **how)
        try:
            return parse_result(answer.body)
        except ResultError as error:
            raise self.link.wrong_service_error(f"sends a response that {error}") from None


def _identity(metadata: Mapping[str, DictionaryItem]) -> Identity:
    """Return the identity of the service: its keys are not standardised, these are usual."""
    values = {
        key.lower(): (item.text or item.parts.get("defaultValue", ""))[:80] for key, item in metadata.items()
    }

    def one_of(*names: str) -> str | None:
        return next((values[name] for name in names if values.get(name)), None)

    return Identity(
        manufacturer=one_of("manufacturer", "vendor", "make"),
        model=one_of("model", "devicemodel", "product", "name") or "scanner behind WS-BD",
        serial_number=one_of("serialnumber", "serial", "deviceid"),
        firmware=one_of("firmware", "firmwareversion", "version"),
    )


_FAILED = CaptureFailure(CaptureOutcome.UNREADABLE, UnreadableReason.DEVICE_ERROR)
_HELD = driver.Status(
    StateCode.DEGRADED,
    Cause.PORT_HELD,
    "Another client of the service has the scanner's lock.",
    Action.RESTART,
    "Close the other program; or take the lock with the command `steal-lock` and a reason.",
)
