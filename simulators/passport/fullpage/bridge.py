"""A host that serves the bridge contract, version 1: `GET /status`, `POST /scan`, `GET /images/...`."""

import json
from collections.abc import AsyncGenerator
from typing import Any

from simulators.http.server import Request, Response, json_response
from simulators.passport.fullpage.scanner import CODES, LIGHTS, PageScanner, Result, Scan

GARBAGE = b"{bridge: yes]\n"


class BridgeHost:
    """The service of a reader. `sees_documents` False: it cannot detect a document."""

    def __init__(
        self, scanner: PageScanner, credentials: tuple[str, str] | None = None, *, sees_documents: bool = True
    ) -> None:
        self.scanner = scanner
        self.credentials = credentials
        self.sees_documents = sees_documents
        self._images: dict[str, bytes] = {}
        self._scanned = 0

    async def answer(self, request: Request) -> Response:
        """Answer one request."""
        if self.scanner.rejects_password or request.credentials != self.credentials:
            return json_response({"error": {"code": "unauthorized"}}, 401)
        match request.method, request.path.split("/")[1:]:
            case "GET", ["status"]:
                return await self._status(request)
            case "POST", ["scan"]:
                return await self._scan(request.json)
            case "GET", ["images", name] if name in self._images:
                return Response(body=self._images[name], media_type="application/octet-stream")
        return json_response({"error": {"code": "unknown"}}, 404)

    async def _status(self, request: Request) -> Response:
        unless = request.query.get("unless")
        if unless is not None and self.sees_documents:
            wait_s = float(request.query.get("wait_s", 0))
            await self.scanner.wait_until(lambda: self.scanner.state != unless, wait_s)
        return json_response(
            {
                "bridge": 1,
                "reader": {
                    "connected": self.scanner.is_plugged,
                    "manufacturer": "Utopia Instruments",
                    "model": "Page One",
                    "serial_number": "SIM-P1-0001",
                    "firmware": "1.0",
                },
                "document": self.scanner.state if self.sees_documents else "unknown",
                "checks": list(CODES),
                "simulated": True,
            }
        )

    async def _scan(self, request_body: dict[str, Any]) -> Response:
        wait_s = request_body.get("wait_s", 0)
        scanner = self.scanner
        if not scanner.is_plugged:
            return json_response({"error": {"code": "reader_not_connected"}}, 503)

        def fresh() -> bool:
            return scanner.page is not None and scanner.placements > self._scanned

        if wait_s and not await scanner.wait_until(fresh, wait_s):
            return Response(204)
        if scanner.page is None:
            return json_response({"error": {"code": "no_document"}}, 409)
        self._scanned = scanner.placements
        self._images.clear()
        scan = scanner.scan(
            request_body.get("lights", LIGHTS),
            face="face" in request_body.get("areas", ()),
            png=request_body.get("image_format") == "image/png",
        )
        return Response(media_type="application/x-ndjson", stream=self._lines(scan, waited=bool(wait_s)))

    async def _lines(self, scan: Scan, *, waited: bool) -> AsyncGenerator[bytes, None]:
        if waited:
            yield _line({"placed": {}})
        for index in range(len(scan.results)):
            result = await scan.result_at(index)
            if result is None:
                yield _line({"removed": {}})
                return
            yield GARBAGE if result.garbage else _line(self._result(result, f"{scan.number}-{index}"))
        yield _line({"done": {}})

    def _result(self, result: Result, name: str) -> dict[str, Any]:
        match result.kind:
            case "mrz":
                return {"mrz": {"lines": list(result.lines)}}
            case "image":
                if not result.missing:
                    self._images[name] = result.image
                return {"image": {"light": result.light, "area": result.area, "path": f"/images/{name}"}}
            case "check":
                outcome = {} if result.outcome is None else {"outcome": result.outcome}
                return {"check": {"code": result.code, "vendor_code": result.word} | outcome}


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode() + b"\n"
