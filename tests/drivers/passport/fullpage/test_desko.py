"""The DESKO Web API: parsing of its results, and the reservation."""

import base64
import json
from typing import Any

import pytest
from fullpage_fixture import DRIVERS, FUZZ, PASSPORT, FullPageFixture, fullpage_fixture
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from drivers.driver import BadFrame
from drivers.links.link import Cause, LinkError
from drivers.observation import Outcome
from drivers.passport.fullpage.desko import DeskoSettings, ordered_resources, parse_resource, scan_request
from drivers.passport.fullpage.scan_items import ChecksItem, ImageItem, MrzItem
from drivers.passport.fullpage.vendor_checks import OutcomeWords
from drivers.passport.observations import DocumentArea, DocumentRead, IlluminationType

JPEG = b"\xff\xd8\xff\xe0 a page"
SETTINGS = DeskoSettings(url="http://127.0.0.1:9")


def resource(path: str, answer: object, *, zone_known: bool = True) -> list[Any]:
    return parse_resource(path, json.dumps(answer).encode(), OutcomeWords(), zone_known=zone_known)


def outcomes(pieces: list[Any]) -> dict[str, Outcome]:
    return {
        made.id: made.outcome for piece in pieces if isinstance(piece, ChecksItem) for made in piece.checks
    }


def test_scan_request_follows_settings() -> None:
    asked = scan_request(SETTINGS)
    assert asked["lightSources"]["visible"] == {"use": True, "croppings": ["document", "face"]}
    assert asked["checkUvDullness"] is asked["checkB900Ink"] is asked["getMrz"] is True
    assert asked["MrzExpiryCheck"] is False
    dark = scan_request(DeskoSettings(url="http://127.0.0.1:9", lights=("infrared",)))
    assert dark["lightSources"]["ultraviolet"] == {"use": False, "croppings": []}
    assert dark["checkUvDullness"] is False


def test_zone_is_fetched_first() -> None:
    paths = ["/s/1/ultraviolet/document", "/s/1/uv-dullness", "/s/1/visible/document", "/s/1/new", "/s/1/mrz"]
    assert ordered_resources([*paths, 7]) == [paths[4], paths[2], paths[1], paths[0], paths[3]]
    assert ordered_resources(None) == []


@pytest.mark.parametrize("prefix", ["", "data:image/jpeg;base64,"])
@pytest.mark.parametrize("area", ["document", "face"])
@pytest.mark.parametrize("light", ["visible", "infrared", "ultraviolet"])
def test_images_are_bytes(light: str, area: str, prefix: str) -> None:
    answer = {"available": True, "img": prefix + base64.b64encode(JPEG).decode()}
    where = DocumentArea.PAGE if area == "document" else DocumentArea.FACE
    assert resource(f"/s/1/{light}/{area}", answer) == [
        ImageItem(IlluminationType(light), where, "image/jpeg", JPEG)
    ]


@pytest.mark.parametrize(
    "answer",
    [
        [],
        {"available": True},
        {"available": True, "img": 3},
        {"available": True, "img": "%%%"},
        {"available": True, "img": base64.b64encode(b"<html>").decode()},
    ],
)
def test_malformed_image_is_bad_frame(answer: object) -> None:
    assert [type(piece) for piece in resource("/s/1/visible/document", answer)] == [BadFrame]


@pytest.mark.parametrize(
    "answer",
    [
        {"line1": PASSPORT.lines[0], "line2": PASSPORT.lines[1], "mrz": "", "documentNumber": "x"},
        {"mrz": "\r\n".join(PASSPORT.lines)},
        {"mrz": "".join(PASSPORT.lines), "line1": None},
    ],
)
def test_zone_in_lines_or_joined(answer: dict[str, Any]) -> None:
    (zone,) = resource("/s/1/mrz", {"available": True} | answer)
    assert isinstance(zone, MrzItem)
    assert zone.lines == PASSPORT.lines


