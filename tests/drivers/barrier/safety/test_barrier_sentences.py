"""Every sentence of the guided tests, of the safety case and of the self-test, over many configurations."""

import itertools
import re
from collections.abc import Iterator
from typing import Any

import pytest
from plain_words import assert_objection, assert_sentence
from pydantic import ValidationError
from test_safety_statements import GPIO, LCUS, POSTS, SMALL, WAVESHARE, nc, no

from drivers.barrier.board_settings import BoardBarrierSettings
from drivers.barrier.modbus_barrier import ModbusBarrierSettings
from drivers.barrier.safety.case import build_case
from drivers.barrier.safety.protocol import ProtocolKind, protocol
from drivers.barrier.self_test import input_steps, relay_step
from drivers.barrier.serial_relay import SerialRelaySettings
from drivers.barrier.wiring import BarrierInputs, BarrierSettings, DoorInputs
from drivers.observation import Outcome
from drivers.self_test import SelfTestStep

BOOM = POSTS["boom"].model_dump(exclude_unset=True)
GATE = POSTS["gate"].model_dump(exclude_unset=True)
(DOOR,) = BOOM["doors"]
FIRST, SECOND = GATE["doors"]
SITES: dict[str, BoardBarrierSettings] = {
    **POSTS,
    "tested": ModbusBarrierSettings.model_validate(BOOM | {"doors": [DOOR | {"presence_test": 3}]}),
    "tested gate": ModbusBarrierSettings.model_validate(
        GATE | {"doors": [FIRST, SECOND | {"presence_test": 3}]}
    ),
    "unstoppable": ModbusBarrierSettings.model_validate(BOOM | {"doors": [DOOR | {"stop": None}]}),
    "no emergency": ModbusBarrierSettings.model_validate(SMALL | {"board": WAVESHARE}),
    "kmtronic": ModbusBarrierSettings.model_validate(
        SMALL
        | {
            "board": {"model": "kmtronic-8", "port": "/dev/serial/by-id/a", "time_relay_s": 0.9},
            "inputs_from": {"model": "wirenboard-6", "port": "tcp://192.0.2.8"},
        }
    ),
    "generic": ModbusBarrierSettings.model_validate(
        SMALL | {"board": {"model": "generic", "port": "/dev/serial/by-id/a", "watchdog_address": 300}}
    ),
    "numato": SerialRelaySettings.model_validate(
        SMALL
        | {
            "board": {
                "model": "numato",
                "port": "usb:2A19:0C02:1",
                "relays": 4,
                "inputs": 4,
                "inputs_open_when_cut": True,
                "time_relay_s": 0.8,
            }
        }
    ),
    "two boards": SerialRelaySettings.model_validate(SMALL | {"board": LCUS, "inputs_from": GPIO}),
}
EVERY_SITE = pytest.mark.parametrize("site", SITES)


# Guided tests.


@pytest.mark.parametrize("kind", ProtocolKind)
@EVERY_SITE
def test_steps_are_plain_sentences(site: str, kind: ProtocolKind) -> None:
    doors = [door.name for door in SITES[site].doors if door.name]
    wired = {key for key, _ in SITES[site].inputs()}
    steps = protocol(SITES[site], kind)
    assert steps
    for step in steps:
        instruction = step.instruction.render()
        assert_sentence(instruction)
        expected = step.expected.render()
        assert_sentence(re.sub(r"^(board|inputs_from): [a-z]", "A", expected))
        assert re.fullmatch(r"[a-z0-9_ ]+", step.name)
        if (door := step.name.split()[0]) in doors:
            assert door in instruction, "it names its door"
        if step.sensed is not None:
            assert step.sensed[0] in wired


@pytest.mark.parametrize("kind", ProtocolKind)
@EVERY_SITE
def test_steps_are_translated_whole(site: str, kind: ProtocolKind) -> None:
    """Every template and every value passes the translation; a value that is absent leaves no gap."""
    for step in protocol(SITES[site], kind):
        for text in (step.instruction, step.expected):
            asked: list[str] = []

            def note(words: str, asked: list[str] = asked) -> str:
                asked.append(words)
                return words

            assert text.render(note) == text.render()
            assert asked == [text.template, *filter(None, text.values.values())]


@EVERY_SITE
def test_ends_are_sensed_after_a_loss_of_power(site: str) -> None:
    settings = SITES[site]
    sensed = {step.name: step.sensed for step in protocol(settings, ProtocolKind.POWER_ON)}
    for index, door in enumerate(settings.doors):
        where = f"{door.name} " if door.name else ""
        assert sensed.pop(f"{where}open") == (("doors", index, "open_limit"), True)
        assert sensed.pop(f"{where}closed") == (("doors", index, "closed_limit"), True)
        operated = sensed.pop(f"{where}presence operated", None)
        assert operated == ((("doors", index, "presence"), True) if door.presence is not None else None)
    assert set(sensed.values()) == {None}, "a person judges the rest"


def test_detector_test_is_tried_with_its_relay() -> None:
    kind = ProtocolKind.COMMISSIONING
    for site, door in (("tested", "the door"), ("tested gate", "the second door")):
        steps = {step.name.removeprefix("second "): step for step in protocol(SITES[site], kind)}
        instruction = steps["detector test"].instruction.render()
        assert "test input (relay 3)" in instruction
        assert f"command {door} to close" in instruction
        assert steps["detector test"].expected.render() == (
            "The command is refused, and the gateway raises an alarm."
        )


# Safety case.


