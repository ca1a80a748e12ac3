"""The safety case of a barrier: computed by its state machine, printed as text and as a page."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from drivers.barrier.board_settings import BoardBarrierSettings
from drivers.barrier.contacts import InputContact
from drivers.barrier.modbus_barrier import ModbusBarrierSettings
from drivers.barrier.safety.case import Answer, SafetyCase, build_case
from drivers.barrier.serial_relay import SerialRelaySettings
from gateway.cli import app
from gateway.cli._render.safety_case_page import CasePage
from gateway.config import load

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "config" / "example.toml"
BARRIER = "lane-1/barrier"
RUNNER = CliRunner()
E_GATE = {
    "emergency": {"input": 6, "contact": "nc"},
    "board": {"model": "waveshare-8", "port": "tcp://192.0.2.7"},
    "doors": [
        {
            "name": name,
            "open": 2 * at,
            "close": 2 * at + 1,
            "open_limit": 3 * at,
            "closed_limit": 3 * at + 1,
            "presence": 3 * at + 2,
        }
        for at, name in enumerate(("first", "second"))
    ],
}


@cache
def example() -> BoardBarrierSettings:
    settings = next(
        each.settings for where, each in load(EXAMPLE, {}).devices.items() if str(where) == BARRIER
    )
    assert isinstance(settings, BoardBarrierSettings)
    return settings


def refusals(answers: tuple[Answer, ...]) -> dict[str, bool]:
    return {each.command: each.refusal is not None for each in answers}


def cut(case: SafetyCase, signal: str) -> dict[str, bool]:
    return refusals(next(fault.cut for fault in case.wires if fault.signal == signal))


def test_cut_wires_of_a_boom_refuse_closing() -> None:
    case = build_case(example())
    for signal in ("presence", "emergency"):
        assert cut(case, signal) == {"open": False, "close": True}
    for signal in ("key_switch", "controller_ok"):
        assert cut(case, signal) == {"open": True, "close": True}
    assert not [fault for fault in case.wires if fault.unsafe_commands]


def test_stuck_relay_refuses_everything() -> None:
    case = build_case(example())
    assert [fault.relay for fault in case.relays] == [0, 1, 2]
    assert all(refusals(fault.answers) == {"open": True, "close": True} for fault in case.relays)


def test_cut_limit_of_a_gate_keeps_the_other_door_closed() -> None:
    case = build_case(ModbusBarrierSettings.model_validate(E_GATE))
    first = next(fault for fault in case.wires if fault.key == ("doors", 0, "closed_limit"))
    assert refusals(first.cut)["open second"]
    assert first.unsafe_commands == ()


@pytest.mark.parametrize(
    ("signal", "contact", "permitted"),
    [
        ("presence", "no", ("close",)),
        ("key_switch", "no", ("open", "close")),
        ("emergency", "no", ("close",)),
    ],
)
def test_unsafe_wiring_shows_in_the_case(signal: str, contact: Any, permitted: tuple[str, ...]) -> None:
    """Settings made without validation: the case must not repeat the rules that it checks."""
    settings = example()
    number = next(wired.input for key, wired in settings.inputs() if key[-1] == signal)
    wired = {signal: InputContact(input=number, contact=contact)}
    if signal == "presence":
        wired_door = settings.doors[0].model_copy(update=wired)
        settings = settings.model_copy(update={"doors": (wired_door,)})
    else:
        settings = settings.model_copy(update=wired)
    fault = next(fault for fault in build_case(settings).wires if fault.signal == signal)
    assert fault.unsafe_commands == permitted


@pytest.mark.parametrize(
    ("settings", "end"),
    [
        ({"model": "waveshare-8", "port": "tcp://192.0.2.7"}, "board times each pulse itself"),
        ({"model": "wirenboard-6", "port": "tcp://192.0.2.7"}, "watchdog opens all relays 1 s after"),
    ],
)
def test_dead_gateway_opens_relays(settings: dict[str, Any], end: str) -> None:
    boom = {"emergency": {"input": 5, "contact": "nc"}, "doors": E_GATE["doors"][:1], "board": settings}
    assert end in build_case(ModbusBarrierSettings.model_validate(boom)).dead_gateway[0]


def test_missing_wires_are_left_to_the_machine() -> None:
    case = build_case(ModbusBarrierSettings.model_validate(E_GATE))
    text = "\n".join(case.rests_on_machine)
    assert "Door first: Stopping: there is no stop contact" in text
    assert "no key switch is wired" in text
    assert "no stop contact" not in "\n".join(build_case(example()).rests_on_machine)


def test_case_is_printed() -> None:
    result = RUNNER.invoke(app, ["barrier", "case", str(EXAMPLE), BARRIER])
    assert result.exit_code == 0
    assert f"Configuration {example().fingerprint()}" in result.stdout
    assert "input 4, presence: reads as a person in the way. open: permitted. close: refused" in result.stdout


def test_page_has_wiring_and_signatures(tmp_path: Path) -> None:
    page = tmp_path / "case.html"
    result = RUNNER.invoke(app, ["barrier", "case", str(EXAMPLE), BARRIER, "--html", str(page)])
    assert result.exit_code == 0
    text = page.read_text("utf-8")
    assert not re.search(r"(src|href)=|<script", text)
    assert text.count("<polyline") == 3 * (3 + 8)  # three relays and eight inputs
    assert "Safety officer" in text
    assert example().fingerprint() in text


@pytest.mark.parametrize(
    ("changed", "line", "row"),
    [
        ({"pulse_s": 0.4}, "pulse_s = 0.4", "<td>pulse_s</td><td>0.4</td>"),
        ({"open_in_fault": True}, "open_in_fault = true", "<td>open_in_fault</td><td>true</td>"),
    ],
)
def test_signed_page_has_the_times(changed: dict[str, Any], line: str, row: str) -> None:
    """Two pages that differ only by their fingerprint could not be compared by a person."""
    settings = ModbusBarrierSettings.model_validate(E_GATE).model_copy(update=changed)
    page = CasePage.of("uto-test", "gw-1", BARRIER, "modbus-barrier", settings)
    assert f"  - {line}" in list(page.lines())
    assert row in page.html()


def test_other_device_has_no_case() -> None:
    result = RUNNER.invoke(app, ["barrier", "case", str(EXAMPLE), "lane-1/reader"])
    assert result.exit_code == 64
    assert "lane-1/reader is no barrier of this post" in result.stderr
    assert BARRIER in result.stderr


def test_check_names_what_is_left_to_the_machine(tmp_path: Path) -> None:
    result = RUNNER.invoke(app, ["config", "check", str(EXAMPLE)])
    assert f'device "{BARRIER}" leaves to the machine\'s own controller:' in result.stdout


def test_fingerprint_changes_with_every_setting() -> None:
    settings = example()
    assert settings.fingerprint() == example().fingerprint()
    assert settings.fingerprint() != settings.model_copy(update={"pulse_s": 0.4}).fingerprint()


def test_inputs_are_drawn_at_their_board() -> None:
    """Relays at a board without inputs: the drawing and the table name both boards, with their addresses."""
    settings = SerialRelaySettings.model_validate(
        {
            "no_emergency_input": True,
            "board": {"model": "lcus", "port": "/dev/serial/by-id/x", "relays": 4, "time_relay_s": 1.0},
            "inputs_from": {"model": "waveshare-8", "port": "tcp://192.0.2.9"},
            "doors": [{"open": 0, "open_limit": 0, "closed_limit": 1}],
        }
    )
    page = CasePage.of("uto-test", "gw-1", BARRIER, "serial-relay", settings)
    drawing = page.html()[page.html().index("<svg") :]
    assert "open (by a time relay, 1 s)" in drawing
    order = ["board: lcus", "relay 0", "board: waveshare-8", "input 0", "input 1"]
    assert sorted(order, key=drawing.index) == order
    text = "\n".join(page.lines())
    assert "lcus at /dev/serial/by-id/x; inputs: waveshare-8 at tcp://192.0.2.9, unit 1" in text
    assert "It is not noticed, because this board cannot be read" in text


def test_inputs_of_two_boards_are_apart() -> None:
    """Those of the second board are numbered after those of the first, which has some itself."""
    boom = {"emergency": {"input": 9, "contact": "nc"}, "doors": E_GATE["doors"][:1]}
    boards = {"board": E_GATE["board"], "inputs_from": {"model": "waveshare-8", "port": "tcp://192.0.2.9"}}
    settings = ModbusBarrierSettings.model_validate(boom | boards)
    page = CasePage.of("uto-test", "gw-1", BARRIER, "modbus-barrier", settings).html()
    drawing = page[page.index("<svg") :]
    second = drawing.rindex("board: waveshare-8")
    assert drawing.index("input 2<") < second < drawing.index("input 9 (its 1)")


def test_equal_answers_are_one_sentence() -> None:
    page = CasePage.of(
        "uto-test", "gw-1", BARRIER, "modbus-barrier", ModbusBarrierSettings.model_validate(E_GATE)
    )
    (relay,) = [line for line in page.lines() if "relay 0," in line]
    assert relay.count("refused") == 1
    assert "Every command: refused (The inputs are not reliable" in relay
