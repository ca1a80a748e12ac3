"""DESKO Penta and ICON readers behind DESKO's own local service, the DESKO Web API.

Source: a published web client of that API (its `Api.client.ts` and `App.tsx`). HTTP Basic, JSON. ``POST
/reservation {"timeout": s}`` returns ``reservationid``, which every other request carries; ``GET /system``;
``PUT /scan/execute`` returns ``resourceList``, paths to ``GET`` one by one, each of them ``{"available":
false}`` or the content of its last parts: ``infrared/document`` (or ``visible``, ``ultraviolet``; ``face``)
``{"img": base64}``, ``mrz`` ``{"line1", "line2", "mrz", ...}``, ``uv-dullness`` ``{"document", "face",
"mrz"}``, ``b900-check`` ``{"testResult"}``. That client also keeps and deletes its reservation and requests
the state of the document, ``{"document": "on"}`` while one is placed. The requests for these were not found,
nor were the words of the results: both are settings, and their defaults are a guess.
"""

import asyncio
import base64
import binascii
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from typing import Any

from pydantic import Field

from drivers.driver import Identity
from drivers.links.http import json_decode as json_body
from drivers.links.link import Action, Cause, LinkError
from drivers.observation import Outcome
from drivers.passport.fullpage.reader import FullPageReader, FullPageSettings
from drivers.passport.fullpage.regula import open_regula
from drivers.passport.fullpage.scan_items import (
    ChecksItem,
    MrzItem,
    RemovedItem,
    ScanItem,
    image_item,
    unreadable_response,
)
from drivers.passport.fullpage.vendor_checks import (
    B900_INK,
    UV_DULL_MRZ,
    UV_DULL_PAGE,
    UV_DULL_PHOTO,
    OutcomeWords,
    check_from_word,
    optical_check,
    optical_check_id,
)
from drivers.passport.observations import DocumentArea, IlluminationType
from drivers.passport.read_result import split_lines

REQUEST = r"^(GET|PUT|POST|DELETE) /[!-~]*$"
UV_AREAS = {"document": UV_DULL_PAGE, "face": UV_DULL_PHOTO, "mrz": UV_DULL_MRZ}
AREAS = {"document": DocumentArea.PAGE, "face": DocumentArea.FACE, "mrz": DocumentArea.MRZ}
# Order of urgency for the officer's counter: the zone, then images for a person, then the service's order.
_FIRST = ("mrz", "visible/document", "b900-check", "uv-dullness")


class DeskoSettings(FullPageSettings):
    """Settings of one DESKO reader."""

    reservation_s: int = Field(
        default=15,
        ge=5,
        le=300,
        description="Duration of one reservation of the reader, in seconds.",
        examples=[15],
    )
    keep_reservation: str = Field(
        default="PUT /reservation",
        pattern=REQUEST,
        description="Request that keeps a reservation.",
        examples=["PUT /reservation"],
    )
    delete_reservation: str = Field(
        default="DELETE /reservation",
        pattern=REQUEST,
        description="Request that ends the reservation.",
        examples=["DELETE /reservation"],
    )
    document_state: str = Field(
        default="GET /document-state",
        pattern=REQUEST,
        description="Request for the presence of a document.",
        examples=["GET /document-state"],
    )
    present: tuple[str, ...] = Field(
        default=("on",),
        description="Values of `document` in its answer while a document is placed.",
        examples=[["on"]],
    )
    resolution: str = Field(
        default="high", description="Resolution, in the service's words.", examples=["high"]
    )


def parse_object(body: bytes) -> dict[str, Any] | None:
    """Parse an answer as an object; None if it is none."""
    try:
        answer = json_body.decode(body)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def scan_request(settings: DeskoSettings) -> dict[str, Any]:
    """Build the body of a scan.

    Digits, age and expiry are not requested: they are checked here, from the zone.
    """
    croppings = {light: ["document"] if light in settings.lights else [] for light in IlluminationType}
    if settings.face and "visible" in settings.lights:
        croppings[IlluminationType.VISIBLE].append("face")
    return {
        "resolution": settings.resolution,
        "ambientReduction": True,
        "checkUvDullness": "ultraviolet" in settings.lights,
        "checkB900Ink": "infrared" in settings.lights,
        "getMrz": True,
        "MrzChecksumsCheck": False,
        "MrzAgeCheck": False,
        "MrzExpiryCheck": False,
        "getDocumentShape": False,
        "imageFormat": settings.image_format,
        "jpegQuality": 90,
        "pngCompression": 1,
        "optimizeImage": True,
        "lightSources": {
            str(light): {"use": bool(croppings[light]), "croppings": croppings[light]}
            for light in (IlluminationType.INFRARED, IlluminationType.VISIBLE, IlluminationType.ULTRAVIOLET)
        },
    }