def test_dullness_area_by_area() -> None:
    answer = {"available": True, "document": "DULL", "face": "BRIGHT", "mrz": "psaWhatever"}
    assert outcomes(resource("/s/1/uv-dullness", answer)) == {
        "optical.uv_br_fu": Outcome.SUCCESSFUL,
        "optical.uv_br_ph": Outcome.FAILED,
        "optical.uv_br_mr": Outcome.UNDETERMINED,
    }


@pytest.mark.parametrize(
    ("answer", "zone_known", "outcome"),
    [
        ({"available": True, "testResult": "OK"}, True, Outcome.SUCCESSFUL),
        ({"available": True, "testResult": False}, True, Outcome.FAILED),
        ({"available": True}, True, Outcome.UNDETERMINED),
        ({"available": False}, True, Outcome.ABORTED),
        ({"available": False}, False, Outcome.NOT_SUPPORTED),
    ],
)
def test_ink_of_a_zone_takes_a_zone(answer: dict[str, Any], zone_known: bool, outcome: Outcome) -> None:
    assert outcomes(resource("/s/1/b900-check", answer, zone_known=zone_known)) == {
        "optical.ir_ab_mr": outcome
    }


@pytest.mark.parametrize("path", ["/s/1/checksums", "/s/1/age-check", "", "/", "/s/1/visible/hologram"])
def test_other_results_are_passed_over(path: str) -> None:
    assert resource(path, {"available": True, "testResult": "OK"}) == []


@settings(max_examples=FUZZ)
@given(
    st.sampled_from(["mrz", "uv-dullness", "b900-check", "visible/face"]),
    st.dictionaries(
        st.sampled_from(["available", "img", "line1", "mrz", "document", "testResult"]),
        st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.lists(st.integers(), max_size=2),
    )
    | st.text(max_size=8),
)
def test_any_answer_is_handled(path: str, answer: object) -> None:
    resource(f"/s/1/{path}", answer)
    parse_resource(path, str(answer).encode(), OutcomeWords(), zone_known=True)


@pytest.mark.parametrize("body", [b"[" * 10_000, b"9" * 5000, b'{"line1":"\\ud800"}', b"\xff"])
def test_no_json_is_bad_frame(body: bytes) -> None:
    (found,) = parse_resource("/s/1/mrz", body, OutcomeWords(), zone_known=False)
    assert isinstance(found, BadFrame)


def test_request_setting_is_method_and_path() -> None:
    with pytest.raises(ValidationError):
        DeskoSettings(url="http://127.0.0.1:9", document_state="/document-state")


async def test_reservation_is_kept_while_in_use() -> None:
    async with fullpage_fixture("desko", reservation_s=5) as fixture:
        driver = fixture.driver
        assert isinstance(driver, DRIVERS["desko"][0])
        driver._reserved_s -= 3  # more than half of it is over
        while not any(
            (one.method, one.path) == ("PUT", "/reservation") for one in fixture.device.server.request_count
        ):
            await fixture.device.present(PASSPORT)
            await fixture.next(DocumentRead)
            await fixture.device.scanner.remove()
        kept = [
            one
            for one in fixture.device.server.request_count
            if one.method == "PUT" and one.path == "/reservation"
        ]
        assert kept[0].json == {"timeout": 5}


async def test_reservation_ends_on_close() -> None:
    async with fullpage_fixture("desko") as fixture:
        await fixture.close()
        last = fixture.device.server.request_count[-1]
        assert (last.method, last.path) == ("DELETE", "/reservation")


async def test_reader_reserved_by_other_program() -> None:
    async with fullpage_fixture("desko") as fixture:
        other = FullPageFixture("desko", fixture.device)
        try:
            with pytest.raises(LinkError) as refused:
                await other.open()
        finally:
            await other.close()
        assert refused.value.cause is Cause.PORT_HELD
        assert (await fixture.read(PASSPORT)).lines == PASSPORT.lines


async def test_undocumented_requests_are_configurable() -> None:
    async with fullpage_fixture("desko") as fixture:
        fixture.settings |= {"document_state": "GET /somewhere-else"}
        await fixture.open()
        assert (await fixture.next(LinkError)).cause is Cause.WRONG_DEVICE
