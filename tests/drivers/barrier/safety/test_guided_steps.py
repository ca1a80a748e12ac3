"""Steps of commissioning, proof and power-on tests, for four configurations."""

import pytest
from test_safety_statements import EACH, OWN, POSTS, SMALL, STATEMENTS, WAVESHARE, nc

from drivers.barrier.modbus_barrier import ModbusBarrierSettings
from drivers.barrier.safety.protocol import ProtocolKind, ProtocolStep, protocol

PROOF, COMMISSIONING, POWER_ON = ProtocolKind.PROOF_TEST, ProtocolKind.COMMISSIONING, ProtocolKind.POWER_ON


def steps(name: str, kind: ProtocolKind) -> dict[str, ProtocolStep]:
    made = protocol(POSTS[name], kind)
    assert len({step.name for step in made}) == len(made)
    return {step.name: step for step in made}


def test_inputs_are_operated_and_cut() -> None:
    made = steps("boom", COMMISSIONING)
    sensed = {name: step.sensed for name, step in made.items() if name.endswith((" operated", " cut"))}
    door: tuple[str | int, ...] = ("doors", 0)
    assert sensed == {
        "open_limit operated": ((*door, "open_limit"), True),
        "open_limit cut": ((*door, "open_limit"), False),
        "closed_limit operated": ((*door, "closed_limit"), True),
        "closed_limit cut": ((*door, "closed_limit"), False),
        "presence operated": ((*door, "presence"), True),
        "presence cut": ((*door, "presence"), True),
        "entry_side operated": ((*door, "entry_side"), True),
        "entry_side cut": ((*door, "entry_side"), False),
        "emergency operated": (("emergency",), True),
        "emergency cut": (("emergency",), True),
        "key_switch operated": (("key_switch",), True),
        "key_switch cut": (("key_switch",), True),
        "controller_ok operated": (("controller_ok",), False),
        "controller_ok cut": (("controller_ok",), False),
        "local_button operated": None,
        "local_button cut": None,
    }
    for name, instructed, shown in (
        ("presence operated", "(input 4) to this state: a person in the way.", "a person in the way."),
        ("controller_ok operated", "(input 7) to this state: controller in fault.", "controller in fault."),
        ("presence cut", "at the board. Plug it in", "a person in the way."),
        ("open_limit cut", "Begin in this state: open. Unplug the wire", "not open."),
        ("controller_ok cut", "Begin in this state: controller ready. Unplug", "controller in fault."),
        ("open", "Open the door from a counter, or with borderpost command.", "shows it as open."),
        ("stop", "command a stop while it moves.", "The door stops."),
    ):
        assert instructed in made[name].instruction.render()
        assert made[name].expected.render().endswith(shown)
    assert "interlock" not in made


def test_proof_test_is_of_protective_inputs() -> None:
    assert list(steps("boom", PROOF)) == [
        "open_limit operated", "closed_limit operated", "presence operated", "emergency operated",
        "key_switch operated", "controller_ok operated", "acknowledged",
        "open", "close refused", "reversal", "stop", "emergency", "key switch",
    ]  # fmt: skip


def test_functions_of_each_door_are_tested() -> None:
    made = steps("gate", COMMISSIONING)
    assert [name for name in made if not name.endswith((" operated", " cut"))] == [
        "power returns", "acknowledged", "first open", "first stop", "first close",
        "second open", "second close refused", "second reversal", "second stop", "second close",
        "emergency", "interlock", "dead gateway", "dead board",
        "confirmed 1", "confirmed 2", "confirmed 3", "confirmed 4",
    ]  # fmt: skip
    assert made["second open"].sensed == (("doors", 1, "open_limit"), True)
    assert made["second close"].sensed == (("doors", 1, "closed_limit"), True)
    assert "the second door" in made["second open"].instruction.render()
    assert made["first stop"].expected.render().startswith("The relays open.")
    assert [made[f"confirmed {number}"].expected.render() for number in range(1, 5)] == [
        OWN,
        EACH,
        *STATEMENTS["gate"][3],
    ]
    assert "emergency" not in steps("gpio", PROOF)


