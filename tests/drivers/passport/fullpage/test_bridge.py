"""The bridge: parsing of its answers, and both triggers of a scan."""

import asyncio
import json
from typing import Any

import pytest
from fullpage_fixture import CARD_BACK, FUZZ, PASSPORT, FullPageFixture, fullpage_fixture
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.driver import BadFrame
from drivers.links.link import Cause, LinkError
from drivers.observation import Outcome
from drivers.passport.fullpage.bridge import (
    BUSY,
    ImageReference,
    ScanDone,
    ScanError,
    parse_line,
    parse_status,
)
from drivers.passport.fullpage.scan_items import ChecksItem, MrzItem, PlacedItem, RemovedItem
from drivers.passport.fullpage.vendor_checks import OutcomeWords
from drivers.passport.observations import (
    DocumentArea,
    DocumentRead,
    DocumentRemoved,
    IlluminationType,
    TransactionEnd,
)
from simulators.http.server import HttpServer, Request, Response, json_response

STATUS: dict[str, Any] = {"bridge": 1, "reader": {"connected": True}, "document": "absent"}


def line(value: object) -> object:
    return parse_line(json.dumps(value).encode(), OutcomeWords())


def test_every_kind_of_line() -> None:
    assert line({"placed": {}}) == PlacedItem()
    assert line({"removed": {}}) == RemovedItem()
    assert line({"done": {"seconds": 2}}) == ScanDone()
    assert line({"error": {"code": "busy"}}) == ScanError(BUSY)
    assert line({"image": {"light": "axial", "area": "page", "path": "/i/1"}}) == ImageReference(
        IlluminationType.AXIAL, DocumentArea.PAGE, "/i/1"
    )
    zone = line({"mrz": {"lines": list(PASSPORT.lines)}})
    assert isinstance(zone, MrzItem)
    assert zone.lines == PASSPORT.lines


@pytest.mark.parametrize(
    "value", [{"hologram": {"seen": 1}}, {"mrz": {"lines": []}}, {"mrz": {"lines": [" "]}}]
)
def test_unknown_lines_are_ignored(value: object) -> None:
    assert line(value) is None


@pytest.mark.parametrize(
    "value",
    [
        [],
        "x",
        {"mrz": "P<UTO"},
        {"mrz": {"lines": ["A"] * 9}},
        {"image": {"light": "infrared", "area": "page"}},
        {"check": {"code": "mrz.check_digits", "outcome": "successful"}},
        {"check": {"code": "UV_BR_FU", "outcome": "successful"}},
    ],
)
def test_malformed_lines_are_bad_frames(value: object) -> None:
    assert isinstance(line(value), BadFrame)


@pytest.mark.parametrize(
    ("check", "outcome"),
    [
        ({"outcome": "failed"}, Outcome.FAILED),
        ({"outcome": "not_supported"}, Outcome.NOT_SUPPORTED),
        ({"outcome": "splendid"}, Outcome.UNDETERMINED),
        ({"outcome": "unknown"}, Outcome.UNDETERMINED),
        ({"vendor_code": "DULL"}, Outcome.SUCCESSFUL),
        ({"vendor_code": "NICE"}, Outcome.UNDETERMINED),
        ({}, Outcome.UNDETERMINED),
    ],
)
def test_check_has_one_of_five_outcomes(check: dict[str, Any], outcome: Outcome) -> None:
    observations = line({"check": {"code": "uv_br_fu"} | check})
    assert isinstance(observations, ChecksItem)
    assert (observations.checks[0].id, observations.checks[0].outcome) == ("optical.uv_br_fu", outcome)


@settings(max_examples=FUZZ)
@given(st.binary(max_size=60) | st.text().map(str.encode))
def test_no_bytes_make_it_stumble(observations: bytes) -> None:
    parse_line(observations, OutcomeWords())
    parse_status(observations)


