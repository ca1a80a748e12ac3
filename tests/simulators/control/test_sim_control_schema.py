"""The schema of the control API: equal to its models, and true of what a post takes and answers."""

from pathlib import Path
from typing import Any

import jsonschema
import pytest

from simulators.cast.members import CAST
from simulators.cast.presented import PresentedDocuments
from simulators.control.requests import VERBS, schema, schema_text

CONTRACT = Path(__file__).parents[3] / "config/contract"
REQUESTS: list[dict[str, Any]] = [
    {"do": "list"},
    {"do": "status", "name": "lane-1/reader"},
    {"do": "insert", "name": "lane-1/reader", "member": "photocopy"},
    {"do": "insert", "name": "lane-1/barrier", "manner": "tailgates"},
    {"do": "remove", "name": "lane-1/page"},
    {"do": "fault", "name": "lane-1/reader", "fault": "unplug", "args": {"for_s": 2}},
    {"do": "faults", "name": "lane-1/reader"},
    {"do": "cast"},
    {"do": "truth", "last": 3},
    {"do": "clear"},
    {"do": "reset", "within_s": 5},
    {"do": "wait", "name": "lane-1/reader", "until": {"host_connected": True}},
]


def test_file_equals_models() -> None:
    assert (CONTRACT / "simulators.json").read_text("utf-8") == schema_text(), "run `make contract`"


def test_every_action_has_a_request() -> None:
    assert {one["do"] for one in REQUESTS} == set(VERBS)
    for request in REQUESTS:
        jsonschema.validate(request, schema())


@pytest.mark.parametrize(
    "request_", [{}, {"do": "dance"}, {"do": "fault", "name": "lane-1/reader"}, {"do": "list", "name": "x"}]
)
def test_schema_refuses_what_a_post_refuses(request_: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(request_, schema())


@pytest.mark.parametrize("name", CAST)
def test_truth_fits_the_schema(name: str) -> None:
    presented = PresentedDocuments()
    presented.note(CAST[name])
    answer = {"ok": True, "presented": [{"simulator": "lane-1/reader", **presented.last(1)[0]}]}
    jsonschema.validate(answer, schema()["$defs"]["TruthAnswer"] | {"$defs": schema()["$defs"]})
