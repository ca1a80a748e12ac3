"""Declaration of commands by drivers, and its limits."""

from typing import ClassVar

import pytest
from pydantic import Field

from drivers.clock import boot_ns
from drivers.command import CommandArguments, CommandOutput, CommandSpec, Invocation, command
from drivers.driver import Driver, Family, Identity
from drivers.links.settings import Settings
from drivers.observation import Observation


class Turn(CommandArguments):
    angle_deg: float = Field(description="Angle, in degrees.", examples=[90])


class Turned(CommandOutput):
    angle_deg: float = Field(description="Angle turned, in degrees.", examples=[90])


class Vane(Driver[Settings]):
    family = Family.UNKNOWN
    settings_model = Settings
    observation_types: ClassVar[tuple[type[Observation], ...]] = ()

    async def open(self) -> Identity:
        return Identity(model="vane")

    async def watch(self):
        return
        yield

    @command(is_movement=True)
    async def turn_by(self, request: Turn, call: Invocation) -> Turned:
        return Turned(angle_deg=request.angle_deg)

    @command(is_urgent=True)
    async def stop(self, request: CommandArguments, call: Invocation) -> CommandOutput:
        return CommandOutput()


def test_commands_are_declared_by_methods() -> None:
    assert Vane.commands == {
        "turn-by": CommandSpec("turn-by", "turn_by", Turn, Turned, is_urgent=False, is_movement=True),
        "stop": CommandSpec(
            "stop", "stop", CommandArguments, CommandOutput, is_urgent=True, is_movement=False
        ),
    }


def test_driver_without_commands_has_none() -> None:
    class Still(Vane):
        turn_by = None
        stop = None

    assert Still.commands == {}


def test_malformed_command_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Bad\.turn is not \(self, CommandArguments, Invocation\)"):

        class Bad(Vane):
            @command()
            async def turn(self, angle: int) -> CommandOutput:
                return CommandOutput()


def test_reserved_verb_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Greedy\.claim: `claim` is a command of every device"):

        class Greedy(Vane):
            @command()
            async def claim(self, request: CommandArguments, call: Invocation) -> CommandOutput:
                return CommandOutput()


def test_verb_may_differ_from_method() -> None:
    class Door(Vane):
        @command(verb="open", is_movement=True)
        async def open_door(self, request: CommandArguments, call: Invocation) -> CommandOutput:
            return CommandOutput()

    assert Door.commands["open"] == CommandSpec(
        "open", "open_door", CommandArguments, CommandOutput, is_urgent=False, is_movement=True
    )


def test_invocation_has_remaining_time() -> None:
    assert 1.9 < Invocation.local(within_s=2).remaining_s <= 2
    assert Invocation("1", "lane-1", "t", boot_ns() - 10**9).remaining_s < -0.9