async def test_bridge_triggers_scans() -> None:
    async with fullpage_fixture(
        "document-bridge", {"sees_documents": False}, trigger="scan", scan_wait_s=0.05
    ) as fixture:
        for page in (PASSPORT, CARD_BACK):
            await asyncio.sleep(0.1)  # it answers that no document came, and is asked again
            await fixture.device.present(page)
            observations = await fixture.until(DocumentRemoved)
            assert (observations[0].event_type, observations[-2].lines) == ("document.placed", page.lines)
        assert fixture.device.scanner.scans == 2


async def test_bridge_reports_removal() -> None:
    async with fullpage_fixture("document-bridge", trigger="scan") as fixture:
        await fixture.device.present(PASSPORT)
        await fixture.next(DocumentRead)
        assert fixture.output.empty()
        await fixture.device.scanner.remove()
        assert (await fixture.next(DocumentRemoved)).end_reason is TransactionEnd.COMPLETE


async def test_blind_reader_needs_scan_trigger() -> None:
    with pytest.raises(LinkError, match="cannot detect") as refused:
        async with fullpage_fixture("document-bridge", {"sees_documents": False}):
            pass
    assert 'trigger = "scan"' in refused.value.how


async def test_delayed_answer_saves_requests() -> None:
    async with fullpage_fixture("document-bridge", scan_wait_s=20) as fixture:
        while len(fixture.device.server.request_count) < 2:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.05)
        assert len(fixture.device.server.request_count) == 2
        await fixture.device.present(PASSPORT)
        await fixture.next(DocumentRead)


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        ({"bridge": 2}, Cause.WRONG_DEVICE),
        ({"bridge": "one"}, Cause.WRONG_DEVICE),
        ({"reader": {"connected": False}}, Cause.UNPLUGGED),
        ({"document": "perhaps"}, Cause.WRONG_DEVICE),
    ],
)
async def test_unusable_status_is_refused(status: dict[str, Any], cause: Cause) -> None:
    async def answer(_request: Request) -> Response:
        return json_response(STATUS | status)

    assert (await refusal(answer)).cause is cause


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("reader_not_connected", Cause.UNPLUGGED),
        ("busy", Cause.PORT_HELD),
        ("lamp_broken", Cause.NO_RESPONSE),
    ],
)
async def test_bridge_error_becomes_cause(code: str, cause: Cause) -> None:
    async def answer(_request: Request) -> Response:
        return json_response({"error": {"code": code}}, 409 if code == "busy" else 503)

    assert (await refusal(answer)).cause is cause


async def refusal(answer: Any) -> LinkError:
    async with HttpServer(answer) as server:
        fixture = FullPageFixture("document-bridge", None, url=server.url)
        try:
            with pytest.raises(LinkError) as refused:
                await fixture.open()
        finally:
            await fixture.close()
    return refused.value


@pytest.mark.parametrize(
    ("lines", "ended"),
    [
        ([], TransactionEnd.READER_LOST),
        ([{"mrz": {"lines": list(PASSPORT.lines)}}], TransactionEnd.READER_LOST),
        ([{"error": {"code": "lamp_broken"}}], TransactionEnd.READER_LOST),
        ([{"error": {"code": "no_document"}}], TransactionEnd.REMOVED),
        ([{"removed": {}}], TransactionEnd.REMOVED),
        ([{"done": {}}, {"mrz": {"lines": list(PASSPORT.lines)}}], TransactionEnd.COMPLETE),
    ],
)
async def test_scan_endings(lines: list[dict[str, Any]], ended: TransactionEnd) -> None:
    async def stream() -> Any:
        for observations in lines:
            yield json.dumps(observations).encode() + b"\n"

    async def answer(request: Request) -> Response:
        if request.path == "/scan":
            return Response(stream=stream())
        return json_response(STATUS | {"document": "present"})

    async with HttpServer(answer) as server:
        fixture = FullPageFixture("document-bridge", None, url=server.url)
        try:
            await fixture.open()
            observations = await fixture.until(DocumentRead)
            assert observations[-1].end_reason is ended
            if ended is TransactionEnd.READER_LOST:
                assert isinstance(await fixture.output.get(), LinkError)
        finally:
            await fixture.close()