@pytest.mark.parametrize("kind", [COMMISSIONING, POWER_ON])
@pytest.mark.parametrize("name", POSTS)
def test_no_contact_closes_when_power_returns(name: str, kind: ProtocolKind) -> None:
    """Relays of some boards close for a moment while they start, which no reading shows."""
    step = steps(name, kind)["power returns"]
    assert step.instruction.render().startswith("Switch off the power of the board with the relays")
    assert step.expected.render() == "No relay closes, not even for a moment, and nothing moves."
    assert step.sensed is None, "a person judges: a click is shorter than a poll"
    assert next(iter(steps(name, kind))) == "power returns", "it may switch off the machine of the answers"


def test_emergency_commands_no_closing_where_the_gateway_has_none() -> None:
    """Each step can be done at its barrier, and can fail there."""
    given = SMALL | {"board": WAVESHARE, "emergency": nc(5), "no_emergency_input": False}
    opened = ModbusBarrierSettings.model_validate(given)
    for kind in (PROOF, COMMISSIONING):
        (step,) = [step for step in protocol(opened, kind) if step.name == "emergency"]
        assert step.instruction.render() == (
            "Trigger the emergency input with the barrier closed, and end it again."
        )
        assert step.expected.render() == (
            "The machine's own controller opens the barrier, and the gateway shows the emergency until it is "
            "over and acknowledged."
        )
        assert steps("boom", kind)["emergency"].instruction.render().endswith("and command it to close.")


@pytest.mark.parametrize("kind", [PROOF, COMMISSIONING])
@pytest.mark.parametrize("name", POSTS)
def test_functions_are_tried_after_an_acknowledgement(name: str, kind: ProtocolKind) -> None:
    """The inputs that were operated have latched an emergency, which refuses each closing.

    A closing towards a person would be refused for it, without a detector.
    """
    names = list(steps(name, kind))
    at = names.index("acknowledged")
    inputs = [place for place, step in enumerate(names) if step.endswith((" operated", " cut"))]
    doors = [f"{door.name} open".strip() for door in POSTS[name].doors]
    assert max(inputs) < at < min(names.index(door) for door in doors)


@pytest.mark.parametrize("kind", [PROOF, COMMISSIONING])
def test_second_door_is_tried_with_the_first_closed(kind: ProtocolKind) -> None:
    """The second door of a gate without a fault would not open otherwise."""
    made = steps("gate", kind)
    names = list(made)
    assert names.index("first stop") < names.index("first close") < names.index("second open")
    assert made["first close"].sensed == (("doors", 0, "closed_limit"), True)
    assert made["first close"].instruction.render() == "Let the first door close by its own controller."
    assert made["second close"].instruction.render() == "Close the second door with its way clear."


def test_refusals_are_expected_for_their_reason() -> None:
    """Another refusal, such as that of a rate, would pass the step as well."""
    boom, double = steps("boom", COMMISSIONING), steps("gate", COMMISSIONING)
    for step, why in (
        (boom["close refused"], "because a person is in the way"),
        (steps("boom", POWER_ON)["close refused"], "because a person is in the way"),
        (double["second close refused"], "because a person is in the way"),
        (double["interlock"], "because the other door is not closed"),
        (boom["key switch"], "because the key switch is turned"),
    ):
        assert why in step.expected.render()


def test_key_switch_is_tried_with_a_command() -> None:
    """A reading of the input does not show that the key switch keeps commands away."""
    for kind in (PROOF, COMMISSIONING):
        step = steps("boom", kind)["key switch"]
        assert step.instruction.render() == "Turn the key switch, and command the barrier to open."
        assert step.expected.render() == (
            "The command is refused because the key switch is turned, and nothing moves."
        )
        assert "key switch" not in steps("gate", kind)


def test_power_on_test_begins_with_the_power() -> None:
    assert list(steps("gate", POWER_ON)) == [
        "power returns", "at rest", "first open", "first closed",
        "second presence operated", "second open", "second close refused", "second closed", "stop switch",
    ]  # fmt: skip
