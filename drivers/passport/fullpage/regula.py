"""Examination of images by a Regula Document Reader server of the post's own. It drives no reader.

Wire: `POST /api/process` as in the vendor's published client (regula-documentreader-webclient 9.9, its models
`process_request`, `process_response`, `check_diagnose`). That client defaults to the vendor's cloud; this
module has no default address.
"""

import base64
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from drivers.links.factory import LinkFactory
from drivers.links.http import json_decode as json_body
from drivers.links.http.client import HttpLink, HttpSettings
from drivers.links.link import LinkError
from drivers.observation import Check, CheckGroup, Outcome, Weight
from drivers.passport.fullpage.scan_items import ChecksItem, ImageItem, MrzItem, ScanItem, unreadable_response
from drivers.passport.fullpage.vendor_checks import (
    B900_INK,
    UV_DULL_MRZ,
    UV_DULL_PAGE,
    UV_DULL_PHOTO,
    merge_checks,
    optical_check,
    vendor_word,
)
from drivers.passport.observations import DocumentArea, IlluminationType
from drivers.passport.read_result import split_lines

LIGHTS = {
    IlluminationType.VISIBLE: 6,
    IlluminationType.INFRARED: 24,
    IlluminationType.ULTRAVIOLET: 128,
    IlluminationType.AXIAL: 3072,
}
MRZ, AUTHENTICITY, STATUS, TEXT = 3, 20, 33, 36
MRZ_STRINGS = 51
MODEL_KNOWN = "optical.model_known"

ABORTED, SUCCESSFUL = 0, 1
_UV_LUMINESCENCE, _IR_B900, _IMAGE_PATTERN, _UV_FIBERS, _IR_VISIBILITY = 1, 2, 4, 16, 32
_NAMES = {
    8: "axial_protection", 64: "security_text", 128: "hidden_image", 512: "photo_embedding", 1024: "ovi",
    4096: "hologram", 8192: "photo_area", 32768: "portrait_comparison", 65536: "barcode_format",
    131072: "kinegram", 262144: "letter_screen", 524288: "hologram_detection", 2097152: "liveness",
    4194304: "extended_ocr", 8388608: "extended_mrz", 16777216: "encrypted_hidden_image",
}  # fmt: skip
_PHOTO, _ZONE = 2, 3
_DIAGNOSES = {
    5: "UNCERTAIN_VERIFICATION", 7: "NECESSARY_IMAGE_NOT_FOUND", 10: "INVALID_CHECKSUM",
    20: "TRUE_LUMINESCENCE_ERROR", 21: "FALSE_LUMINESCENCE_ERROR", 22: "FIXED_PATTERN_ERROR",
    23: "LOW_CONTRAST_IN_IR_LIGHT", 24: "INCORRECT_BACKGROUND_LIGHT", 30: "FIBERS_NOT_FOUND",
    40: "INVISIBLE_ELEMENT_PRESENT", 41: "VISIBLE_ELEMENT_ABSENT", 50: "UV_DULL_PAPER_MRZ",
    51: "FALSE_LUMINESCENCE_IN_MRZ", 52: "UV_DULL_PAPER_PHOTO", 53: "UV_DULL_PAPER_BLANK",
    54: "UV_DULL_PAPER_ERROR",
}  # fmt: skip
# Diagnoses without meaning for the document: bad input, internal errors, an image that was not sent, a
# service behind the server that did not respond.
_NOT_RUN = frozenset({2, 3, 4, 7, 151, 152, 154, 184, 185, 186})
_NOT_DECIDED = frozenset({5, 145, 153, 156, 160})
_NO_DIAGNOSIS = frozenset({0, 1})


class RegulaSettings(HttpSettings):
    """Settings of the server."""

    timeout_s: float = Field(
        default=20.0, gt=0, le=60, description="Timeout for one document, in seconds.", examples=[20.0]
    )
    scenario: str = Field(
        default="FullAuth",
        pattern=r"^[A-Za-z]{1,40}$",
        description="Name of the server's processing scenario.",
        examples=["FullAuth"],
    )
    zero_means: Literal["aborted", "failed"] = Field(
        default="aborted",
        description="Meaning of result 0 when the server gives no diagnosis with it.",
        examples=["aborted"],
    )


class RegulaClient:
    """Client of one server."""

    def __init__(self, settings: RegulaSettings, link: HttpLink) -> None:
        self._settings = settings
        self._link = link

    async def examine(self, pictures: Sequence[ImageItem], *, zone_known: bool) -> list[ScanItem]:
        """Return the server's findings. A failure becomes an aborted check: the reader continues."""
        pages = [
            picture for picture in pictures if picture.area is DocumentArea.PAGE and picture.light in LIGHTS
        ]
        if not pages:
            return []
        try:
            answer = await self._link.request(
                "POST",
                "/api/process",
                body=process_request(pages, self._settings.scenario),
                limit_bytes=32 * 1024 * 1024,
            )
        except LinkError as error:
            return [
                ChecksItem((_model("server_lost", Outcome.ABORTED, f"{error.text} {error.how}".rstrip()),))
            ]
        pieces = parse_response(answer.body, self._settings.zero_means)
        return [piece for piece in pieces if not (zone_known and isinstance(piece, MrzItem))]


async def open_regula(settings: RegulaSettings | None, links: LinkFactory) -> RegulaClient | None:
    """Prepare the client of the configured server.

    A server that is not running yet does not stop the reader.
    """
    return None if settings is None else RegulaClient(settings, await links.http(settings))