def expected_checks(settings: DeskoSettings) -> tuple[str, ...]:
    """Return the checks that such a scan makes."""
    codes = [B900_INK] if "infrared" in settings.lights else []
    return tuple(
        optical_check_id(code) for code in (*codes, *(UV_AREAS.values() if _ultraviolet(settings) else ()))
    )


def ordered_resources(resources: object) -> list[str]:
    """Sort the paths of a scan's results, the most urgent first."""
    paths = [path for path in resources if isinstance(path, str)] if isinstance(resources, list) else []
    return sorted(
        paths, key=lambda path: next((i for i, e in enumerate(_FIRST) if path.endswith(e)), len(_FIRST))
    )


def is_available(body: bytes) -> bool:
    """Return true when a result is available."""
    answer = parse_object(body)
    return answer is None or answer.get("available") is True


def parse_resource(path: str, body: bytes, words: OutcomeWords, *, zone_known: bool) -> list[ScanItem]:
    """Parse one result."""
    answer = parse_object(body)
    if answer is None:
        return [unreadable_response(body)]
    available = answer.get("available") is True
    match path.partition("?")[0].rstrip("/").split("/"):
        case [*_, "mrz"]:
            lines = _lines(answer) if available else ()
            return [MrzItem(lines, body)] if lines else []
        case [*_, "uv-dullness"]:
            return [ChecksItem(tuple(_uv(answer, words, available=available)))]
        case [*_, "b900-check"] if available:
            return [ChecksItem((check_from_word(B900_INK, answer.get("testResult"), words),))]
        case [*_, "b900-check"]:
            # Without a zone on the page there is no ink of a zone either.
            outcome = Outcome.ABORTED if zone_known else Outcome.NOT_SUPPORTED
            reason = "not_available" if zone_known else "no_mrz"
            return [ChecksItem((optical_check(B900_INK, outcome, reason=reason),))]
        case [*_, ("infrared" | "visible" | "ultraviolet") as light, ("document" | "face") as area]:
            return [_image(IlluminationType(light), AREAS[area], answer, body)] if available else []
        case _:
            return []


def _lines(answer: Mapping[str, Any]) -> tuple[str, ...]:
    lines = [answer.get(f"line{number}") for number in (1, 2, 3)]
    text = "\n".join(line for line in lines if isinstance(line, str))
    whole = answer.get("mrz")
    return split_lines(text) or (split_lines(whole) if isinstance(whole, str) else ())


def _uv(answer: Mapping[str, Any], words: OutcomeWords, *, available: bool) -> list[Any]:
    if not available:
        return [optical_check(code, Outcome.ABORTED, reason="not_available") for code in UV_AREAS.values()]
    return [check_from_word(code, answer[area], words) for area, code in UV_AREAS.items() if area in answer]


def _image(light: IlluminationType, area: DocumentArea, answer: Mapping[str, Any], body: bytes) -> ScanItem:
    text = answer.get("img")
    if not isinstance(text, str):
        return unreadable_response(body)
    try:
        content = base64.b64decode(text.rpartition("base64,")[2], validate=True)
    except (binascii.Error, ValueError):
        return unreadable_response(body)
    return image_item(light, area, content)


def _ultraviolet(settings: DeskoSettings) -> bool:
    return "ultraviolet" in settings.lights


