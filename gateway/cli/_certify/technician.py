"""Tasks of a certification for a person at the device, and their dialogue on a terminal."""

import sys
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import typer

STOPPED = "Stopped. What was tried is in the report; the same command continues."


class Stopped(Exception):  # noqa: N818 - a person's wish, not a fault
    """The certification ends here, and may be continued later; the text says why."""


class Action(StrEnum):
    """Action at the device."""

    PRESENT = "present"
    """Present a specimen; it is done when something is read."""
    PRESENT_AND_PULL = "present_and_pull"
    """Present a specimen and pull the plug while it is read."""
    TAKE_CHIP = "take_chip"
    """Have a specimen with a chip at hand."""
    TOUCH = "touch"
    """Place a finger or a card; it is done when the self-test ends."""
    PULL = "pull"
    PLUG = "plug"
    PLUG_AND_PULL = "plug_and_pull"
    """Plug it in, and pull the plug again within a second."""
    POWER_OFF = "power_off"
    POWER_ON = "power_on"
    LOAD = "load"
    """Permit that the machine is kept busy."""
    ALLOW_LOSS = "allow_loss"
    """Permit that a barrier loses its board: it may move by itself then."""


@dataclass(frozen=True, slots=True)
class Task:
    """One task: an action, its instruction in a sentence, and its subject."""

    action: Action
    text: str
    format: str = ""
    """Format of the specimen; empty: any."""
    typed: str = ""
    """Word to type as a confirmation; empty: Enter is enough."""


class Technician(Protocol):
    """Person at the device, or a program in the place of one."""

    def say(self, text: str) -> None:
        """Report something."""
        ...

    def begin(self, task: Task) -> None:
        """Pass a task on, without waiting for its end."""
        ...

    def do(self, task: Task) -> bool:
        """Wait until a task is done; False: it was skipped. Raises Stopped."""
        ...

    def try_again(self, text: str) -> bool:
        """Report that an attempt had no result; False: give up. Raises Stopped."""
        ...

    def count(self, question: str, least: int) -> int:
        """Return a number that only the person has seen, at least `least`. Raises Stopped."""
        ...


class TerminalTechnician:
    """Dialogue on the terminal, on standard error."""

    def say(self, text: str) -> None:
        """Print a line."""
        typer.echo(text, err=True)

    def begin(self, task: Task) -> None:
        """Print the task."""
        self.say(f"  > {task.text}")

    def do(self, task: Task) -> bool:
        """Print the task and wait for Enter, or for the word to type."""
        self.begin(task)
        if task.typed:
            return self._answer(f"Type {task.typed} to permit it; Enter: skip; q: stop") == task.typed
        return self._answer("Enter: done; s: skip; q: stop").lower() != "s"

    def try_again(self, text: str) -> bool:
        """Ask whether to try once more."""
        self.say(f"    {text}")
        return self._answer("Enter: try again; s: skip the rest; q: stop").lower() != "s"

    def count(self, question: str, least: int) -> int:
        """Ask for a number."""
        while answer := self._answer(f"{question} Enter: {least}"):
            if answer.isdecimal() and len(answer) < 7 and int(answer) >= least:
                return int(answer)
            self.say(f"    A number of at least {least}.")
        return least

    def _answer(self, question: str) -> str:
        try:
            typer.echo(f"    [{question}] ", nl=False, err=True)
            line = sys.stdin.readline()
        except KeyboardInterrupt:
            self.say("")  # ends the line with the question
            raise Stopped(STOPPED) from None
        if not line:
            self.say("")
        if not line or line.strip().lower() == "q":  # an empty line still has its end
            raise Stopped(STOPPED)
        return line.strip()