def process_request(pages: Iterable[ImageItem], scenario: str) -> dict[str, Any]:
    """Build the request body for the images of one page."""
    return {
        "processParam": {"scenario": scenario, "resultTypeOutput": [MRZ, AUTHENTICITY, STATUS, TEXT]},
        "List": [
            {
                "ImageData": {"image": base64.b64encode(page.content).decode()},
                "light": LIGHTS[page.light],
                "page_idx": 0,
            }
            for page in pages
        ],
    }


def parse_response(body: bytes, zero_means: Literal["aborted", "failed"] = "aborted") -> list[ScanItem]:
    """Parse an answer: the zone, if there is one, and every check that was made."""
    try:
        answer = json_body.decode(body)
        containers = [c for c in answer["ContainerList"]["List"] if isinstance(c, dict)]
    except (ValueError, KeyError, TypeError):
        return [unreadable_response(body), ChecksItem((_model("answer_unreadable", Outcome.ABORTED),))]
    zero = Outcome(zero_means)
    lines = next((found for container in containers if (found := _lines(container))), ())
    authentic = [check for container in containers for check in _authenticity(container, zero)]
    status = [check for container in containers for check in _status(container)]
    if answer.get("ProcessingFinished") == 2:
        status.append(_model("server_timeout", Outcome.ABORTED))
    checks = merge_checks(authentic, status)
    return [*((MrzItem(lines),) if lines else ()), *((ChecksItem(checks),) if checks else ())]


def _lines(container: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the lines of the zone. The server separates them by `^`."""
    match container:
        case {"result_type": 36, "Text": {"fieldList": [*fields]}}:
            texts = [
                f.get("value") for f in fields if isinstance(f, dict) and f.get("fieldType") == MRZ_STRINGS
            ]
        case {"result_type": 3, "DocVisualExtendedInfo": {"pArrayFields": [*fields]}}:
            texts = [
                f.get("Buf_Text")
                for f in fields
                if isinstance(f, dict) and f.get("wFieldType") == MRZ_STRINGS
            ]
        case _:
            return ()
    return next((split_lines(re.sub(r"\^", "\n", text)) for text in texts if isinstance(text, str)), ())


def _authenticity(container: Mapping[str, Any], zero: Outcome) -> Iterator[Check]:
    match container:
        case {"result_type": 20, "AuthenticityCheckList": {"List": [*groups]}}:
            for group in groups:
                match group:
                    case {"List": [*elements]}:
                        yield from (
                            check for e in elements if (check := _element(e, group, zero)) is not None
                        )


def _element(element: object, group: Mapping[str, Any], zero: Outcome) -> Check | None:
    """Build the check of one feature of the page."""
    if not isinstance(element, dict):
        return None
    kind = element.get("Type", group.get("Type"))
    result, diagnosis = element.get("ElementResult"), element.get("ElementDiagnose", 0)
    match result:
        case 0:
            outcome = _negative(diagnosis, zero)
        case 1:
            outcome = Outcome.SUCCESSFUL
        case 2:
            return None  # not done: no check at all
        case _:
            outcome = Outcome.UNDETERMINED
    word = _DIAGNOSES.get(diagnosis, diagnosis) if isinstance(diagnosis, int) else None
    return optical_check(
        _code(kind, element.get("ElementType"), element.get("LightIndex")),
        outcome,
        vendor_code=result if isinstance(diagnosis, int) and diagnosis in _NO_DIAGNOSIS else word,
    )


def _negative(diagnosis: object, zero: Outcome) -> Outcome:
    """Return the meaning of result 0: by the server's diagnosis, or as configured when there is none."""
    if not isinstance(diagnosis, int) or diagnosis in _NO_DIAGNOSIS:
        return zero
    if diagnosis in _NOT_RUN:
        return Outcome.ABORTED
    return Outcome.UNDETERMINED if diagnosis in _NOT_DECIDED else Outcome.FAILED


def _code(kind: object, element: object, light: object) -> str:
    """Return the generic code of a feature, or a name when the guideline has no code."""
    match kind:
        case 1:
            return {_PHOTO: UV_DULL_PHOTO, _ZONE: UV_DULL_MRZ}.get(_int(element), UV_DULL_PAGE)
        case 2:
            return B900_INK
        case 4:
            return {
                LIGHTS[IlluminationType.INFRARED]: "ir_ab_is",
                LIGHTS[IlluminationType.ULTRAVIOLET]: "uv_lu_is",
            }.get(_int(light), "vi_ab_is")
        case 16:
            return "uv_lu_fi"
        case 32:
            return "ir_ab_ph" if element == _PHOTO else "ir_ab_is"
        case _:
            return _NAMES.get(
                _int(kind), f"vendor_{_int(kind)}" if isinstance(kind, int) else "vendor_unknown"
            )


def _int(value: object) -> int:
    return value if isinstance(value, int) else -1


def _status(container: Mapping[str, Any]) -> Iterator[Check]:
    """Check that the document type is known. Digits and expiry are checked by the gateway, from the zone."""
    match container:
        case {"result_type": 33, "Status": {"detailsOptical": {"docType": result}}} if result in (0, 1):
            known = result == SUCCESSFUL
            yield _model(
                None if known else "model_unknown",
                Outcome.SUCCESSFUL if known else Outcome.UNDETERMINED,
                vendor_code=vendor_word(result),
            )


def _model(
    reason: str | None, outcome: Outcome, text: str | None = None, vendor_code: str | None = None
) -> Check:
    return Check(
        id=MODEL_KNOWN,
        group=CheckGroup.OPTICAL,
        outcome=outcome,
        weight=Weight.OPTIONAL,
        reason=reason,
        text=text,
        vendor_code=vendor_code,
    )
