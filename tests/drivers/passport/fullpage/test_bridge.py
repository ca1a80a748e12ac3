"""The bridge: what its answers mean, and both ways a scan can start."""

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
def test_lines_that_say_nothing_to_us_are_passed_over(value: object) -> None:
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
def test_lines_that_are_wrong_are_bad_frames(value: object) -> None:
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
def test_a_check_has_one_of_five_outcomes(check: dict[str, Any], outcome: Outcome) -> None:
    said = line({"check": {"code": "uv_br_fu"} | check})
    assert isinstance(said, ChecksItem)
    assert (said.checks[0].id, said.checks[0].outcome) == ("optical.uv_br_fu", outcome)


@settings(max_examples=FUZZ)
@given(st.binary(max_size=60) | st.text().map(str.encode))
def test_no_bytes_make_it_stumble(said: bytes) -> None:
    parse_line(said, OutcomeWords())
    parse_status(said)


async def test_a_bridge_that_waits_by_itself_starts_the_scans() -> None:
    async with fullpage_fixture(
        "document-bridge", {"sees_documents": False}, trigger="scan", wait_s=0.05
    ) as here:
        for page in (PASSPORT, CARD_BACK):
            await asyncio.sleep(0.1)  # it answers that nothing came, and is asked again
            await here.device.present(page)
            said = await here.until(DocumentRemoved)
            assert (said[0].event_type, said[-2].lines) == ("document.placed", page.lines)
        assert here.device.scanner.scans == 2


async def test_a_bridge_that_waits_and_sees_tells_of_the_removal() -> None:
    async with fullpage_fixture("document-bridge", trigger="scan") as here:
        await here.device.present(PASSPORT)
        await here.next(DocumentRead)
        assert here.said.empty()
        await here.device.scanner.remove()
        assert (await here.next(DocumentRemoved)).ended is TransactionEnd.COMPLETE


async def test_a_reader_that_sees_no_documents_is_not_asked_whether_one_is_there() -> None:
    with pytest.raises(LinkError, match="cannot tell") as refused:
        async with fullpage_fixture("document-bridge", {"sees_documents": False}):
            pass
    assert 'trigger = "scan"' in refused.value.how


async def test_waiting_costs_one_request_where_the_bridge_can_hold_it_back() -> None:
    async with fullpage_fixture("document-bridge", wait_s=20) as here:
        while len(here.device.server.request_count) < 2:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.05)
        assert len(here.device.server.request_count) == 2
        await here.device.present(PASSPORT)
        await here.next(DocumentRead)


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        ({"bridge": 2}, Cause.WRONG_DEVICE),
        ({"bridge": "one"}, Cause.WRONG_DEVICE),
        ({"reader": {"connected": False}}, Cause.UNPLUGGED),
        ({"document": "perhaps"}, Cause.WRONG_DEVICE),
    ],
)
async def test_a_status_that_cannot_be_worked_with_is_refused(status: dict[str, Any], cause: Cause) -> None:
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
async def test_what_a_bridge_cannot_do_becomes_a_cause(code: str, cause: Cause) -> None:
    async def answer(_request: Request) -> Response:
        return json_response({"error": {"code": code}}, 409 if code == "busy" else 503)

    assert (await refusal(answer)).cause is cause


async def refusal(answer: Any) -> LinkError:
    async with HttpServer(answer) as server:
        here = FullPageFixture("document-bridge", None, url=server.url)
        try:
            with pytest.raises(LinkError) as refused:
                await here.open()
        finally:
            await here.close()
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
async def test_how_a_scan_may_end(lines: list[dict[str, Any]], ended: TransactionEnd) -> None:
    async def stream() -> Any:
        for said in lines:
            yield json.dumps(said).encode() + b"\n"

    async def answer(request: Request) -> Response:
        if request.path == "/scan":
            return Response(stream=stream())
        return json_response(STATUS | {"document": "present"})

    async with HttpServer(answer) as server:
        here = FullPageFixture("document-bridge", None, url=server.url)
        try:
            await here.open()
            said = await here.until(DocumentRead)
            assert said[-1].ended is ended
            if ended is TransactionEnd.READER_LOST:
                assert isinstance(await here.said.get(), LinkError)
        finally:
            await here.close()