@EVERY_SITE
def test_statements_are_plain_sentences(site: str) -> None:
    case = build_case(SITES[site])
    doors = "|".join(door.name for door in SITES[site].doors)
    for text in (*case.dead_gateway, *case.dead_board, *(fault.text for fault in case.relays)):
        assert_sentence(text)
    for text in case.rests_on_machine:
        assert_sentence(re.sub(rf"^Door ({doors}): (?=[A-Z])", "", text))
    for text in case.to_confirm:
        assert_sentence(re.sub(r"^(board|inputs_from): [a-z]", "A", text))
    answers = [wire.cut for wire in case.wires] + [relay.answers for relay in case.relays]
    for answer in itertools.chain.from_iterable(answers):
        if answer.refusal is not None:
            assert_sentence(answer.refusal)


def test_each_board_is_to_be_confirmed() -> None:
    """The statements of the second board come also where the first one has none."""
    second = {
        site: [one for one in build_case(settings).to_confirm if one.startswith("inputs_from: ")]
        for site, settings in SITES.items()
        if settings.inputs_from is not None
    }
    own = (
        "inputs_from: the board at this address and unit is this barrier's own, and no other program uses it."
    )
    assert second == {
        "lcus": [own],
        "kmtronic": [own],
        "two boards": [
            "inputs_from: the relays open when the gateway's process is killed.",
            "inputs_from: each input reads as open when its wire is unplugged.",
        ],
    }


# Self-test.


def readings() -> Iterator[tuple[BarrierInputs, bool]]:
    """Yield every reading of one door, and whether its detector has missed passages."""
    maybe = (None, False, True)
    for limits in itertools.product((False, True), repeat=2):
        for side, presence, common, missed in itertools.product(maybe, maybe, maybe, (False, True)):
            door = DoorInputs(limits[0], limits[1], presence, side, side)
            yield BarrierInputs((door,), emergency=common, controller_ok=common), missed


def test_steps_of_a_self_test_are_plain_sentences() -> None:
    settings = BarrierSettings.model_validate({key: BOOM[key] for key in ("doors", "emergency")})
    steps: list[SelfTestStep] = [relay_step(stuck=stuck) for stuck in (False, True)]
    for sensed, missed in readings():
        steps += input_steps(settings, sensed, 12.3, presence_missed=missed)
    for step in {step.model_dump_json(): step for step in steps}.values():
        assert_sentence(step.text)
        assert (step.action == "none") is (step.outcome is Outcome.SUCCESSFUL)
        assert step.action in {"none", "clean", "replace", "call_support"}
        if step.action == "none":
            assert step.how == ""
        elif step.name not in ("relays", "controller"):
            assert_sentence(step.how)


# Configurations that are refused.

ONE = {"open": 0, "open_limit": no(0), "closed_limit": no(1)}
TWO = [ONE | {"name": "first"}, {"name": "second", "open": 1, "open_limit": no(2), "closed_limit": no(3)}]
CLOSING = ONE | {"close": 1, "presence": nc(4)}
WIRED = {"emergency": nc(5)}
UNWIRED = {"no_emergency_input": True}


@pytest.mark.parametrize(
    ("settings", "key", "words"),
    [
        (UNWIRED | {"doors": TWO}, ("no_emergency_input",), "two doors enclose a person"),
        (UNWIRED | {"doors": [CLOSING]}, ("no_emergency_input",), "close a barrier that the fire alarm"),
        (WIRED | {"doors": TWO, "open_in_fault": True}, ("open_in_fault",), "the other door may be open"),
        (
            WIRED | {"doors": [TWO[0] | {"stop": 3}, TWO[1]]},
            ("doors", 1),
            "a stop would leave it moving; wire its stop contact",
        ),
        (
            WIRED | {"doors": [CLOSING | {"presence_test": 3}], "pulse_s": 0.29},
            ("pulse_s",),
            "nothing could be closed; write at least 0.3",
        ),
        (
            UNWIRED | {"doors": [ONE], "start_timeout_s": 6.0},
            ("start_timeout_s",),
            "write less than open_timeout_s, which is 6",
        ),
        (
            UNWIRED | {"doors": [ONE], "start_timeout_s": 3.0, "close_timeout_s": 3.0},
            ("start_timeout_s",),
            "write less than close_timeout_s, which is 3",
        ),
        (
            UNWIRED | {"doors": [ONE], "start_timeout_s": 0.39},
            ("start_timeout_s",),
            "write at least 0.4, twice poll_s",
        ),
        (WIRED | {"doors": [ONE | {"close": 1}]}, ("doors", 0, "close"), "close would close on a person"),
        (
            WIRED | {"doors": [ONE | {"presence_test": 3}]},
            ("doors", 0, "presence_test"),
            "no detector or no closing; remove the key",
        ),
    ],
)
def test_unsafe_configuration_is_told_at_its_key(
    settings: dict[str, Any], key: tuple[str | int, ...], words: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        BarrierSettings.model_validate(settings)
    (error,) = [one for one in refused.value.errors() if one["loc"] == key]
    text = str(error["ctx"]["error"])
    assert words in text
    assert_objection(text)


@pytest.mark.parametrize(
    "settings",
    [
        WIRED | {"doors": [CLOSING | {"presence_test": 3}], "pulse_s": 0.3},
        UNWIRED | {"doors": [ONE], "start_timeout_s": 5.9},
        UNWIRED | {"doors": [ONE], "start_timeout_s": 0.4},
        UNWIRED | {"doors": [ONE], "open_in_fault": True},
        WIRED | {"doors": [TWO[0] | {"stop": 3}, TWO[1] | {"stop": 4}]},
    ],
)
def test_bounds_of_a_configuration_are_accepted(settings: dict[str, Any]) -> None:
    BarrierSettings.model_validate(settings)
