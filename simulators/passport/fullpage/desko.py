"""DESKO's local service, as far as its published web client shows it; the rest is a guess.

Reservations, `/system`, `/scan/execute` and its resources are known. How to keep and delete a reservation and
to read the state of the document is not known: here they are `PUT` and `DELETE /reservation` and `GET
/document-state`.
"""

import asyncio
import base64
import itertools
from typing import Any

from simulators.http.server import Request, Response, json_response
from simulators.passport.fullpage.scanner import B900, UV_PAGE, UV_PHOTO, UV_ZONE, PageScanner, Result, Scan

GARBAGE = Response(body=b"<html>Internal error", media_type="text/html")
_UV = {UV_PAGE: "document", UV_PHOTO: "face", UV_ZONE: "mrz"}


class DeskoService:
    """The service of a reader. One client at a time: the one with the reservation."""

    def __init__(self, scanner: PageScanner, credentials: tuple[str, str] | None = None) -> None:
        self.scanner = scanner
        self.credentials = credentials
        self._numbers = itertools.count(1)
        self._reservation: str | None = None
        self._until_s = 0.0
        self._scan: Scan | None = None
        self._resources: dict[str, int | tuple[int, ...]] = {}

    def reset(self) -> None:
        """Discard the reservation, as after a restart."""
        self._reservation = None

    async def answer(self, request: Request) -> Response:
        """Answer one request."""
        if self.scanner.rejects_password or request.credentials != self.credentials:
            return json_response({}, 401)
        now_s = asyncio.get_running_loop().time()
        held = self._reservation is not None and now_s < self._until_s
        if (request.method, request.path) == ("POST", "/reservation"):
            if held:
                return json_response({}, 409)
            self._reservation = f"r{next(self._numbers)}"
            return self._reserved(request, now_s)
        if not held or request.query.get("reservationid") != self._reservation:
            return json_response({}, 404)
        match request.method, request.path:
            case "PUT", "/reservation":
                return self._reserved(request, now_s)
            case "DELETE", "/reservation":
                self._reservation = None
                return Response(204)
            case "GET", "/system":
                return json_response(self._system())
            case "GET", "/document-state":
                return json_response({"document": "off" if self.scanner.page is None else "on"})
            case "PUT", "/scan/execute":
                return self._execute(request.json)
            case "GET", path if path in self._resources:
                return await self._resource(path)
        return json_response({}, 404)

    def _reserved(self, request: Request, now_s: float) -> Response:
        self._until_s = now_s + float(request.json.get("timeout", 15))
        return json_response({"reservationid": self._reservation})

    def _system(self) -> dict[str, Any]:
        return {
            "Connected": self.scanner.is_plugged,
            "Plugged": self.scanner.is_plugged,
            "DeskoWebApiVersion": "1.4.0",
            "Server": "simulated",
            "DeviceData": {
                "DeviceSerialNumber": "SIM-DP-0001",
                "DeviceVid": 0x1BE1,
                "DevicePid": 0x0001,
                "DeviceFirmwareVersionString": "3.2",
                "DeviceSupportUvLight": 1,
            },
        }

    def _execute(self, asked: dict[str, Any]) -> Response:
        if self.scanner.page is None:
            return json_response({"resourceList": []})
        lights = {name for name, light in asked.get("lightSources", {}).items() if light.get("use")}
        croppings = asked.get("lightSources", {}).get("visible", {}).get("croppings", ())
        scan = self.scanner.scan(
            sorted(lights), face="face" in croppings, png=asked.get("imageFormat") == "image/png"
        )
        self._scan = scan
        self._resources = {}
        base = f"/scan/{scan.number}"
        uv = tuple(i for i, found in enumerate(scan.results) if found.code in _UV)
        for index, found in enumerate(scan.results):
            match found.kind:
                case "image":
                    area = "document" if found.area == "page" else found.area
                    self._resources[f"{base}/{found.light}/{area}"] = index
                case "check" if found.code == B900 and asked.get("checkB900Ink"):
                    self._resources[f"{base}/b900-check"] = index
        if uv and asked.get("checkUvDullness"):
            self._resources[f"{base}/uv-dullness"] = uv
        if asked.get("getMrz"):
            self._resources[f"{base}/mrz"] = next(
                ((i,) for i, found in enumerate(scan.results) if found.kind == "mrz"), ()
            )
        return json_response({"resourceList": list(self._resources)})

    async def _resource(self, path: str) -> Response:
        assert self._scan is not None
        result_indexes = self._resources[path]
        found = [
            await self._scan.result_at(index)
            for index in (result_indexes if isinstance(result_indexes, tuple) else (result_indexes,))
        ]
        if any(result is not None and result.garbage for result in found):
            return GARBAGE
        there = [result for result in found if result is not None and not result.missing]
        if not there or any(result.outcome == "not_supported" for result in there):
            return json_response({"available": False})
        return json_response({"available": True} | _content(there))


def _content(found: list[Result]) -> dict[str, Any]:
    match found[0].kind:
        case "mrz":
            lines = found[0].lines
            numbered = {f"line{number}": line for number, line in enumerate(lines, start=1)}
            return numbered | {"mrz": "\r\n".join(lines)}
        case "image":
            return {"img": base64.b64encode(found[0].image).decode()}
        case "check" if found[0].code == B900:
            return {"testResult": found[0].word}
        case _:
            return {_UV[result.code]: result.word for result in found}
