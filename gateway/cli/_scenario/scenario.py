"""The file of a scenario: a post, its simulated devices, and steps with expectations."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

ACTIONS = ("simulator", "command", "expect", "usable", "unusable", "pause_s")
POSITION = r"^[a-z0-9][a-z0-9-]*/[a-z0-9][a-z0-9-]*$"


class ScenarioError(Exception):
    """The file is no scenario; a line for each error."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Command(_Part):
    """A command of the counter's workstation, and how it must end."""

    position: str = Field(pattern=POSITION)
    verb: str
    args: dict[str, Any] = {}
    station: str | None = Field(
        default=None, description="Another station of the role file that sends it; default: the scenario's."
    )
    refused: str | None = Field(
        default=None, description="Reason for which it must be refused; done if omitted."
    )


class Expectation(_Part):
    """An event that must come after the events of the earlier expectations at the same position."""

    position: str = Field(pattern=POSITION)
    type: str = Field(description="Type without `bgw.` and version.", examples=["document.read"])
    data: dict[str, Any] = Field(
        default={}, description="Fields that its data must have with these values, at any depth."
    )
    checks: dict[str, str] = Field(
        default={}, description="Outcomes of its checks by identifier; other checks may have any."
    )


class Step(_Part):
    """One step: exactly one action."""

    name: str = ""
    within_s: float = Field(default=20.0, gt=0, le=600, description="Time limit of the step, in seconds.")
    simulator: dict[str, Any] | None = Field(
        default=None, description="Request to the simulated post, as in simulators/README.md."
    )
    command: Command | None = None
    expect: Expectation | None = None
    usable: tuple[str, ...] | None = Field(default=None, description="Positions that must be usable.")
    unusable: tuple[str, ...] | None = Field(default=None, description="Positions that must not be usable.")
    pause_s: float | None = Field(default=None, gt=0, le=600)

    @model_validator(mode="after")
    def _one_action(self) -> Self:
        if sum(getattr(self, action) is not None for action in ACTIONS) != 1:
            raise ValueError(f"a step has one of {', '.join(ACTIONS)}")
        return self

    @property
    def title(self) -> str:
        """Name for the report: its own, or what it does."""
        if self.name:
            return self.name
        if self.simulator is not None:
            words = (self.simulator.get(key) for key in ("do", "name", "member", "fault"))
            return " ".join(str(word) for word in words if word)
        if self.command is not None:
            return f"{self.command.verb} {self.command.position}"
        if self.expect is not None:
            return f"{self.expect.type} of {self.expect.position}"
        for word, positions in (("usable", self.usable), ("unusable", self.unusable)):
            if positions is not None:
                return f"{word}: {', '.join(positions)}"
        return f"pause of {self.pause_s:g} s"


class Scenario(_Part):
    """A whole scenario; `post` and `simulated` are files relative to its own."""

    title: str
    post: Path = Field(description="The gateway's file; its broker and ports are those of the run.")
    simulated: Path = Field(description="The file of the simulated devices.")
    station: str = Field(default="officer", description="Station that sends the commands.")
    step: tuple[Step, ...] = Field(min_length=1)

    @property
    def stations(self) -> frozenset[str]:
        """Stations that send commands."""
        return frozenset(one.command.station or self.station for one in self.step if one.command) | {
            self.station
        }


def load_scenario(file: Path) -> Scenario:
    """Read a scenario; raises ScenarioError."""
    try:
        table = tomllib.loads(file.read_text("utf-8"))
        scenario = Scenario.model_validate(table)
    except OSError as error:
        raise ScenarioError(f"{file}: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ScenarioError(f"{file}: {error}") from error
    except ValidationError as error:
        raise ScenarioError("\n".join(f"{file}: {text}" for text in _texts(error))) from error
    paths = {name: file.parent / getattr(scenario, name) for name in ("post", "simulated")}
    if missing := [
        f"{file}: {name}: {path} is missing" for name, path in paths.items() if not path.is_file()
    ]:
        raise ScenarioError("\n".join(missing))
    return scenario.model_copy(update=paths)


def _texts(error: ValidationError) -> Iterator[str]:
    for found in error.errors(include_url=False, include_input=False):
        place = ", ".join(map(str, found["loc"]))
        # A step is named as a person counts it: "step 2, pause_s".
        place = re.sub(r"^step, (\d+)", lambda number: f"step {int(number[1]) + 1}", place)
        yield f"{place}: {found['msg'].removeprefix('Value error, ')}"


def differing(expected: Mapping[str, Any], found: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Yield the paths of expected fields that have another value, or are missing."""
    for key, value in expected.items():
        at, other = f"{path}{key}", found.get(key)
        if isinstance(value, Mapping) and isinstance(other, Mapping):
            yield from differing(value, other, f"{at}.")
        elif other != value:
            yield at
