"""A document server of the post's own.

Its findings become checks, and its failures do not stop the reader.
"""

import json
from typing import Any

import pytest
from fullpage_fixture import CARD_FRONT, FUZZ, PASSPORT, check, fullpage_fixture, outcomes
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from drivers.driver import BadFrame
from drivers.observation import Outcome
from drivers.passport.fullpage.regula import RegulaSettings, parse_response
from drivers.passport.fullpage.scan_items import ChecksItem, MrzItem
from drivers.passport.observations import DocumentRead
from simulators.http.server import HttpServer, Request, Response
from simulators.passport.fullpage.regula import RegulaServer

LINES = PASSPORT.lines


def answer(*containers: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"ProcessingFinished": 1, "ContainerList": {"List": containers}} | more).encode()


def element(kind: int, result: int, diagnosis: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "result_type": 20,
        "AuthenticityCheckList": {
            "List": [{"List": [{"Type": kind, "ElementResult": result, "ElementDiagnose": diagnosis} | more]}]
        },
    }


def found(body: bytes, **more: Any) -> dict[str, Outcome]:
    return {
        made.id: made.outcome
        for piece in parse_response(body, **more)
        if isinstance(piece, ChecksItem)
        for made in piece.checks
    }


def test_no_server_without_setting() -> None:
    with pytest.raises(ValidationError, match="url"):
        RegulaSettings()


@pytest.mark.parametrize(
    ("result", "diagnosis", "outcome"),
    [
        (1, 1, Outcome.SUCCESSFUL),
        (0, 0, Outcome.ABORTED),  # no diagnosis
        (0, 50, Outcome.FAILED),  # UV_DULL_PAPER_MRZ
        (0, 23, Outcome.FAILED),  # LOW_CONTRAST_IN_IR_LIGHT
        (0, 3, Outcome.ABORTED),  # INTERNAL_ERROR
        (0, 7, Outcome.ABORTED),  # NECESSARY_IMAGE_NOT_FOUND
        (0, 5, Outcome.UNDETERMINED),  # UNCERTAIN_VERIFICATION
        (9, 0, Outcome.UNDETERMINED),
    ],
)
def test_result_is_no_boolean(result: int, diagnosis: int, outcome: Outcome) -> None:
    assert found(answer(element(1, result, diagnosis, ElementType=3))) == {"optical.uv_br_mr": outcome}


def test_undone_check_is_omitted() -> None:
    assert parse_response(answer(element(2, 2))) == []


def test_zero_result_is_configurable() -> None:
    assert found(answer(element(2, 0)), zero_means="failed") == {"optical.ir_ab_mr": Outcome.FAILED}


@pytest.mark.parametrize(
    ("feature", "name"),
    [
        ({"Type": 1, "ElementType": 0}, "uv_br_fu"),
        ({"Type": 1, "ElementType": 2}, "uv_br_ph"),
        ({"Type": 1, "ElementType": 3}, "uv_br_mr"),
        ({"Type": 2}, "ir_ab_mr"),
        ({"Type": 4, "LightIndex": 6}, "vi_ab_is"),
        ({"Type": 4, "LightIndex": 24}, "ir_ab_is"),
        ({"Type": 4, "LightIndex": 128}, "uv_lu_is"),
        ({"Type": 16}, "uv_lu_fi"),
        ({"Type": 32, "ElementType": 2}, "ir_ab_ph"),
        ({"Type": 4096}, "hologram"),
        ({"Type": 77}, "vendor_77"),
        ({"Type": "x"}, "vendor_unknown"),
    ],
)
def test_every_feature_has_code_or_name(feature: dict[str, Any], name: str) -> None:
    assert set(found(answer(element(0, 1, 1, **feature)))) == {f"optical.{name}"}


def test_worse_of_two_results_counts() -> None:
    for pair in ([element(16, 1), element(16, 0, 30)], [element(16, 0, 30), element(16, 1)]):
        assert found(answer(*pair)) == {"optical.uv_lu_fi": Outcome.FAILED}


def test_lines_from_either_text() -> None:
    joined = "^".join(LINES)
    text = {"result_type": 36, "Text": {"fieldList": [{"fieldType": 8}, {"fieldType": 51, "value": joined}]}}
    older = {
        "result_type": 3,
        "DocVisualExtendedInfo": {"pArrayFields": [{"wFieldType": 51, "Buf_Text": joined}]},
    }
    for container in (text, older):
        assert parse_response(answer(container)) == [MrzItem(LINES)]


