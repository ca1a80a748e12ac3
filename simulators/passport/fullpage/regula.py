"""A document server like Regula's: `POST /api/process` analyses the pixels of the images.

It detects bright paper in ultraviolet light, and a zone that is invisible in infrared light, by the
brightness of the images. The text comes from the comment in drawn pages; there is no OCR.
"""

import base64
import io
from typing import Any

from simulators.http.server import Request, Response, json_response

WHITE, INFRARED, ULTRAVIOLET = 6, 24, 128
MRZ_STRINGS = 51
OK, NEGATIVE, NOT_DONE = 1, 0, 2
UV_DULL_PAPER_MRZ, UV_DULL_PAPER_PHOTO, UV_DULL_PAPER_BLANK, LOW_CONTRAST_IN_IR = 50, 52, 53, 23
_ELEMENTS = ((0, UV_DULL_PAPER_BLANK), (2, UV_DULL_PAPER_PHOTO), (3, UV_DULL_PAPER_MRZ))
BRIGHT, DARK = 120, 80
"""Grey levels: of paper that is bright in ultraviolet light, and of ink that is visible in infrared light."""


class RegulaServer:
    """The server that examines images."""

    def __init__(self, credentials: tuple[str, str] | None = None) -> None:
        self.credentials = credentials
        self.garbage = False
        """True if it answers with invalid JSON."""

    async def answer(self, request: Request) -> Response:
        """Answer one request."""
        if request.credentials != self.credentials:
            return json_response({}, 401)
        match request.method, request.path:
            case "GET", "/api/ping":
                return json_response({"app": "simulated"})
            case "POST", "/api/process" if self.garbage:
                return Response(body=b"<html>", media_type="text/html")
            case "POST", "/api/process":
                return json_response(process(request.json))
        return json_response({}, 404)


def process(asked: dict[str, Any]) -> dict[str, Any]:
    """Return the findings in the images of a request."""
    from PIL import Image

    lines = ""
    elements: list[dict[str, Any]] = []
    for item in asked.get("List", ()):
        with Image.open(io.BytesIO(base64.b64decode(item["ImageData"]["image"]))) as image:
            comment = image.info.get("comment", b"").decode()
            grey = image.convert("L")
        zone = grey.crop((0, int(grey.height * 0.78), grey.width, grey.height))
        match item.get("light"):
            case 6:
                lines = "" if comment == "no zone" else comment.replace("\n", "^")
            case 24 if lines or comment != "no zone":
                seen = any(zone.histogram()[:DARK])
                elements.append(_element(2, 3, INFRARED, OK if seen else NEGATIVE, LOW_CONTRAST_IN_IR))
            case 128:
                histogram = grey.histogram()
                mean = sum(shade * count for shade, count in enumerate(histogram)) / sum(histogram)
                result = NEGATIVE if mean > BRIGHT else OK
                elements += [_element(1, kind, ULTRAVIOLET, result, bad) for kind, bad in _ELEMENTS]
    elements.append({"Type": 4096, "ElementResult": NOT_DONE, "ElementDiagnose": 0})
    results = [element["ElementResult"] for element in elements]
    found = [
        _container(20, AuthenticityCheckList={"Count": 1, "List": [{"Type": 0, "List": elements}]}),
        _container(33, Status=_status(NEGATIVE if NEGATIVE in results else OK)),
    ]
    if lines:
        field = {"fieldType": MRZ_STRINGS, "fieldName": "MRZ Strings", "value": lines, "status": OK}
        found.append(_container(36, Text={"fieldList": [field], "status": OK}))
    return {
        "ChipPage": 0,
        "CoreLibResultCode": 0,
        "ProcessingFinished": 1,
        "ContainerList": {"Count": len(found), "List": found},
        "TransactionInfo": {"TransactionID": "simulated"},
        "elapsedTime": 12,
        "morePagesAvailable": 0,
    }


def _container(result_type: int, **content: Any) -> dict[str, Any]:
    return {"result_type": result_type, "light": WHITE, "page_idx": 0, "list_idx": 0} | content


def _element(kind: int, element: int, light: int, result: int, diagnosis: int) -> dict[str, Any]:
    return {
        "Type": kind,
        "ElementType": element,
        "LightIndex": light,
        "ElementResult": result,
        "ElementDiagnose": 1 if result == OK else diagnosis,
        "PercentValue": 100 if result == OK else 12,
    }


def _status(security: int) -> dict[str, Any]:
    return {
        "overallStatus": security,
        "optical": security,
        "portrait": NOT_DONE,
        "rfid": NOT_DONE,
        "detailsOptical": {
            "overallStatus": security,
            "docType": OK,
            "expiry": NOT_DONE,
            "imageQA": OK,
            "mrz": OK,
            "pagesCount": 1,
            "security": security,
            "text": OK,
        },
    }
