"""Panel of simulators: every name that it offers, and typed arguments."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway.console.pages import simulator_client as panel
from gateway.console.pages.simulator_client import (
    FAULTS,
    SimulatorError,
    call_simulator,
    insert_form,
    parse_arguments,
)
from simulators.fingerprint.faults import nb1010_fault, uru_fault
from simulators.post import Post

pytestmark = pytest.mark.usefixtures("forked_simulators")

FILE = """
[[simulator]]
name = "a/serial-mrz"
kind = "serial-mrz"
framing = "accessis"
path = "{run}/a"
[[simulator]]
name = "a/modbus-barrier"
kind = "modbus-barrier"
path = "{run}/b"
[[simulator.boards]]
model = "waveshare-8"
outputs = {{ open = 0, close = 1, stop = 2 }}
inputs = {{ open-limit = 0, closed-limit = 1, approach = 2, exit = 3, photocell = 4, fire = 5, key = 6 }}
"""


@pytest.fixture
async def post(tmp_path: Path) -> AsyncIterator[Post]:
    file = tmp_path / "post.toml"
    file.write_text(FILE.format(run=tmp_path / "run"))
    async with Post.start(file, run_dir=tmp_path / "run") as post:
        yield post


async def test_offered_names_match_simulators(post: Post, tmp_path: Path) -> None:
    for kind in ("serial-mrz", "modbus-barrier"):
        for fault in FAULTS[kind]:
            told = {"do": "fault", "name": f"a/{kind}", "fault": fault, "args": {}}
            said = ""
            try:
                await call_simulator(post.socket_path, told)
            except SimulatorError as error:
                said = str(error)
            assert not said or "Field required" in said, "it may need an argument, but is known"
        for field in insert_form(kind, str).fields:
            for option in field.options:
                told = {"do": "insert", "name": f"a/{kind}", field.name: panel.parse_literal(option)}
                assert (await call_simulator(post.socket_path, told))["ok"]

    with pytest.raises(SimulatorError, match="nonsense"):
        await call_simulator(post.socket_path, {"do": "fault", "name": "a/serial-mrz", "fault": "nonsense"})
    with pytest.raises(SimulatorError, match="borderpost simulate"):
        await call_simulator(tmp_path / "nobody.sock", {"do": "list"})


@pytest.mark.parametrize(("kind", "fault_of"), [("uru4000", uru_fault), ("nb1010", nb1010_fault)])
def test_every_scanner_fault_is_known(kind: str, fault_of: type) -> None:
    for fault in FAULTS[kind]:
        wrong = set()
        try:
            fault_of(fault, {})
        except ValidationError as error:
            wrong = {each["type"] for each in error.errors()}
        assert wrong <= {"missing"}


def test_arguments_are_parsed() -> None:
    assert parse_arguments("for_s=2.5  signal=fire on=true") == {"for_s": 2.5, "signal": "fire", "on": True}
    for wrong in ("for_s", "=2"):
        with pytest.raises(SimulatorError, match="name=value"):
            parse_arguments(wrong)