@pytest.mark.parametrize(("result", "outcome"), [(1, Outcome.SUCCESSFUL), (0, Outcome.UNDETERMINED)])
def test_unknown_model_is_undetermined(result: int, outcome: Outcome) -> None:
    status = {"result_type": 33, "Status": {"detailsOptical": {"docType": result}}}
    assert found(answer(status)) == {"optical.model_known": outcome}


def test_server_timeout_is_reported() -> None:
    assert found(answer(ProcessingFinished=2)) == {"optical.model_known": Outcome.ABORTED}


@settings(max_examples=FUZZ)
@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["ContainerList", "List", "result_type", "Text", "fieldList", "Status", "Type"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=20,
    )
)
def test_any_answer_is_handled(value: Any) -> None:
    parse_response(json.dumps(value).encode())
    parse_response(
        json.dumps(
            {"ContainerList": {"List": [value, {"result_type": 20, "AuthenticityCheckList": value}]}}
        ).encode()
    )


@pytest.mark.parametrize("body", [b"[" * 10_000, b"9" * 5000, b'{"ContainerList":{"List":["\\ud800"]}}'])
def test_no_json_costs_server_checks_only(body: bytes) -> None:
    assert [type(piece).__name__ for piece in parse_response(body)] == ["BadFrame", "ChecksItem"]


def test_malformed_diagnosis_is_no_word() -> None:
    one = element(1, 1)
    one["AuthenticityCheckList"]["List"][0]["List"][0]["ElementDiagnose"] = []
    assert list(found(answer(one)).values()) == [Outcome.SUCCESSFUL]


@pytest.mark.parametrize(("copied", "outcome"), [(False, "successful"), (True, "failed")])
async def test_images_examined_under_each_light(copied: bool, outcome: str) -> None:
    async with HttpServer(RegulaServer(("gw", "pw")).answer) as server:
        regula = {"url": server.url, "username": "gw", "password": "pw"}
        async with fullpage_fixture("document-bridge", regula=regula) as fixture:
            page = PASSPORT.photocopy() if copied else PASSPORT
            seen = outcomes(await fixture.read(page))
        assert [request.path for request in server.request_count] == ["/api/process"]
        sent = server.request_count[0].json
        assert [item["light"] for item in sent["List"]] == [6, 24, 128]
        assert sent["processParam"]["resultTypeOutput"] == [3, 20, 33, 36]
    assert {seen[f"optical.{code}"] for code in ("ir_ab_mr", "uv_br_fu", "uv_br_ph", "uv_br_mr")} == {outcome}
    assert seen["optical.model_known"] == "successful"
    assert "optical.hologram" not in seen


async def test_server_reads_zone_reader_missed() -> None:
    async with (
        HttpServer(RegulaServer().answer) as server,
        fullpage_fixture("desko", regula={"url": server.url}) as fixture,
    ):
        fixture.inject_fault("garbage", at=0)
        read = await fixture.read(PASSPORT)
        assert read.lines == LINES
        assert read.overall_outcome is Outcome.SUCCESSFUL


async def test_absent_server_costs_its_checks_only() -> None:
    async with fullpage_fixture("document-bridge", regula={"url": "http://127.0.0.1:9"}) as fixture:
        for page in (PASSPORT, CARD_FRONT):
            read = await fixture.read(page)
            lost = check(read, "optical.model_known")
            assert (lost.outcome, lost.reason) == (Outcome.ABORTED, "server_lost")
            assert len(read.images) == 4


async def test_bad_server_costs_its_checks_only() -> None:
    async def nonsense(_request: Request) -> Response:
        return Response(body=b"<html>")

    async with (
        HttpServer(nonsense) as server,
        fullpage_fixture("document-bridge", regula={"url": server.url}) as fixture,
    ):
        await fixture.device.present(PASSPORT)
        assert (await fixture.next(BadFrame)).wire == b"<html>"
        read = await fixture.next(DocumentRead)
        assert check(read, "optical.model_known").reason == "answer_unreadable"
        assert read.lines == LINES