class DeskoReader(FullPageReader[DeskoSettings]):
    """A DESKO reader behind DESKO's service."""

    settings_model = DeskoSettings
    reservation: str | None = None

    async def open(self) -> Identity:
        """Reserve the reader and request its identity; raises LinkError."""
        self.link = await self.links.http(self.settings)
        self.examiner = await open_regula(self.settings.regula, self.links)
        self.expected_checks = expected_checks(self.settings)
        await self._reserve()
        system = await self._configured_request("GET /system")
        if not isinstance(system.get("DeskoWebApiVersion"), str):
            raise self.link.wrong_service_error("is no DESKO Web API")
        if not (system.get("Connected") and system.get("Plugged")):
            raise LinkError(
                Cause.NO_DEVICE,
                "DESKO's service responds, but its reader is missing.",
                Action.REPLUG,
                "Check cable and power of the reader.",
            )
        device = system.get("DeviceData")
        device = device if isinstance(device, dict) else {}
        return Identity(
            manufacturer="DESKO",
            model=_usb_name(device),
            serial_number=_text(device.get("DeviceSerialNumber")),
            firmware=_text(device.get("DeviceFirmwareVersionString")),
        )

    async def close(self) -> None:
        """End the reservation, if the service still responds."""
        if self.reservation is not None:
            with suppress(LinkError):
                await self._configured_request(
                    self.settings.delete_reservation, expect=(200, 204), timeout_s=1
                )

    async def wait_for_document(self) -> AsyncGenerator[ScanItem, None]:
        """Wait until the service reports a document."""
        await self._wait_for(present=True)
        return self._items()

    async def wait_until_removed(self) -> None:
        """Wait until the service reports no document."""
        await self._wait_for(present=False)

    async def _wait_for(self, *, present: bool) -> None:
        while await self._present() is not present:
            await asyncio.sleep(self.settings.poll_s)
            await self._keep_reserved()

    async def _present(self) -> bool:
        state = (await self._configured_request(self.settings.document_state)).get("document")
        return str(state).casefold() in {word.casefold() for word in self.settings.present}

    async def _items(self) -> AsyncGenerator[ScanItem, None]:
        await self._keep_reserved()
        answer = await self._configured_request(
            "PUT /scan/execute", body=scan_request(self.settings), timeout_s=self.settings.scan_timeout_s
        )
        resources = ordered_resources(answer.get("resourceList"))
        if not resources:
            raise self.link.wrong_service_error("scanned and named no results")
        zone_known = False
        for number, path in enumerate(resources, start=1):
            found = await self.link.request(
                "GET",
                path,
                query={"reservationid": self.reservation or "", "timeout": int(self.settings.scan_timeout_s)},
                timeout_s=self.settings.scan_timeout_s + self.settings.timeout_s,
                # Base64 makes four characters of three bytes.
                limit_bytes=self.settings.image_max_bytes * 4 // 3 + 4096,
            )
            await self._keep_reserved()
            present = await self._present()
            # Results of a document that was removed are not missing features: they were not seen.
            if present or is_available(found.body):
                for piece in parse_resource(
                    path, found.body, self.settings.outcome_words, zone_known=zone_known
                ):
                    zone_known = zone_known or isinstance(piece, MrzItem)
                    yield piece
            if not present and (number < len(resources) or not is_available(found.body)):
                yield RemovedItem()
                return

    async def _reserve(self) -> None:
        answer = await self.link.request(
            "POST", "/reservation", body={"timeout": self.settings.reservation_s}, expect=(200, 201, 409, 423)
        )
        if answer.status in (409, 423):
            raise LinkError(
                Cause.PORT_HELD,
                "Another program has reserved the reader with DESKO's service.",
                Action.WAIT,
                f"A reservation ends by itself; stop that program if this stays after "
                f"{self.settings.reservation_s} seconds.",
            )
        reservation = (parse_object(answer.body) or {}).get("reservationid")
        if not isinstance(reservation, str | int) or not reservation:
            raise self.link.wrong_service_error("gives no reservation")
        self.reservation = str(reservation)
        self._reserved_s = asyncio.get_running_loop().time()

    async def _keep_reserved(self) -> None:
        """Keep the reservation once half of it is over."""
        now_s = asyncio.get_running_loop().time()
        if now_s - self._reserved_s >= self.settings.reservation_s / 2:
            await self._configured_request(
                self.settings.keep_reservation,
                body={"timeout": self.settings.reservation_s},
                expect=(200, 204),
            )
            self._reserved_s = now_s

    async def _configured_request(
        self,
        request: str,
        *,
        body: object = None,
        expect: tuple[int, ...] = (200,),
        timeout_s: float | None = None,
    ) -> dict[str, Any]:
        """Send a request of the settings, and return the object in its answer."""
        method, _, path = request.partition(" ")
        answer = await self.link.request(
            method,
            path,
            query={"reservationid": self.reservation or ""},
            body=body,
            expect=expect,
            timeout_s=timeout_s,
        )
        if not answer.body:
            return {}
        parsed = parse_object(answer.body)
        if parsed is None:
            raise self.link.wrong_service_error("answers with something that is no JSON object")
        return parsed


def _usb_name(device: Mapping[str, Any]) -> str:
    """Return the USB name: the API has no model name, but the USB identity tells models apart."""
    vid, pid = device.get("DeviceVid"), device.get("DevicePid")
    if isinstance(vid, int) and isinstance(pid, int):
        return f"DESKO {vid:04X}:{pid:04X}"
    return "DESKO reader"


def _text(value: object) -> str | None:
    return value[:80] if isinstance(value, str) and value else None
